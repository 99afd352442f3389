/**
 * The objects every cluster starts with, written straight into the store as bytes that were encoded once in this process.
 *
 * A new store takes some hundred and fifty objects before it is ready. Through the API each costs a request; here each costs a copy
 * of its bytes with the uid and the time filled in. What results is the same, and a test holds the two ways against each other.
 */
import type { Clock, Random } from "../api/clock.ts";
import type { KubeObject } from "../api/meta.ts";
import { formatTime } from "../api/time.ts";
import type { RequestContext, ResourceDefinition } from "../server/resource.ts";
import { fillSystemFields } from "../server/verbs/system-metadata.ts";
import type { State } from "../store/state.ts";

export interface Seed {
  /** In the store. */
  readonly key: string;
  /** Canonical bytes with stand-ins where each store has its own values. */
  readonly bytes: Uint8Array;
  /** Where those are, in order. */
  readonly holes: readonly Hole[];
}

interface Hole {
  readonly at: number;
  readonly is: "uid" | "time" | "resourceVersion";
}

/** No object says these by itself. */
const UID = "5eed5eed-5eed-4eed-8eed-5eed5eed5eed";
const MOMENT = 1_000;
const TIME = formatTime(MOMENT);
const VERSION_SLOT = '"resourceVersion":"';
const LENGTH = { uid: UID.length, time: TIME.length, resourceVersion: 0 } as const;
const QUOTE = 0x22;

/** The object as a create through the API would store it; takes ownership of it. Throws for one that has no name: what is given here is our own. */
export function seedOf(definition: ResourceDefinition, object: KubeObject): Seed {
  const { name, namespace = "" } = object.metadata;
  if (!name) throw new Error(`a ${definition.kind} without a name cannot be in every cluster`);
  const { strategy, codec, storagePrefix, namespaced } = definition;
  strategy.setDefaults?.(object);
  fillSystemFields(object.metadata, STANDING_CLOCK, STANDING_RANDOM);
  strategy.prepareForCreate?.(object, contextOf(name, namespace));
  const bytes = Buffer.from(codec.encode(object));
  const holes: Hole[] = [
    ...positions(bytes, UID).map((at) => ({ at, is: "uid" as const })),
    ...positions(bytes, TIME).map((at) => ({ at, is: "time" as const })),
    { at: bytes.indexOf(VERSION_SLOT) + VERSION_SLOT.length, is: "resourceVersion" },
  ];
  holes.sort((a, b) => a.at - b.at);
  return { key: storagePrefix + (namespaced ? `${namespace}/` : "") + name, bytes, holes };
}

/** What a store holds of `seeds`: those that are there but are not what a new store would get. Writes those that are missing; resolves when they are durable. */
export async function plantSeeds(
  state: State,
  seeds: readonly Seed[],
  clock: Clock,
  random: Random,
): Promise<readonly Seed[]> {
  const view = state.view();
  const different: Seed[] = [];
  const writes: Promise<unknown>[] = [];
  const now = Buffer.from(formatTime(clock.now()));
  for (const seed of seeds) {
    const found = view.get(seed.key);
    // Whoever else starts at the same time writes the same.
    if (found === undefined) writes.push(state.commit({ key: seed.key, expected: 0, value: fill(seed, now, random) }));
    else if (!grewFrom(seed, found.value)) different.push(seed);
  }
  await Promise.all(writes);
  return different;
}

function fill(seed: Seed, now: Uint8Array, random: Random): Uint8Array {
  const bytes = Buffer.from(seed.bytes);
  const uid = random.uuid();
  for (const { at, is } of seed.holes) {
    if (is === "uid") bytes.write(uid, at, "latin1");
    else if (is === "time") bytes.set(now, at);
  }
  return bytes;
}

/** Whether these bytes are the seed's but for what each store has of its own. */
export function grewFrom(seed: Seed, bytes: Uint8Array): boolean {
  let from = 0;
  let position = 0;
  for (const { at, is } of seed.holes) {
    const length = at - from;
    if (!sameBytes(seed.bytes, from, bytes, position, length)) return false;
    from = at + LENGTH[is];
    position += length + LENGTH[is];
    if (is === "resourceVersion") while (position < bytes.length && bytes[position] !== QUOTE) position++;
  }
  const rest = seed.bytes.length - from;
  return bytes.length - position === rest && sameBytes(seed.bytes, from, bytes, position, rest);
}

function sameBytes(a: Uint8Array, aStart: number, b: Uint8Array, bStart: number, length: number): boolean {
  if (bStart + length > b.length) return false;
  return Buffer.compare(a.subarray(aStart, aStart + length), b.subarray(bStart, bStart + length)) === 0;
}

function positions(bytes: Buffer, text: string): number[] {
  const found: number[] = [];
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + text.length)) found.push(at);
  return found;
}

const refuse = (what: string) => () => {
  throw new Error(`an object of every cluster cannot depend on ${what}`);
};

const STANDING_CLOCK: Clock = {
  now: () => MOMENT,
  monotonic: () => 0,
  after: refuse("a timer"),
  sleep: refuse("a timer"),
};
const STANDING_RANDOM: Random = { uuid: () => UID, number: refuse("chance"), bytes: refuse("chance") };

function contextOf(name: string, namespace: string): RequestContext {
  return {
    user: { name: "system:apiserver", uid: "", groups: ["system:masters"], extra: {} },
    namespace,
    name,
    subresource: "",
    dryRun: false,
    clock: STANDING_CLOCK,
    random: STANDING_RANDOM,
    signal: new AbortController().signal,
    warn: () => {},
  };
}
