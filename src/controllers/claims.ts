/** Which objects are a controller's own: those that name it, and orphans its selector matches, which it adopts; what no longer matches is let go. */
import type { KubeObject } from "../api/meta.ts";
import type { LabelSelector } from "../api/selectors.ts";
import { hasReason, StatusError } from "../api/status.ts";
import type { ResourceClient } from "../client/resource.ts";
import { controllerOf } from "./objects.ts";

export interface ClaimOptions<T extends KubeObject> {
  readonly owner: KubeObject;
  readonly ownerKind: { readonly apiVersion: string; readonly kind: string };
  readonly selector: LabelSelector;
  readonly candidates: readonly T[];
  /** Where the candidates are, in the owner's namespace. */
  readonly objects: ResourceClient<T>;
  /** The owners, in the owner's namespace; asked before the first adoption whether the owner still is who it was. */
  readonly owners: ResourceClient;
}

/** Answers with the objects that are the owner's afterwards. Throws when one could not be adopted or released; the others were tried all the same. */
export async function claim<T extends KubeObject>(options: ClaimOptions<T>): Promise<T[]> {
  const { owner, ownerKind, selector, candidates, objects, owners } = options;
  const { uid = "", name = "" } = owner.metadata;
  let rechecked: Promise<boolean> | undefined;
  const stillThere = async () => {
    const fresh = await owners.get(name);
    if (fresh.metadata.uid !== uid) throw new Error(`${ownerKind.kind} ${name} is gone, another one has its name`);
    return !fresh.metadata.deletionTimestamp;
  };

  /** True when the patch went through, or told us the object has moved on. */
  async function patch(object: T, ownerReference: object, ignoreInvalid: boolean): Promise<boolean> {
    const metadata = { uid: object.metadata.uid, ownerReferences: [ownerReference] };
    try {
      await objects.patch(object.metadata.name ?? "", "strategic", { metadata });
      return true;
    } catch (error) {
      if (hasReason(error, "NotFound")) return false;
      // The object has no such owner any more, or is another one of the same name.
      if (ignoreInvalid && error instanceof StatusError && (error.code === 422 || error.code === 409)) return false;
      throw error;
    }
  }

  const own: T[] = [];
  const failures: unknown[] = [];
  for (const object of candidates) {
    const { metadata } = object;
    const controller = controllerOf(object);
    if (controller !== undefined && controller.uid !== uid) continue;
    const matches = selector.matches(metadata.labels);
    try {
      if (controller !== undefined) {
        if (matches) own.push(object);
        else if (!owner.metadata.deletionTimestamp) await patch(object, { $patch: "delete", uid }, true);
      } else if (matches && !owner.metadata.deletionTimestamp && !metadata.deletionTimestamp) {
        rechecked ??= stillThere();
        if (!(await rechecked)) continue;
        const reference = { ...ownerKind, name, uid, controller: true, blockOwnerDeletion: true };
        if (await patch(object, reference, false)) own.push(object);
      }
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return own;
}
