/** Definitions for stories: made under a group of their own, and gone afterwards. */
import { eventually } from "./story.ts";
import { type Target, uniqueName } from "./target.ts";

export const DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

export interface DefinitionSketch {
  readonly kind: string;
  readonly plural?: string;
  readonly scope?: "Namespaced" | "Cluster";
  /** Further names. */
  readonly names?: object;
  readonly versions?: readonly object[];
  /** The schema of the only version, v1. */
  readonly schema?: object;
  /** What else is said of the only version. */
  readonly version?: object;
  readonly spec?: object;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A schema that takes a spec and a status of any kind. */
export const OPEN_SCHEMA = {
  type: "object",
  properties: {
    spec: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
    status: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
  },
};

export function definition(group: string, sketch: DefinitionSketch) {
  const { kind, scope = "Namespaced", names, schema = OPEN_SCHEMA, version, spec, annotations } = sketch;
  const plural = sketch.plural ?? `${kind.toLowerCase()}s`;
  const only = { name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema }, ...version };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}`, ...(annotations && { annotations }) },
    spec: { group, scope, names: { plural, kind, ...names }, versions: sketch.versions ?? [only], ...spec },
  };
}

export const uniqueGroup = () => `${uniqueName("crd")}.example.com`;

// biome-ignore lint/suspicious/noExplicitAny: a story reads into whatever the server answered
export const conditionOf = (crd: any, type: string) =>
  // biome-ignore lint/suspicious/noExplicitAny: as above
  (crd.status?.conditions ?? []).find((condition: any) => condition.type === type);

/** Creates a definition and waits until it is established and its resource answers. */
export async function install(target: Target, crd: ReturnType<typeof definition>): Promise<void> {
  const made = await target.call("POST", DEFINITIONS, { body: crd });
  if (made.status !== 201) throw new Error(`cannot create ${crd.metadata.name}: ${made.text}`);
  await eventually(
    () => target.call("GET", `${DEFINITIONS}/${crd.metadata.name}`),
    (answer) => conditionOf(answer.json, "Established")?.status === "True",
  );
  const { group, names } = crd.spec;
  const served = crd.spec.versions.find((version) => (version as { served: boolean }).served) as { name: string };
  await eventually(
    () => target.call("GET", `/apis/${group}/${served.name}/${names.plural}`),
    (answer) => answer.status === 200,
  );
}

/** Deletes a definition; resolves when it is gone. */
export async function uninstall(target: Target, name: string): Promise<void> {
  await target.call("DELETE", `${DEFINITIONS}/${name}`);
  await eventually(
    () => target.call("GET", `${DEFINITIONS}/${name}`),
    (answer) => answer.status === 404,
  );
}
