/** Objects that ought to be there, whoever else makes them at the same time. */
import type { KubeObject } from "../api/meta.ts";
import { hasReason } from "../api/status.ts";
import type { ResourceClient } from "./resource.ts";

const ATTEMPTS = 5;

/** Creates an object; one of its name that is there already is left alone. */
export async function createIfMissing(resource: ResourceClient, wanted: KubeObject): Promise<void> {
  try {
    await resource.create(wanted);
  } catch (error) {
    if (!hasReason(error, "AlreadyExists")) throw error;
  }
}

/**
 * Creates an object, or writes what `change` makes of the one that is there; nothing is written when `change` returns what it got.
 * Somebody else's write in between (Conflict, NotFound) makes it start over, four times at most; any other error is thrown.
 */
export async function createOrUpdate(
  resource: ResourceClient,
  wanted: KubeObject,
  change: (found: KubeObject) => KubeObject,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await resource.create(wanted);
      return;
    } catch (error) {
      if (!hasReason(error, "AlreadyExists")) throw error;
    }
    try {
      const found = await resource.get(wanted.metadata.name ?? "");
      const changed = change(found);
      if (changed !== found) await resource.update(changed);
      return;
    } catch (error) {
      const again = hasReason(error, "Conflict") || hasReason(error, "NotFound");
      if (!again || attempt === ATTEMPTS) throw error;
    }
  }
}
