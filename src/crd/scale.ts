/** The `scale` sub-resource of custom resources: an autoscaling/v1 Scale at paths that the definition names (spec: apiserver 8.8). */
import { fieldElement } from "../api/apply/field-set.ts";
import type { ReplicasPaths } from "../api/apply/scale-owners.ts";
import { invalidValue } from "../api/field-errors.ts";
import { printGo } from "../api/go-print.ts";
import { goQuote } from "../api/go-quote.ts";
import { isObject, newObject, own } from "../api/json/index.ts";
import { apiVersionOf, type JSONObject, type JSONValue, type KubeObject } from "../api/meta.ts";
import { badRequest, type FieldError, internalError, StatusError } from "../api/status.ts";
import { STATUS_VERBS } from "../kinds/define.ts";
import type { CustomResourceSubresourceScale, Scale } from "../kinds/generated/types.ts";
import { codecFor } from "../kinds/tables.ts";
import type { Strategy, Subresource } from "../server/resource.ts";
import { scaleColumns } from "./columns.ts";
import type { Digest } from "./digest.ts";

const SCALE = { group: "autoscaling", version: "v1", kind: "Scale" };
/** Stands for no number of replicas while a patch is made. */
const UNSET = -2147483648;
const MOST = 2147483647;

/** Paths are simple: names with dots between them. */
const stepsOf = (path: string) => path.replace(/^\./, "").split(".");

/** The value at a path in upstream's words: undefined when there is none. Throws an Error when something on the way is no object. */
function nested(object: JSONValue, path: string): JSONValue | undefined {
  const steps = stepsOf(path);
  let value: JSONValue | undefined = object;
  for (const [index, step] of steps.entries()) {
    if (value === null) return undefined;
    if (!isObject(value)) throw new Error(accessorError(steps.slice(0, index + 1), value, "map[string]interface {}"));
    value = own(value, step);
    if (value === undefined) return undefined;
  }
  return value;
}

function accessorError(steps: readonly string[], value: JSONValue, wanted: string): string {
  return `.${steps.join(".")} accessor error: ${printGo(value)} is of the type ${goType(value)}, expected ${wanted}`;
}

function goType(value: JSONValue): string {
  if (value === null) return "<nil>";
  if (Array.isArray(value)) return "[]interface {}";
  if (typeof value === "object") return "map[string]interface {}";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "string") return "string";
  return typeof value === "bigint" || Number.isSafeInteger(value) ? "int64" : "float64";
}

function nestedInteger(object: JSONValue, path: string): number | undefined {
  const value = nested(object, path);
  if (value === undefined) return undefined;
  if (goType(value) !== "int64") throw new Error(accessorError(stepsOf(path), value, "int64"));
  return Number(value);
}

function nestedText(object: JSONValue, path: string): string {
  const value = nested(object, path);
  if (value === undefined) return "";
  if (typeof value !== "string") throw new Error(accessorError(stepsOf(path), value, "string"));
  return value;
}

function setNested(object: JSONObject, path: string, value: JSONValue): void {
  const steps = stepsOf(path);
  let current = object;
  for (const [index, step] of steps.slice(0, -1).entries()) {
    let next = own(current, step);
    if (next === undefined) {
      next = newObject();
      Object.assign(current, { [step]: next });
    }
    if (!isObject(next)) {
      const where = `.${steps.slice(0, index + 1).join(".")}`;
      throw new StatusError(500, "", `value cannot be set because ${where} is not a map[string]interface{}`);
    }
    current = next;
  }
  current[steps.at(-1)!] = value;
}

function scaleOf(parent: KubeObject, paths: CustomResourceSubresourceScale, missing: number): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = parent.metadata;
  const object = parent as unknown as JSONValue;
  let replicas: number;
  let current: number;
  let selector: string;
  try {
    replicas = nestedInteger(object, paths.specReplicasPath) ?? missing;
    current = nestedInteger(object, paths.statusReplicasPath) ?? 0;
    selector = paths.labelSelectorPath ? nestedText(object, paths.labelSelectorPath) : "";
  } catch (error) {
    if (error instanceof StatusError || !(error instanceof Error)) throw error;
    throw new StatusError(500, "", error.message);
  }
  return {
    apiVersion: "autoscaling/v1",
    kind: "Scale",
    metadata: {
      ...(name !== undefined && { name }),
      ...(namespace !== undefined && { namespace }),
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
      ...(creationTimestamp && { creationTimestamp }),
    },
    spec: replicas === 0 ? {} : { replicas },
    status: { replicas: current, ...(selector !== "" && { selector }) },
  };
}

/** Where each version of a definition keeps its replicas. */
export function replicasPathsOf({ group, versions }: Digest): ReplicasPaths {
  return new Map(
    versions.map(({ name, scale }) => [
      apiVersionOf({ group, version: name }),
      scale && stepsOf(scale.specReplicasPath).map(fieldElement),
    ]),
  );
}

/** `strategy`: the rules of updating the parent. `replicas`: of all versions of the definition. */
export function scaleSubresource(
  paths: CustomResourceSubresourceScale,
  strategy: Strategy,
  replicas: ReplicasPaths,
): Subresource {
  return {
    name: "scale",
    verbs: STATUS_VERBS,
    kind: SCALE,
    codec: codecFor(SCALE),
    table: scaleColumns(paths),
    strategy,
    projection: {
      replicas,
      get(parent) {
        const scale = scaleOf(parent, paths, UNSET);
        if ((scale as Scale).spec?.replicas === UNSET) {
          throw internalError(`the spec replicas field ${goQuote(paths.specReplicasPath)} does not exist`);
        }
        return scale;
      },
      read: (parent) => scaleOf(parent, paths, UNSET),
      write(parent, body) {
        const replicas = (body as Scale).spec?.replicas ?? 0;
        if (replicas === UNSET) {
          throw badRequest(`the spec replicas field ${goQuote(paths.specReplicasPath)} cannot be empty`);
        }
        setNested(parent as unknown as JSONObject, paths.specReplicasPath, replicas);
        return [];
      },
    },
  };
}

/** What stands at the paths must be numbers of replicas and a selector. `spec`: whether what is wanted is looked at, and not only the status. */
export function scaleErrors(object: KubeObject, paths: CustomResourceSubresourceScale, spec: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const value = object as unknown as JSONValue;
  const integer = (path: string) => {
    try {
      const found = nestedInteger(value, path) ?? 0;
      if (found < 0) errors.push(invalidValue(path, found, "should be a non-negative integer"));
      else if (found > MOST) errors.push(invalidValue(path, found, `should be less than or equal to ${MOST}`));
    } catch (error) {
      errors.push(invalidValue(path, 0, (error as Error).message));
    }
  };
  if (spec) integer(paths.specReplicasPath);
  integer(paths.statusReplicasPath);
  if (paths.labelSelectorPath) {
    try {
      nestedText(value, paths.labelSelectorPath);
    } catch (error) {
      errors.push(invalidValue(paths.labelSelectorPath, "", (error as Error).message));
    }
  }
  return errors;
}
