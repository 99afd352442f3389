/** Node: a machine that runs pods, as its kubelet reports it. */
import {
  append,
  duplicate,
  forbiddenField,
  invalidValue,
  notSupported,
  Printed,
  required,
} from "../../api/field-errors.ts";
import { stringifyJSON } from "../../api/json/encode.ts";
import { dns1123Subdomain, labelValue, qualifiedName } from "../../api/names.ts";
import type { FieldError } from "../../api/status.ts";
import { NONE, UNKNOWN } from "../../api/table.ts";
import type { ResourceDefinition, Strategy } from "../../server/resource.ts";
import { AGE_COLUMN, age, column, NAME_COLUMN } from "../columns.ts";
import { defineKind, keep, statusSubresource } from "../define.ts";
import type { Node, Taint } from "../generated/types.ts";
import { deepCopy, semanticEqual } from "../semantic.ts";

const TAINT_EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
const ROLE_PREFIX = "node-role.kubernetes.io/";
const ROLE_LABEL = "kubernetes.io/role";

// Upstream hangs the path of taints under metadata.
function taintErrors(taints: readonly Taint[], path = "metadata.taints"): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  taints.forEach((taint, index) => {
    const base = `${path}[${index}]`;
    const key = taint.key ?? "";
    for (const message of qualifiedName(key)) errors.push(invalidValue(`${base}.key`, key, message));
    const valueMessages = labelValue(taint.value ?? "");
    if (valueMessages.length > 0) errors.push(invalidValue(`${base}.value`, taint.value, valueMessages.join(";")));
    if (!taint.effect) errors.push(required(`${base}.effect`));
    else if (!TAINT_EFFECTS.includes(taint.effect)) {
      errors.push(notSupported(`${base}.effect`, taint.effect, TAINT_EFFECTS));
    }
    const pair = `${taint.effect}\n${key}`;
    if (seen.has(pair)) {
      // Go prints the struct's fields as JSON without their tags.
      const { value = "", effect, timeAdded = null } = taint;
      const printed = stringifyJSON({ Key: key, Value: value, Effect: effect, TimeAdded: timeAdded });
      const { message, ...rest } = duplicate(base, new Printed(printed));
      errors.push({ ...rest, message: `${message}: taints must be unique by key and effect pair` });
    }
    seen.add(pair);
  });
  return errors;
}

function validate(object: Node): FieldError[] {
  return taintErrors(object.spec?.taints ?? []);
}

function validateChange(object: Node, old: Node): FieldError[] {
  const errors: FieldError[] = [];
  const addresses = new Set<string>();
  (object.status?.addresses ?? []).forEach((address, index) => {
    const text = stringifyJSON({ ...address });
    // Go prints the struct's fields as JSON without their tags.
    if (addresses.has(text)) {
      const printed = stringifyJSON({ Type: address.type, Address: address.address });
      errors.push(duplicate(`status.addresses[${index}]`, new Printed(printed)));
    }
    addresses.add(text);
  });
  const oldCIDRs = old.spec?.podCIDRs ?? [];
  if (oldCIDRs.length > 0 && !semanticEqual(oldCIDRs, object.spec?.podCIDRs)) {
    errors.push(forbiddenField("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid'));
  }
  const oldProvider = old.spec?.providerID ?? "";
  if (oldProvider !== "" && oldProvider !== (object.spec?.providerID ?? "")) {
    errors.push(forbiddenField("spec.providerID", 'node updates may not change providerID except from "" to valid'));
  }
  append(errors, taintErrors(object.spec?.taints ?? []));
  return errors;
}

function setDefaults(object: Node): void {
  object.spec ??= {};
  object.status ??= {};
  const { status } = object;
  if (status.allocatable === undefined && status.capacity !== undefined) status.allocatable = deepCopy(status.capacity);
  // podCIDR and podCIDRs are one field in two forms.
  const { podCIDR, podCIDRs } = object.spec;
  if (podCIDR && !podCIDRs?.length) object.spec.podCIDRs = [podCIDR];
  else if (podCIDRs?.length && !podCIDR) object.spec.podCIDR = podCIDRs[0]!;
}

const strategy: Strategy<Node> = {
  setDefaults,
  validate,
  prepareForUpdate: (object, old) => keep(object, old, "status"),
  validateUpdate: (object, old) => [...validate(object), ...validateChange(object, old)],
};

const statusStrategy: Strategy<Node> = {
  setDefaults,
  prepareForUpdate: (object, old) => keep(object, old, "spec"),
  validateUpdate: validateChange,
};

function statusCell(object: Node): string {
  const ready = object.status?.conditions?.findLast((condition) => condition.type === "Ready");
  const parts = [ready === undefined ? "Unknown" : ready.status === "True" ? "Ready" : "NotReady"];
  if (object.spec?.unschedulable) parts.push("SchedulingDisabled");
  return parts.join(",");
}

function rolesCell(object: Node): string {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(object.metadata.labels ?? {})) {
    if (key.startsWith(ROLE_PREFIX)) {
      if (key.length > ROLE_PREFIX.length) roles.add(key.slice(ROLE_PREFIX.length));
    } else if (key === ROLE_LABEL && value !== "") roles.add(value);
  }
  return [...roles].sort().join(",") || NONE;
}

function addressCell(object: Node, type: string): string {
  return object.status?.addresses?.find((address) => address.type === type)?.address ?? NONE;
}

export function nodes(): ResourceDefinition<Node> {
  return defineKind<Node>({
    group: "",
    version: "v1",
    kind: "Node",
    namespaced: false,
    shortNames: ["no"],
    storagePrefix: "/registry/minions/",
    nameRule: dns1123Subdomain,
    strategy,
    fields: { "spec.unschedulable": (object) => `${object.spec?.unschedulable ?? false}` },
    subresources: [statusSubresource(statusStrategy)],
    table: {
      columns: [
        NAME_COLUMN,
        column("Status", "Whether the node is ready, and whether it takes new pods."),
        column("Roles", "The roles its labels give it."),
        AGE_COLUMN,
        column("Version", "The version of its kubelet."),
        column("Internal-IP", "Its first internal address.", true),
        column("External-IP", "Its first external address.", true),
        column("OS-Image", "The operating system.", true),
        column("Kernel-Version", "The kernel and its architecture.", true),
        column("Container-Runtime", "The container runtime and its version.", true),
      ],
      cells(object, now) {
        const info = object.status?.nodeInfo;
        const architecture = info?.architecture ? ` (${info.architecture})` : "";
        return [
          object.metadata.name ?? "",
          statusCell(object),
          rolesCell(object),
          age(object, now),
          info?.kubeletVersion ?? "",
          addressCell(object, "InternalIP"),
          addressCell(object, "ExternalIP"),
          info?.osImage || UNKNOWN,
          (info?.kernelVersion || UNKNOWN) + architecture,
          info?.containerRuntimeVersion || UNKNOWN,
        ];
      },
    },
  });
}
