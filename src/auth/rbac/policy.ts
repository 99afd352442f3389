/** The roles and bindings every cluster starts with, and how they are kept without taking away what an administrator added (spec: apiserver 10.4). */
import type { KubeObject } from "../../api/meta.ts";
import { hasReason } from "../../api/status.ts";
import type { Client } from "../../client/client.ts";
import { createIfMissing } from "../../client/ensure.ts";
import type { ClusterRole, PolicyRule, RoleBinding, RoleRef, Subject } from "../../kinds/generated/types.ts";
import { DEFAULT_POLICY } from "./generated/default-policy.ts";
import { uncovered } from "./rules.ts";

export interface RoleFacts {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Labels of the roles it gathers; its rules are then filled by a controller. */
  readonly aggregates?: readonly Readonly<Record<string, string>>[];
  readonly rules: readonly PolicyRule[];
}

export interface BindingFacts {
  readonly name: string;
  readonly namespace?: string;
  /** `ClusterRole/<name>` or `Role/<name>` */
  readonly role: string;
  /** `User/<name>`, `Group/<name>`, `ServiceAccount/<namespace>/<name>` */
  readonly subjects: readonly string[];
}

export interface PolicyFacts {
  readonly clusterRoles: readonly RoleFacts[];
  readonly clusterRoleBindings: readonly BindingFacts[];
  readonly roles: readonly RoleFacts[];
  readonly roleBindings: readonly BindingFacts[];
}

const API_VERSION = "rbac.authorization.k8s.io/v1";
const GROUP = "rbac.authorization.k8s.io";
const AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate";

export type PolicyResource = keyof PolicyFacts;

/** The objects as they are first written, in the order to write them. */
export function defaultPolicy(facts: PolicyFacts = DEFAULT_POLICY): readonly (readonly [PolicyResource, KubeObject])[] {
  const metadata = ({
    name,
    namespace,
    labels,
  }: {
    name: string;
    namespace?: string;
    labels?: Readonly<Record<string, string>>;
  }) => ({
    name,
    ...(namespace !== undefined && { namespace }),
    labels: { "kubernetes.io/bootstrapping": "rbac-defaults", ...labels },
    annotations: { [AUTOUPDATE]: "true" },
  });
  const role = (kind: string, one: RoleFacts): KubeObject => ({
    apiVersion: API_VERSION,
    kind,
    metadata: metadata(one),
    ...(one.aggregates !== undefined && {
      aggregationRule: {
        clusterRoleSelectors: one.aggregates.map((matchLabels) => ({ matchLabels: { ...matchLabels } })),
      },
    }),
    rules: one.aggregates !== undefined ? null : structuredClone(one.rules),
  });
  const binding = (kind: string, one: BindingFacts): KubeObject => {
    const slash = one.role.indexOf("/");
    return {
      apiVersion: API_VERSION,
      kind,
      metadata: metadata(one),
      roleRef: { apiGroup: GROUP, kind: one.role.slice(0, slash), name: one.role.slice(slash + 1) },
      subjects: one.subjects.map(subjectOf),
    };
  };
  return [
    ...facts.clusterRoles.map((one) => ["clusterRoles", role("ClusterRole", one)] as const),
    ...facts.clusterRoleBindings.map((one) => ["clusterRoleBindings", binding("ClusterRoleBinding", one)] as const),
    ...facts.roles.map((one) => ["roles", role("Role", one)] as const),
    ...facts.roleBindings.map((one) => ["roleBindings", binding("RoleBinding", one)] as const),
  ];
}

function subjectOf(text: string): Subject {
  const [kind = "", ...rest] = text.split("/");
  if (kind === "ServiceAccount") return { kind, name: rest[1] ?? "", namespace: rest[0] ?? "" };
  return { kind, apiGroup: GROUP, name: rest.join("/") };
}

/** Creates what is missing and adds what is lacking; `autoupdate: "false"` is left alone. Answers how many objects were written. Rejects when a write is refused. */
export async function reconcilePolicy(client: Client, facts: PolicyFacts = DEFAULT_POLICY): Promise<number> {
  let written = 0;
  const existing = new Map<PolicyResource, Map<string, KubeObject>>();
  const known = async (resource: PolicyResource) => {
    let objects = existing.get(resource);
    if (objects === undefined) {
      const { items } = await client.resource(gvr(resource)).listAll();
      objects = new Map(items.map((item) => [`${item.metadata.namespace ?? ""}/${item.metadata.name}`, item]));
      existing.set(resource, objects);
    }
    return objects;
  };
  const namespaces = new Set<string>();
  for (const [resource, wanted] of defaultPolicy(facts)) {
    const { namespace = "", name = "" } = wanted.metadata;
    const found = (await known(resource)).get(`${namespace}/${name}`);
    if (found === undefined && namespace !== "" && !namespaces.has(namespace)) {
      await ensureNamespace(client, namespace);
      namespaces.add(namespace);
    }
    if (await reconcileOne(client, resource, wanted, found)) written++;
  }
  return written;
}

const gvr = (resource: PolicyResource) => ({ group: GROUP, version: "v1", resource: resource.toLowerCase() });

function ensureNamespace(client: Client, name: string): Promise<void> {
  const namespaces = client.resource({ group: "", version: "v1", resource: "namespaces" });
  return createIfMissing(namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
}

async function reconcileOne(
  client: Client,
  resource: PolicyResource,
  wanted: KubeObject,
  first: KubeObject | undefined,
): Promise<boolean> {
  const objects = client.resource(gvr(resource), wanted.metadata.namespace);
  const name = wanted.metadata.name ?? "";
  let found = first;
  for (let attempt = 0; ; attempt++) {
    try {
      if (found === undefined) {
        await objects.create(wanted);
        return true;
      }
      const change = missingFrom(found, wanted);
      if (change === undefined) return false;
      if (change === "replace") {
        // roleRef cannot be changed.
        await objects.delete(name, { preconditions: { uid: found.metadata.uid ?? "" } });
        await objects.create({ ...wanted, ...(found["subjects"] && { subjects: found["subjects"] }) });
      } else await objects.update(change);
      return true;
    } catch (error) {
      const raced = hasReason(error, "AlreadyExists") || hasReason(error, "Conflict") || hasReason(error, "NotFound");
      if (!raced || attempt === 3) throw error;
      found = await objects.get(name).catch((missing: unknown) => {
        if (hasReason(missing, "NotFound")) return undefined;
        throw missing;
      });
    }
  }
}

/** The object with what it lacks added; undefined when it lacks nothing or is not to be touched; "replace" when it points to another role. */
export function missingFrom(found: KubeObject, wanted: KubeObject): KubeObject | "replace" | undefined {
  if (found.metadata.annotations?.[AUTOUPDATE] === "false") return undefined;
  const labels = { ...wanted.metadata.labels, ...found.metadata.labels };
  const annotations = { ...wanted.metadata.annotations, ...found.metadata.annotations };
  let changed =
    Object.keys(labels).length !== Object.keys(found.metadata.labels ?? {}).length ||
    Object.keys(annotations).length !== Object.keys(found.metadata.annotations ?? {}).length;
  const result: KubeObject = { ...found, metadata: { ...found.metadata, labels, annotations } };
  if (wanted["roleRef"] !== undefined) {
    const same = (a: RoleRef, b: RoleRef) => a.apiGroup === b.apiGroup && a.kind === b.kind && a.name === b.name;
    if (!same((found as RoleBinding).roleRef, (wanted as RoleBinding).roleRef)) return "replace";
    const subjects = (found as RoleBinding).subjects ?? [];
    const key = ({ kind, name, namespace, apiGroup }: Subject) =>
      JSON.stringify([kind, name, namespace ?? "", apiGroup ?? ""]);
    const held = new Set(subjects.map(key));
    const missing = ((wanted as RoleBinding).subjects ?? []).filter((subject) => !held.has(key(subject)));
    if (missing.length > 0) {
      result["subjects"] = [...subjects, ...missing];
      changed = true;
    }
  } else {
    const rules = (found as ClusterRole).rules ?? [];
    const missing = uncovered(rules, (wanted as ClusterRole).rules ?? []);
    if (missing.length > 0) {
      result["rules"] = [...rules, ...missing];
      changed = true;
    }
    const selectors = (wanted as ClusterRole).aggregationRule?.clusterRoleSelectors ?? [];
    const current = (found as ClusterRole).aggregationRule?.clusterRoleSelectors ?? [];
    const known = new Set(current.map((selector) => JSON.stringify(selector)));
    const lacking = selectors.filter((selector) => !known.has(JSON.stringify(selector)));
    if (lacking.length > 0) {
      result["aggregationRule"] = { clusterRoleSelectors: [...current, ...lacking] };
      changed = true;
    }
  }
  return changed ? result : undefined;
}
