/** The `scale` sub-resource of whatever an autoscaler points at: built-in kinds and custom resources alike. */
import type { GroupVersionResource } from "../../api/meta.ts";
import { parseAPIVersion } from "../../api/meta.ts";
import { hasReason } from "../../api/status.ts";
import type { Client } from "../../client/client.ts";
import type { ObjectReference, Scale } from "./autoscaler.ts";
import type { KindsServed } from "./kinds-served.ts";

export interface LocatedScale {
  readonly resource: GroupVersionResource;
  readonly scale: Scale;
}

/** A reference that can never be followed, whatever the server has. */
export class BadReference extends Error {}

/** How often a write is tried when others write too, and the pause between two tries, milliseconds. */
const TRIES = 5;
const PAUSE = 10;

/** Reads the scale of what `target` names; the first failure counts when several resources have that kind. */
export async function findScale(
  client: Client,
  served: KindsServed,
  namespace: string,
  target: ObjectReference,
  signal?: AbortSignal,
): Promise<LocatedScale> {
  const { apiVersion = "" } = target;
  const version = parseAPIVersion(apiVersion);
  if (version === undefined) throw new BadReference(`unexpected GroupVersion string: ${apiVersion}`);
  const group = version.group;
  let first: unknown;
  for (const resource of await served.resourcesOf({ group, kind: target.kind })) {
    try {
      return { resource, scale: await readScale(client, resource, namespace, target.name, signal) };
    } catch (error) {
      first ??= error;
    }
  }
  throw first;
}

function readScale(
  client: Client,
  resource: GroupVersionResource,
  namespace: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Scale> {
  return client.resource<Scale>(resource, namespace).get(name, { subresource: "scale", ...(signal && { signal }) });
}

/** Sets the number of replicas; when another write came first, on what that wrote. Throws the last failure. */
export async function writeScale(
  client: Client,
  { resource, scale }: LocatedScale,
  namespace: string,
  name: string,
  replicas: number,
  signal?: AbortSignal,
): Promise<void> {
  const scales = client.resource<Scale>(resource, namespace);
  let current = scale;
  for (let attempt = 1; ; attempt++) {
    try {
      const { metadata } = current;
      const wanted = { ...current, metadata: { ...metadata, name }, spec: { ...current.spec, replicas } };
      await scales.update(wanted, { subresource: "scale", ...(signal && { signal }) });
      return;
    } catch (error) {
      if (!hasReason(error, "Conflict") || attempt === TRIES) throw error;
      await client.clock.sleep(PAUSE, signal);
      // Read after the pause: what failed to be read is tried with what is known.
      current = await readScale(client, resource, namespace, name, signal).catch(() => current);
    }
  }
}
