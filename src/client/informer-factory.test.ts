import { describe, expect, it } from "vitest";
import type { KubeObject } from "../api/meta.ts";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { createClient } from "./client.ts";
import { indexBy } from "./index-by.ts";
import { informerFactory } from "./informer-factory.ts";
import { listerRegistry } from "./lister-registry.ts";
import { Feed, scriptedTransport } from "./scripted.test-support.ts";

const PODS = { group: "", version: "v1", resource: "pods" };
const NODES = { group: "", version: "v1", resource: "nodes" };

describe("an informer factory", () => {
  it("lists a resource once, however many ask for it", async () => {
    const feeds: Feed[] = [];
    const transport = scriptedTransport(({ path }) => {
      if (!path.includes("watch=true"))
        return { body: { kind: "List", metadata: { resourceVersion: "1" }, items: [] } };
      const feed = new Feed();
      feeds.push(feed);
      return { body: feed };
    });
    const client = createClient(transport, { clock: new SimulatedClock(), random: seededRandom(1) });
    const informers = informerFactory(client);
    const [one, same] = [informers.of(PODS), informers.of({ ...PODS })];
    const selected = informers.of(PODS, { labelSelector: "a=b" });
    const other = informers.of(NODES);
    expect(one).toBe(same);
    expect(new Set([one, selected, other]).size).toBe(3);
    await informers.ready(one, selected, other);
    const lists = transport.requests.filter(({ path }) => !path.includes("watch=true"));
    expect(lists).toHaveLength(3);
    await informers.stop();
    expect(feeds.length).toBeLessThanOrEqual(3);
  });

  it("that stops keeps nobody waiting", async () => {
    const transport = scriptedTransport(() => new Promise(() => {}));
    const never = { ...transport, request: ({ signal }: { signal?: AbortSignal }) => aborted(signal) };
    const client = createClient(never, { clock: new SimulatedClock(), random: seededRandom(1) });
    const informers = informerFactory(client);
    const pods = informers.of(PODS);
    const waiting = informers.ready(pods);
    await informers.stop();
    await waiting;
    expect(pods.synced).toBe(false);
  });
});

const aborted = (signal: AbortSignal | undefined) =>
  new Promise<never>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));

describe("an index", () => {
  const object = (name: string, labels: Record<string, string>): KubeObject => ({
    metadata: { name, namespace: "n", uid: name, labels, resourceVersion: JSON.stringify(labels) },
  });

  it("follows what is added, changed and deleted", () => {
    const registry = listerRegistry((error) => {
      throw error;
    });
    registry.replace([object("a", { of: "x" }), object("b", { of: "x" })]);
    const index = indexBy(registry, ({ metadata }) => Object.values(metadata.labels ?? {}));
    const names = (key: string) => index.get(key).map(({ metadata }) => metadata.name);
    expect(names("x")).toEqual(["a", "b"]);
    registry.apply("MODIFIED", object("a", { of: "y", also: "x" }));
    expect([names("x"), names("y")]).toEqual([["a", "b"], ["a"]]);
    expect(index.get("x")[0]!.metadata.labels).toEqual({ of: "y", also: "x" });
    registry.apply("MODIFIED", object("a", { of: "z" }));
    registry.apply("DELETED", object("b", { of: "x" }));
    expect([index.count("x"), index.count("y"), names("z")]).toEqual([0, 0, ["a"]]);
  });
});
