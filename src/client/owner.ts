/** Who owns an object: the references that garbage collection and controllers follow (spec: apiserver 3.7). */
import type { KubeObject, OwnerReference } from "../api/meta.ts";

/**
 * A reference that makes `owner` the managing owner: its dependents go when it goes, and a foreground deletion waits for them. Throws a
 * TypeError for an owner that does not say what it is: one that was not read from a server.
 */
export function ownerReference(owner: KubeObject): OwnerReference {
  const { apiVersion, kind, metadata } = owner;
  const { name, uid } = metadata;
  if (!apiVersion || !kind || !name || !uid) {
    throw new TypeError("an owner needs apiVersion, kind, name and uid: take it as the server answered it");
  }
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true };
}

/** The owner that manages the object; at most one has `controller`. */
export function controllerOf({ metadata }: KubeObject): OwnerReference | undefined {
  return metadata.ownerReferences?.find((owner) => owner.controller === true);
}

/** Whether `owner`, and no other of its name, manages the object. */
export function isControlledBy(object: KubeObject, owner: KubeObject): boolean {
  return owner.metadata.uid !== undefined && controllerOf(object)?.uid === owner.metadata.uid;
}
