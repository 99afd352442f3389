/**
 * What is in every cluster before anybody asks (spec: apiserver 12.3): system namespaces, the Service of the API server itself, the default
 * policy with its gathered rules, the claims of the built-in groups.
 */
import { AUTOMANAGED } from "../aggregator/registration.ts";
import type { GroupVersion, KubeObject } from "../api/meta.ts";
import { defaultPolicy } from "../auth/rbac/policy.ts";
import { aggregatedRules, type GatheringRole, type Rule, sameRules } from "../controllers/aggregated-rules.ts";
import { BOOTSTRAP, builtinPriority, SYSTEM_NAMESPACES } from "../kinds/index.ts";
import type { ResourceDefinition } from "../server/resource.ts";
import { REGISTRATION_GROUP } from "../server/routes.ts";
import { type Seed, seedOf } from "./seed.ts";

/** The first address of the range Services get theirs from. */
const KUBERNETES_CLUSTER_IP = "10.96.0.1";
/** Where the Service leads until the server listens. */
const DEFAULT_PORT = 6443;

/** Seeds by what they are for, in the order in which they are written. */
export interface BootstrapSeeds {
  readonly namespaces: readonly Seed[];
  readonly services: readonly Seed[];
  readonly policy: readonly Seed[];
  readonly apiServices: readonly Seed[];
}

/** The objects themselves, as they would be sent to the API. */
export function bootstrapObjects(
  served: readonly GroupVersion[],
): Readonly<Record<keyof BootstrapSeeds, KubeObject[]>> {
  return {
    namespaces: SYSTEM_NAMESPACES.map((name) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } })),
    services: [kubernetesService()],
    policy: gathered(defaultPolicy().map(([, object]) => object)),
    apiServices: served.filter(({ group }) => group !== REGISTRATION_GROUP).map(claimOf),
  };
}

function kubernetesService(): KubeObject {
  const { namespace, name, port, portName } = BOOTSTRAP.kubernetesService;
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace, name, labels: { component: "apiserver", provider: "kubernetes" } },
    spec: {
      clusterIP: KUBERNETES_CLUSTER_IP,
      ports: [{ name: portName, port, protocol: "TCP", targetPort: DEFAULT_PORT }],
      sessionAffinity: "None",
      type: "ClusterIP",
    },
  };
}

/** The same as what automatic registration wants at the start. Throws for a group-version whose priority nobody knows. */
function claimOf({ group, version }: GroupVersion): KubeObject {
  const priority = builtinPriority(group, version);
  if (priority === undefined) throw new Error(`no priority for the built-in group-version ${group}/${version}`);
  return {
    apiVersion: `${REGISTRATION_GROUP}/v1`,
    kind: "APIService",
    metadata: { name: `${version}.${group}`, labels: { [AUTOMANAGED]: "onstart" } },
    spec: {
      ...(group !== "" && { group }),
      version,
      groupPriorityMinimum: priority.group,
      versionPriority: priority.version,
    },
  };
}

/** Roles that gather others have from the start what the controller would give them: nobody waits for it to run. */
function gathered(policy: readonly KubeObject[]): KubeObject[] {
  const own = (role: KubeObject) => Object.keys(role.metadata.labels ?? {}).length > 1;
  // Only a few are labelled for that.
  const roles = new Map<string, GatheringRole>();
  for (const object of policy)
    if (object.kind === "ClusterRole" && own(object)) roles.set(object.metadata.name!, object);
  const gathering = policy.filter((object): object is GatheringRole => object["aggregationRule"] !== undefined);
  const rules = new Map<string, readonly Rule[]>();
  for (let settled = false; !settled; ) {
    settled = true;
    for (const role of gathering) {
      const name = role.metadata.name!;
      const found = aggregatedRules(role, roles.values()) ?? [];
      if (sameRules(rules.get(name), found)) continue;
      // What it gathers may itself gather.
      settled = false;
      rules.set(name, found);
      if (roles.has(name)) roles.set(name, { ...role, rules: found });
    }
  }
  return policy.map((object) => {
    const found = object.kind === "ClusterRole" ? rules.get(object.metadata.name!) : undefined;
    return found === undefined ? object : { ...object, rules: found };
  });
}

let made: { readonly served: string; readonly seeds: BootstrapSeeds } | undefined;

/** Encoded on first use, then kept: every store of this process starts with the same. */
export function bootstrapSeeds(
  definitions: readonly ResourceDefinition[],
  served: readonly GroupVersion[],
): BootstrapSeeds {
  const key = JSON.stringify(served.map(({ group, version }) => [group, version]));
  if (made?.served !== key) {
    const byKind = new Map(definitions.map((one) => [`${one.group}/${one.version}/${one.kind}`, one]));
    const seed = (object: KubeObject) => {
      const { apiVersion = "", kind } = object;
      const definition = byKind.get(`${apiVersion.includes("/") ? "" : "/"}${apiVersion}/${kind}`);
      if (definition === undefined) throw new Error(`nothing stores ${kind} of ${apiVersion}`);
      return seedOf(definition, object);
    };
    const { namespaces, services, policy, apiServices } = bootstrapObjects(served);
    const seeds = {
      namespaces: namespaces.map(seed),
      services: services.map(seed),
      policy: policy.map(seed),
      apiServices: apiServices.map(seed),
    };
    made = { served: key, seeds };
  }
  return made.seeds;
}
