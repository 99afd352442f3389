/** The `scale` sub-resource of a stored resource: an autoscaling/v1 Scale at paths the author names (spec: apiserver 8.8). */
import { isObject, newObject, own } from "../api/json/index.ts";
import type { JSONObject, JSONValue, KubeObject } from "../api/meta.ts";
import { StatusError } from "../api/status.ts";
import { structuralCodec } from "../schema/codec.ts";
import type { Schema } from "../schema/types.ts";
import type { Strategy, Subresource } from "../server/resource.ts";

/** Simple paths into the object, in the words of a CustomResourceDefinition: `.spec.replicas`. */
export interface ScalePaths {
  /** Below `.spec`. */
  readonly specReplicasPath: string;
  /** Below `.status`. */
  readonly statusReplicasPath: string;
  /** Where the selector of the scaled pods stands, as text. */
  readonly labelSelectorPath?: string;
}

const SCALE = { group: "autoscaling", version: "v1", kind: "Scale" };
const REPLICAS = { type: "integer", format: "int32" } as const;
const SCHEMA: Schema = {
  type: "object",
  properties: {
    spec: { type: "object", properties: { replicas: { ...REPLICAS, minimum: 0 } } },
    status: { type: "object", properties: { replicas: REPLICAS, selector: { type: "string" } } },
  },
};

/** `strategy`: the rules of updating the parent. Throws a TypeError for a path that is not below spec or status. */
export function scaleSubresource<T extends KubeObject>(paths: ScalePaths, strategy: Strategy<T>): Subresource<T> {
  const wanted = steps(paths.specReplicasPath, "spec");
  const seen = steps(paths.statusReplicasPath, "status");
  const selector = paths.labelSelectorPath === undefined ? undefined : steps(paths.labelSelectorPath);
  const codec = structuralCodec(SCALE, SCHEMA);
  return {
    name: "scale",
    verbs: ["get", "patch", "update"],
    kind: SCALE,
    codec,
    strategy,
    projection: {
      read(parent) {
        const { name, namespace, uid, resourceVersion, creationTimestamp } = parent.metadata;
        const replicas = number(parent, wanted, paths.specReplicasPath);
        const text = selector === undefined ? undefined : at(parent as unknown as JSONValue, selector);
        return {
          apiVersion: "autoscaling/v1",
          kind: "Scale",
          metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
          spec: replicas ? { replicas } : {},
          status: {
            replicas: number(parent, seen, paths.statusReplicasPath) ?? 0,
            ...(typeof text === "string" && text !== "" && { selector: text }),
          },
        };
      },
      write(parent, body) {
        const errors = codec.structure.validate(body as unknown as JSONValue);
        if (errors.length === 0) set(parent as unknown as JSONObject, wanted, body["spec"]?.replicas ?? 0);
        return errors;
      },
    },
  };
}

function steps(path: string, below?: string): string[] {
  const names = path.replace(/^\./, "").split(".");
  if (names.some((name) => name === "" || name.includes("[")) || (below !== undefined && names[0] !== below)) {
    throw new TypeError(
      `scale: ${JSON.stringify(path)}: expected names with dots between them, below .${below ?? "spec"}`,
    );
  }
  return names;
}

function at(object: JSONValue, names: readonly string[]): JSONValue | undefined {
  let value: JSONValue | undefined = object;
  for (const name of names) {
    if (!isObject(value)) return undefined;
    value = own(value, name);
  }
  return value;
}

function number(parent: KubeObject, names: readonly string[], path: string): number | undefined {
  const value = at(parent as unknown as JSONValue, names);
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number") throw new StatusError(500, "", `${path} holds no number of replicas`);
  return value;
}

function set(object: JSONObject, names: readonly string[], value: JSONValue): void {
  let current = object;
  for (const name of names.slice(0, -1)) {
    let next = own(current, name);
    if (!isObject(next)) {
      next = newObject();
      Object.assign(current, { [name]: next });
    }
    current = next;
  }
  current[names.at(-1)!] = value;
}
