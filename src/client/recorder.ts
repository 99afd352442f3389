/** Records Events about objects; the same event again raises its count instead of making another. */
import type { KubeObject } from "../api/meta.ts";
import { hasReason } from "../api/status.ts";
import { formatTime } from "../api/time.ts";
import type { Client } from "./client.ts";

export interface EventRecorder {
  /** Never throws and never blocks: an Event that cannot be written is reported to `onError` and forgotten. */
  record(about: KubeObject, type: "Normal" | "Warning", reason: string, message: string): void;
  /** Resolves when everything recorded so far is written, or was given up. */
  written(): Promise<void>;
}

interface Known {
  readonly name: string;
  count: number;
}

const EVENTS = { group: "", version: "v1", resource: "events" };
const REMEMBERED = 4096;
const MAX_MESSAGE = 1024;

export function eventRecorder(
  client: Client,
  component: string,
  onError: (error: unknown) => void = () => {},
): EventRecorder {
  const known = new Map<string, Known>();
  /** Events are written one after the other: a count must not overtake its creation. */
  let last: Promise<unknown> = Promise.resolve();

  async function write(about: KubeObject, type: string, reason: string, message: string): Promise<void> {
    const { name = "", namespace = "", uid = "" } = about.metadata;
    const place = namespace || "default";
    const key = JSON.stringify([place, about.kind, name, uid, type, reason, message]);
    const now = formatTime(client.clock.now());
    const events = client.resource(EVENTS, place);
    const earlier = known.get(key);
    if (earlier !== undefined) {
      earlier.count++;
      try {
        await events.patch(earlier.name, "merge", { count: earlier.count, lastTimestamp: now });
        return;
      } catch (error) {
        // Events expire: a new one begins.
        if (!hasReason(error, "NotFound")) throw error;
      }
    }
    const eventName = `${name}.${client.random.uuid().replaceAll("-", "").slice(0, 16)}`;
    if (known.size >= REMEMBERED) known.delete(known.keys().next().value!);
    known.set(key, { name: eventName, count: 1 });
    await events.create({
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: eventName, namespace: place },
      involvedObject: {
        kind: about.kind,
        apiVersion: about.apiVersion,
        name,
        ...(namespace !== "" && { namespace }),
        ...(uid !== "" && { uid }),
        ...(about.metadata.resourceVersion && { resourceVersion: about.metadata.resourceVersion }),
      },
      reason,
      message: message.slice(0, MAX_MESSAGE),
      type,
      source: { component },
      reportingComponent: component,
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    });
  }

  return {
    record(about, type, reason, message) {
      last = last.then(() => write(about, type, reason, message)).catch(onError);
    },
    written: () => last.then(() => undefined),
  };
}
