/** Who owns `spec.replicas` of a Scale: those who own the field of the parent that it stands for (spec: apiserver 5.5). */
import { type FieldSet, fieldElement, fieldSetOf, type PathElement } from "./field-set.ts";
import { keyOf, type Owner, type Owners } from "./managed.ts";

/** Where a parent keeps its number of replicas, by apiVersion; undefined in a version that has no scale. */
export type ReplicasPaths = ReadonlyMap<string, readonly PathElement[] | undefined>;

const SCALE = "autoscaling/v1";
const REPLICAS: FieldSet = fieldSetOf([fieldElement("spec"), fieldElement("replicas")]);
const REPLICAS_PATH = [fieldElement("spec"), fieldElement("replicas")];

/** The owners of the parent's replicas, as owners of the Scale's. */
export function ownersInScale(parent: Owners, paths: ReplicasPaths): Owners {
  const owners = new Map<string, Owner>();
  for (const owner of parent.values()) {
    const path = paths.get(owner.apiVersion);
    if (path === undefined || !owner.fields.has(path)) continue;
    const inScale = { ...owner, apiVersion: SCALE, fields: REPLICAS };
    owners.set(keyOf(inScale), inScale);
  }
  return owners;
}

/**
 * The parent's owners after a Scale, read with `ownersInScale`, was written: who no longer owns its replicas loses the parent's, who came to own
 * them owns those of the parent in `apiVersion`. Owners in a version nobody knows are forgotten.
 */
export function ownersInParent(parent: Owners, scale: Owners, paths: ReplicasPaths, apiVersion: string): Owners {
  const owners = new Map<string, Owner>();
  const left = new Map(scale);
  for (const [key, owner] of parent) {
    if (!paths.has(owner.apiVersion)) continue;
    const path = paths.get(owner.apiVersion);
    if (path === undefined || !owner.fields.has(path) || left.delete(keyOf({ ...owner, apiVersion: SCALE }))) {
      owners.set(key, owner);
      continue;
    }
    const fields = owner.fields.difference(fieldSetOf(path));
    if (!fields.empty) owners.set(key, { ...owner, fields });
  }
  const path = paths.get(apiVersion);
  for (const owner of left.values()) {
    if (path === undefined || !owner.fields.has(REPLICAS_PATH)) continue;
    // Upstream writes no time here.
    const inParent = { ...owner, apiVersion, fields: fieldSetOf(path), time: undefined };
    owners.set(keyOf(inParent), inParent);
  }
  return owners;
}
