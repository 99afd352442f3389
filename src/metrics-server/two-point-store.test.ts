import { describe, expect, it } from "vitest";
import type { NodeBatch, PodPoints, Point } from "./resource-metrics.ts";
import { TwoPointStore } from "./two-point-store.ts";

const CORE_SECOND = 1e9;
/** A reading: start and time in seconds, CPU in core-seconds. */
type Reading = readonly [start: number, at: number, cpu: number];

const point = ([start, at, cpu]: Reading): Point => ({
  startNanoseconds: start * 1e9,
  timestamp: at * 1000,
  cpuNanoseconds: cpu * CORE_SECOND,
  memoryBytes: 1 << 20,
});

function batch(containers: Record<string, Reading>, node?: Reading): Map<string, NodeBatch> {
  const pod: PodPoints = { namespace: "ns", name: "p", containers: new Map() };
  for (const [name, reading] of Object.entries(containers)) pod.containers.set(name, point(reading));
  const pods = new Map(pod.containers.size > 0 ? [["ns/p", pod]] : []);
  return new Map([["n1", { node: node && point(node), pods }]]);
}

/** Stores one reading of container "a" after the other and returns what is then served. */
function servedAfter(resolutionSeconds: number, ...readings: (Reading | undefined)[]) {
  const store = new TwoPointStore(resolutionSeconds * 1000);
  for (const reading of readings) store.store(reading === undefined ? new Map() : batch({ a: reading }));
  return store.pod("ns", "p");
}

const served = (cpuNanocores: number, windowSeconds: number, timestampSeconds: number) => ({
  timestamp: timestampSeconds * 1000,
  windowNanoseconds: windowSeconds * 1e9,
  containers: [
    {
      name: "a",
      timestamp: timestampSeconds * 1000,
      windowNanoseconds: windowSeconds * 1e9,
      cpuNanocores,
      memoryBytes: 1 << 20,
    },
  ],
});

describe("rates between two readings", () => {
  it.each<[string, number, (Reading | undefined)[], ReturnType<typeof served> | undefined]>([
    ["one reading of an old container is not enough", 60, [[0, 100, 10]], undefined],
    [
      "one core over ten seconds",
      60,
      [
        [0, 100, 10],
        [0, 110, 20],
      ],
      served(1e9, 10, 110),
    ],
    [
      "two and a half cores",
      60,
      [
        [0, 115, 10],
        [0, 125, 35],
      ],
      served(2.5e9, 10, 125),
    ],
    [
      "a repeated reading changes nothing",
      60,
      [
        [0, 100, 10],
        [0, 110, 20],
        [0, 110, 20],
      ],
      served(1e9, 10, 110),
    ],
    [
      "a reading as old as the first of the pair: gone",
      60,
      [
        [0, 100, 10],
        [0, 110, 20],
        [0, 100, 10],
      ],
      undefined,
    ],
    [
      "a reading between the two",
      60,
      [
        [0, 100, 10],
        [0, 110, 20],
        [0, 105, 15],
      ],
      served(1e9, 5, 105),
    ],
    ["a container of nine seconds is too fresh", 15, [[100, 109, 9]], undefined],
    ["a container of ten seconds needs one reading", 15, [[100, 110, 10]], served(1e9, 10, 110)],
    ["a container as old as the resolution needs two", 15, [[100, 115, 10]], undefined],
    ["at the smallest resolution one reading never suffices", 10, [[100, 110, 10]], undefined],
    [
      "a restart counts from its start",
      60,
      [
        [0, 100, 10],
        [0, 110, 20],
        [115, 127, 3],
      ],
      served(0.25e9, 12, 127),
    ],
    [
      "a restart too fresh to count",
      60,
      [
        [0, 100, 10],
        [0, 110, 20],
        [115, 120, 3],
      ],
      undefined,
    ],
    [
      "…counts from its start at a long resolution",
      60,
      [
        [0, 110, 20],
        [115, 120, 3],
        [115, 135, 8],
      ],
      served(0.4e9, 20, 135),
    ],
    [
      "…and from its first reading at a short one",
      15,
      [
        [0, 110, 20],
        [115, 120, 3],
        [115, 135, 8],
      ],
      served(333333333, 15, 135),
    ],
    ["a lost scrape needs two good ones again", 60, [[0, 100, 10], [0, 110, 20], undefined, [0, 130, 40]], undefined],
    ["…", 60, [[0, 110, 20], undefined, [0, 130, 40], [0, 140, 45]], served(0.5e9, 10, 140)],
    [
      "a start time that grows with each scrape",
      60,
      [
        [30, 1e6, 10],
        [45, 1e6 + 15, 25],
      ],
      served(1e9, 15, 1e6 + 15),
    ],
  ])("%s", (_, resolution, readings, expected) => {
    expect(servedAfter(resolution, ...readings)).toEqual(expected);
  });

  it("measures a fresh container to the nanosecond", () => {
    expect(servedAfter(15, [100, 114.999, 3])?.containers[0]?.cpuNanocores).toBe(200013334);
  });

  it("omits a pod while one of its containers has no pair", () => {
    const store = new TwoPointStore(15_000);
    store.store(batch({ a: [0, 100, 10], b: [0, 100, 10] }));
    store.store(batch({ a: [0, 115, 11], b: [112, 115, 1] }));
    expect(store.pod("ns", "p")).toBeUndefined();
    store.store(batch({ a: [0, 130, 12], b: [112, 130, 4] }));
    expect(store.pod("ns", "p")?.containers.map((container) => container.name)).toEqual(["a", "b"]);
  });

  it("does not invent a first reading for a restarted container whose reading repeats", () => {
    const store = new TwoPointStore(15_000);
    store.store(batch({ a: [0, 100, 10], b: [0, 100, 10] }));
    store.store(batch({ a: [0, 115, 11], b: [0, 115, 11] }));
    store.store(batch({ a: [0, 130, 12], b: [126, 130, 1] }));
    store.store(batch({ a: [0, 145, 13], b: [126, 130, 1] }));
    expect(store.pod("ns", "p")).toBeUndefined();
  });

  it("leaves out a container whose counter went backwards", () => {
    const store = new TwoPointStore(15_000);
    store.store(batch({ a: [0, 100, 10], b: [0, 100, 10] }));
    store.store(batch({ a: [0, 115, 9], b: [0, 115, 25] }));
    expect(store.pod("ns", "p")?.containers.map((container) => container.name)).toEqual(["b"]);
  });

  it("serves a pod without containers, as upstream, when its only counter went backwards", () => {
    expect(servedAfter(15, [0, 100, 10], [0, 115, 9])).toEqual({ timestamp: 0, windowNanoseconds: 0, containers: [] });
  });

  it("dates a pod by its earliest container", () => {
    const store = new TwoPointStore(15_000);
    store.store(batch({ a: [0, 100, 10], b: [0, 104, 10] }));
    store.store(batch({ a: [0, 112, 22], b: [0, 118, 24] }));
    const pod = store.pod("ns", "p");
    expect(pod?.timestamp).toBe(112_000);
    expect(pod?.windowNanoseconds).toBe(12e9);
    expect(pod?.containers.map((container) => container.cpuNanocores)).toEqual([1e9, 1e9]);
  });

  it("is ready when a node and a pod have a pair each, and counts them", () => {
    const store = new TwoPointStore(15_000);
    store.store(batch({}, [0, 100, 10]));
    store.store(batch({ a: [0, 115, 10] }, [0, 115, 20]));
    expect(store.ready).toBe(false);
    store.store(batch({ a: [0, 130, 25] }, [0, 130, 35]));
    expect(store.ready).toBe(true);
    expect(store.pairs).toEqual({ nodes: 1, containers: 1 });
    expect(store.node("n1")).toMatchObject({ cpuNanocores: 1e9, windowNanoseconds: 15e9 });
  });

  it("counts a pod that two nodes report once, and names it", () => {
    const store = new TwoPointStore(15_000);
    const both = new Map([...batch({ a: [0, 100, 10] }), ["n2", batch({ a: [0, 100, 99] }).get("n1")!] as const]);
    expect(store.store(both).duplicates).toEqual(["ns/p"]);
    store.store(batch({ a: [0, 110, 20] }));
    expect(store.pod("ns", "p")?.containers[0]?.cpuNanocores).toBe(1e9);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, -1e300])("survives a start time of %d", (start) => {
    expect(() => servedAfter(15, [start, 100, 1], [start, 115, 2])).not.toThrow();
  });
});
