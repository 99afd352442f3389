/** How a pod wants to be simulated: read from its annotations, each with its default. */
import type { KubeObject } from "../../api/meta.ts";
import { parseGoDuration } from "../../api/time.ts";
import { ACCEPTED, type Curve, constant, parseCurve } from "./curves.ts";

const PREFIX = "simulate.tenon.dev/";

export interface Settings {
  /** Cores of its own. */
  readonly cpu: Curve;
  /** Bytes. */
  readonly memory: Curve;
  /** Cores that all ready pods of the workload share. */
  readonly load: { readonly text: string; readonly curve: Curve } | undefined;
  /** Milliseconds from being scheduled to running, from running to ready, and from being deleted to having ended. */
  readonly startup: number;
  readonly ready: number;
  readonly shutdown: number;
  /** How long its container runs before it fails; undefined: for ever. */
  readonly crash: number | undefined;
  /** What could not be used, one sentence each. */
  readonly problems: readonly string[];
}

/** Longer waits are no simulation, milliseconds. */
const LONGEST = 24 * 3_600_000;
const KNOWN: ReadonlySet<string> = new Set(["cpu", "memory", "load", "startup", "ready", "shutdown", "crash"]);
const DURATION = "a duration from 0s to 24h, such as 500ms or 2m";

export function settingsOf(pod: KubeObject): Settings {
  const annotations = new Map(Object.entries(pod.metadata.annotations ?? {}));
  const problems: string[] = [];
  const wrong = (name: string, value: string, accepted: string) => {
    problems.push(
      `annotation ${PREFIX}${name}: ${JSON.stringify(value.slice(0, 100))} cannot be used: ${accepted} is accepted`,
    );
  };
  const curve = (name: string): { text: string; curve: Curve } | undefined => {
    const text = annotations.get(PREFIX + name);
    if (text === undefined) return undefined;
    const parsed = parseCurve(text);
    if (parsed === undefined) wrong(name, text, ACCEPTED);
    return parsed && { text, curve: parsed };
  };
  const duration = (name: string): number | undefined => {
    const text = annotations.get(PREFIX + name);
    if (text === undefined) return undefined;
    try {
      const milliseconds = parseGoDuration(text);
      if (milliseconds >= 0 && milliseconds <= LONGEST) return milliseconds;
    } catch {
      // Said below.
    }
    wrong(name, text, DURATION);
    return undefined;
  };
  for (const [annotation, value] of annotations) {
    const name = annotation.slice(PREFIX.length);
    if (annotation.startsWith(PREFIX) && !KNOWN.has(name)) {
      problems.push(
        `annotation ${annotation}: ${JSON.stringify(value.slice(0, 100))} is not known: ${[...KNOWN].map((one) => PREFIX + one).join(", ")} are`,
      );
    }
  }
  return {
    cpu: curve("cpu")?.curve ?? constant(0.001),
    memory: curve("memory")?.curve ?? constant(16 * 1024 * 1024),
    load: curve("load"),
    startup: duration("startup") ?? 1000,
    ready: duration("ready") ?? 0,
    shutdown: duration("shutdown") ?? 500,
    crash: duration("crash") || undefined,
    problems,
  };
}
