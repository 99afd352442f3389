/** Pod: containers that run together on one node. */
import { forbiddenField, invalidValue, notSupported, required } from "../../api/field-errors.ts";
import { type JSONValue, type KubeObject, qualified } from "../../api/meta.ts";
import { dns1123Label, dns1123Subdomain, rangeMessage } from "../../api/names.ts";
import { conflict, type FieldError, invalid } from "../../api/status.ts";
import { formatTime } from "../../api/time.ts";
import type { RequestContext, ResourceDefinition, Strategy, Subresource } from "../../server/resource.ts";
import { defineKind, keep, keepMeta, statusSubresource } from "../define.ts";
import type { Binding, Container, Eviction, Pod, PodCondition, PodSpec } from "../generated/types.ts";
import { deepCopy, immutable, semanticEqual } from "../semantic.ts";
import { codecFor } from "../tables.ts";
import { podTable } from "./pod-columns.ts";
import { defaultPod } from "./pod-defaults.ts";
import { qosClass } from "./pod-quality.ts";
import { imageSpaceErrors, tolerationErrors, validatePodSpec } from "./pod-rules.ts";

const GATED = "SchedulingGated";
const MAX_INT32 = 2 ** 31 - 1;

function specAndImages(pod: Pod): FieldError[] {
  return [
    ...validatePodSpec(pod.spec, "spec"),
    ...imageSpaceErrors(pod.spec.containers, "spec.containers"),
    ...imageSpaceErrors(pod.spec.initContainers, "spec.initContainers"),
  ];
}

function validate(pod: Pod): FieldError[] {
  const errors = specAndImages(pod);
  if ((pod.spec.ephemeralContainers ?? []).length > 0) {
    errors.push(forbiddenField("spec.ephemeralContainers", "cannot be set on create"));
  }
  if (pod.spec.nodeName && (pod.spec.schedulingGates ?? []).length > 0) {
    errors.push(forbiddenField("spec.nodeName", "cannot be set until all schedulingGates have been cleared"));
  }
  return errors;
}

const UPDATABLE = [
  "`spec.containers[*].image`",
  "`spec.initContainers[*].image`",
  "`spec.activeDeadlineSeconds`",
  "`spec.tolerations` (only additions to existing tolerations)",
  "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
].join(",");

function withOldImages(containers: Container[] | null | undefined, old: Container[] | null | undefined) {
  return (containers ?? []).map((container, index) => ({ ...container, image: old?.[index]?.image }));
}

/** What is left of a change when everything that may change is put back. */
function immutablePart(spec: PodSpec, old: PodSpec): unknown {
  const rest = {
    ...spec,
    containers: withOldImages(spec.containers, old.containers),
    initContainers: withOldImages(spec.initContainers, old.initContainers),
    activeDeadlineSeconds: old.activeDeadlineSeconds,
    tolerations: old.tolerations,
    schedulingGates: old.schedulingGates,
  };
  if ((old.terminationGracePeriodSeconds ?? 0) < 0 && rest.terminationGracePeriodSeconds === 1) {
    return { ...rest, terminationGracePeriodSeconds: old.terminationGracePeriodSeconds };
  }
  if ((old.schedulingGates ?? []).length > 0) {
    // A gated pod may still be narrowed down to fewer nodes.
    const { nodeAffinity: _, ...others } = spec.affinity ?? {};
    const affinity = { ...others, nodeAffinity: old.affinity?.nodeAffinity };
    return { ...rest, nodeSelector: old.nodeSelector, affinity };
  }
  return rest;
}

function validateUpdate(pod: Pod, old: Pod): FieldError[] {
  const errors = specAndImages(pod);
  for (const field of ["containers", "initContainers"] as const) {
    if ((pod.spec[field] ?? []).length !== (old.spec[field] ?? []).length) {
      return [...errors, forbiddenField(`spec.${field}`, "pod updates may not add or remove containers")];
    }
  }
  const deadline = pod.spec.activeDeadlineSeconds;
  const oldDeadline = old.spec.activeDeadlineSeconds;
  const field = "spec.activeDeadlineSeconds";
  if (deadline !== undefined) {
    if (deadline < 0 || deadline > MAX_INT32) {
      return [...errors, invalidValue(field, deadline, rangeMessage(0, MAX_INT32))];
    }
    if (oldDeadline !== undefined && oldDeadline < deadline) {
      return [...errors, invalidValue(field, deadline, "must be less than or equal to previous value")];
    }
  } else if (oldDeadline !== undefined) {
    errors.push(invalidValue(field, null, "must not update from a positive integer to nil value"));
  }
  const tolerations = pod.spec.tolerations ?? [];
  const kept = (old.spec.tolerations ?? []).every((before) =>
    tolerations.some((toleration) =>
      semanticEqual({ ...before, tolerationSeconds: 0 }, { ...toleration, tolerationSeconds: 0 }),
    ),
  );
  if (!kept) {
    const detail = "existing toleration can not be modified except its tolerationSeconds";
    errors.push(forbiddenField("spec.tolerations", detail));
  } else errors.push(...tolerationErrors(tolerations, "spec.tolerations"));
  const oldGates = new Set((old.spec.schedulingGates ?? []).map((gate) => gate.name));
  for (const gate of pod.spec.schedulingGates ?? []) {
    if (!oldGates.has(gate.name)) {
      const detail = `only deletion is allowed, but found new scheduling gate '${gate.name}'`;
      errors.push(forbiddenField("spec.schedulingGates", detail));
    }
  }
  if (!semanticEqual(immutablePart(pod.spec, old.spec), old.spec)) {
    errors.push(forbiddenField("spec", `pod updates may not change fields other than ${UPDATABLE}\n`));
  }
  return errors;
}

const strategy: Strategy<Pod> = {
  returnsDeletedObject: true,
  setDefaults: defaultPod,
  prepareForCreate(pod, context) {
    pod.metadata.generation = 1;
    pod.status = { phase: "Pending", qosClass: qosClass(pod) };
    if ((pod.spec.schedulingGates ?? []).length > 0) {
      pod.status.conditions = [
        {
          type: "PodScheduled",
          status: "False",
          lastTransitionTime: formatTime(context.clock.now()),
          reason: GATED,
          message: "Scheduling is blocked due to non-empty scheduling gates",
        },
      ];
    }
  },
  validate,
  warningsOnCreate(pod) {
    const messages = dns1123Label(pod.metadata.name ?? "");
    if (messages.length === 0) return [];
    return [
      `metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [${messages.join(" ")}]`,
    ];
  },
  prepareForUpdate(pod, old) {
    keep(pod, old, "status");
    const generation = old.metadata.generation ?? 0;
    pod.metadata.generation = semanticEqual(pod.spec, old.spec) ? generation : generation + 1;
  },
  validateUpdate,
  /** Nobody runs a pod without a node or one that has ended: it goes at once (spec: apiserver 2.8). */
  gracePeriodSeconds(pod, asked) {
    const { phase } = pod.status ?? {};
    if (!pod.spec.nodeName || phase === "Failed" || phase === "Succeeded") return 0;
    const seconds = asked ?? pod.spec.terminationGracePeriodSeconds ?? 0;
    return seconds < 0 ? 1 : seconds;
  },
};

const statusStrategy: Strategy<Pod> = {
  setDefaults: defaultPod,
  prepareForUpdate(pod, old) {
    keep(pod, old, "spec");
    keepMeta(pod, old, "ownerReferences");
    pod.status ??= {};
    if (!pod.status.qosClass && old.status?.qosClass) pod.status.qosClass = old.status.qosClass;
    if (!pod.status.observedGeneration && old.status?.observedGeneration) {
      pod.status.observedGeneration = old.status.observedGeneration;
    }
    const { generation } = old.metadata;
    if (generation !== undefined) pod.metadata.generation = generation;
  },
  validateUpdate(pod, old) {
    const { nominatedNodeName = "", qosClass: quality = "" } = pod.status ?? {};
    const errors: FieldError[] = [];
    if (nominatedNodeName !== "" && nominatedNodeName !== old.status?.nominatedNodeName) {
      for (const message of dns1123Subdomain(nominatedNodeName)) {
        errors.push(invalidValue("status.nominatedNodeName", nominatedNodeName, message));
      }
    }
    return [...errors, ...immutable("status.qosClass", quality, old.status?.qosClass ?? "")];
  },
};

const BINDING = { group: "", version: "v1", kind: "Binding" };
const EVICTION = { group: "policy", version: "v1", kind: "Eviction" };

/** The rules of a Binding. */
export function validateBinding(binding: Binding): FieldError[] {
  const { kind = "", name = "" } = binding.target ?? {};
  const errors: FieldError[] = [];
  if (kind !== "" && kind !== "Node") errors.push(notSupported("target.kind", kind, ["Node", "<empty>"]));
  if (name === "") errors.push(required("target.name"));
  return errors;
}

/**
 * The pod as it is once a scheduler has given it a node: a changed copy. Throws 409 for a pod that may not be bound.
 * `now`: milliseconds.
 */
export function boundPod(pod: Pod, binding: Binding, now: number): Pod {
  const name = pod.metadata.name ?? "";
  let why: string | undefined;
  if (pod.metadata.deletionTimestamp) why = `pod ${name} is being deleted, cannot be assigned to a host`;
  else if (pod.spec.nodeName) why = `pod ${name} is already assigned to node "${pod.spec.nodeName}"`;
  else if ((pod.spec.schedulingGates ?? []).length > 0) why = `pod ${name} has non-empty .spec.schedulingGates`;
  if (why !== undefined) throw conflict({ group: "", resource: "pods/binding" }, name, why);
  const bound = deepCopy(pod);
  bound.spec.nodeName = binding.target.name!;
  const annotations = new Map(Object.entries(bound.metadata.annotations ?? {}));
  for (const [key, value] of Object.entries(binding.metadata?.annotations ?? {})) annotations.set(key, value);
  if (annotations.size > 0) bound.metadata.annotations = Object.fromEntries(annotations);
  const labels = new Map(Object.entries(bound.metadata.labels ?? {}));
  for (const [key, value] of Object.entries(binding.metadata?.labels ?? {})) labels.set(key, value);
  if (labels.size > 0) bound.metadata.labels = Object.fromEntries(labels);
  bound.status ??= {};
  delete bound.status.nominatedNodeName;
  bound.status.conditions ??= [];
  const { conditions } = bound.status;
  const scheduled: PodCondition = { type: "PodScheduled", status: "True", lastTransitionTime: formatTime(now) };
  const index = conditions.findIndex((condition) => condition.type === "PodScheduled");
  if (index < 0) conditions.push(scheduled);
  else conditions[index] = scheduled;
  return bound;
}

const bindingSubresource: Subresource<Pod> = {
  name: "binding",
  verbs: ["create"],
  kind: BINDING,
  codec: codecFor(BINDING),
  change(context: RequestContext, pod: Pod, body: KubeObject) {
    const errors = validateBinding(body as Binding);
    if (errors.length > 0) throw invalid({ group: "", kind: qualified("Binding", "") }, context.name, errors);
    return boundPod(pod, body as Binding, context.clock.now());
  },
};

/** Notes that the pod was asked to go. `now`: milliseconds. */
export function markEvicted(pod: Pod, now: number): void {
  pod.status ??= {};
  pod.status.conditions ??= [];
  const { conditions } = pod.status;
  const index = conditions.findIndex((condition) => condition.type === "DisruptionTarget");
  const before = conditions[index];
  const condition: PodCondition = {
    type: "DisruptionTarget",
    status: "True",
    lastTransitionTime: before?.status === "True" ? (before.lastTransitionTime ?? null) : formatTime(now),
    reason: "EvictionByEvictionAPI",
    message: "Eviction API: evicting",
  };
  if (index < 0) conditions.push(condition);
  else conditions[index] = condition;
}

/** No PodDisruptionBudget can stand in the way: the kind is not served. */
const evictionSubresource: Subresource<Pod> = {
  name: "eviction",
  verbs: ["create"],
  kind: EVICTION,
  codec: codecFor(EVICTION),
  deletion: { options: (body) => (body as Eviction).deleteOptions as JSONValue | undefined, mark: markEvicted },
};

export function pods(): ResourceDefinition<Pod> {
  return defineKind<Pod>({
    group: "",
    version: "v1",
    kind: "Pod",
    namespaced: true,
    shortNames: ["po"],
    categories: ["all"],
    nameRule: dns1123Subdomain,
    strategy,
    fields: {
      "spec.nodeName": (pod) => pod.spec.nodeName ?? "",
      "spec.restartPolicy": (pod) => pod.spec.restartPolicy ?? "",
      "spec.schedulerName": (pod) => pod.spec.schedulerName ?? "",
      "spec.serviceAccountName": (pod) => pod.spec.serviceAccountName ?? "",
      "spec.hostNetwork": (pod) => `${pod.spec.hostNetwork ?? false}`,
      "status.phase": (pod) => pod.status?.phase ?? "",
      "status.podIP": (pod) => pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP ?? "",
      "status.podIPs": (pod) => pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP ?? "",
      "status.nominatedNodeName": (pod) => pod.status?.nominatedNodeName ?? "",
    },
    subresources: [bindingSubresource, evictionSubresource, statusSubresource(statusStrategy)],
    table: podTable,
  });
}
