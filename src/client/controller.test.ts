import { describe, expect, it } from "vitest";
import type { KubeObject } from "../api/meta.ts";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { createClient } from "./client.ts";
import { type ControllerOptions, runController } from "./controller.ts";
import { controllerOf, isControlledBy, ownerReference } from "./owner.ts";
import { Feed, scriptedTransport } from "./scripted.test-support.ts";

const CRONTABS = { group: "stable.example.com", version: "v1", resource: "crontabs" };
const CONFIG_MAPS = { group: "", version: "v1", resource: "configmaps" };
const SECRETS = { group: "", version: "v1", resource: "secrets" };

const crontab = (name: string, more: Partial<KubeObject["metadata"]> = {}, fields: object = {}): KubeObject => ({
  apiVersion: "stable.example.com/v1",
  kind: "CronTab",
  metadata: { name, namespace: "ns", uid: `uid-${name}`, resourceVersion: "1", ...more },
  ...fields,
});
const configMap = (name: string, owner?: KubeObject, more: object = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: {
    name,
    namespace: "ns",
    uid: `uid-${name}`,
    resourceVersion: "1",
    ...(owner && { ownerReferences: [ownerReference(owner)] }),
    ...more,
  },
});

/** An API server of three resources whose changes the test feeds by hand. */
function world(initial: Record<string, KubeObject[]> = {}) {
  const clock = new SimulatedClock();
  const feeds = new Map<string, Feed>();
  const writes: { method: string; path: string; body: KubeObject }[] = [];
  let lease: KubeObject | undefined;
  const transport = scriptedTransport((request) => {
    const [path = "", query = ""] = request.path.split("?");
    const resource = path.split("/").at(-1)!;
    if (path.includes("/leases")) {
      if (request.method === "GET") return lease === undefined ? { status: 404, body: {} } : { body: lease };
      lease = { ...JSON.parse(String(request.body)), metadata: { name: "l", resourceVersion: "1" } };
      return { body: lease };
    }
    if (request.method !== "GET") {
      const body = JSON.parse(String(request.body)) as KubeObject;
      writes.push({ method: request.method, path, body });
      return {
        body: { ...crontab("patched"), ...body, metadata: { ...crontab("patched").metadata, ...body.metadata } },
      };
    }
    if (new URLSearchParams(query).has("watch")) {
      const feed = new Feed();
      request.signal?.addEventListener("abort", () => feed.fail(request.signal!.reason), { once: true });
      feeds.set(resource, feed);
      return { body: feed };
    }
    return {
      body: { kind: "List", apiVersion: "v1", metadata: { resourceVersion: "1" }, items: initial[resource] ?? [] },
    };
  });
  const client = createClient(transport, { clock, random: seededRandom(4) });
  const stop = new AbortController();
  const errors: string[] = [];
  const settle = async () => {
    for (let turn = 0; turn < 20; turn++) await clock.advance(0);
  };
  const run = async (
    options: Partial<ControllerOptions<KubeObject>> & Pick<ControllerOptions<KubeObject>, "reconcile">,
  ) => {
    const finished = runController({
      client,
      name: "crontab-operator",
      resource: CRONTABS,
      signal: stop.signal,
      onError: (error, key) => errors.push(`${key ?? ""}: ${error instanceof Error ? error.message : error}`),
      ...options,
    });
    await settle();
    return { finished };
  };
  const feed = async (resource: string, type: string, object: KubeObject) => {
    feeds.get(resource)!.send({ type, object });
    await settle();
  };
  return { client, clock, writes, errors, stop, run, feed, settle, lease: () => lease };
}

describe("a controller", () => {
  it("sees every object once, and again when it changes", async () => {
    const { run, feed, stop } = world({ crontabs: [crontab("a"), crontab("b")] });
    const seen: string[] = [];
    const { finished } = await run({
      reconcile: ({ metadata }) => void seen.push(`${metadata.name} ${metadata.resourceVersion}`),
    });
    await feed("crontabs", "MODIFIED", crontab("a", { resourceVersion: "2" }));
    await feed("crontabs", "DELETED", crontab("b"));
    await feed("crontabs", "ADDED", crontab("c"));
    expect(seen).toEqual(["a 1", "b 1", "a 2", "c 1"]);
    stop.abort();
    await finished;
  });

  it("is woken by what its objects own, and finds it in memory; strangers wake nobody", async () => {
    const a = crontab("a");
    const { run, feed, stop } = world({ crontabs: [a], configmaps: [configMap("x", a), configMap("free")] });
    const owned: string[][] = [];
    const { finished } = await run({
      owns: [CONFIG_MAPS],
      reconcile: (_, context) => void owned.push(context.owned(CONFIG_MAPS).map(({ metadata }) => metadata.name!)),
    });
    await feed("configmaps", "ADDED", configMap("y", a));
    await feed("configmaps", "ADDED", configMap("z", crontab("a", { uid: "an earlier a" })));
    await feed("configmaps", "MODIFIED", configMap("free", undefined, { resourceVersion: "2" }));
    expect(owned).toEqual([["x"], ["x", "y"]]);
    await feed("configmaps", "MODIFIED", configMap("x", undefined, { resourceVersion: "3" }));
    expect(owned.at(-1), "what was let go wakes its former owner").toEqual(["y"]);
    await feed("configmaps", "DELETED", configMap("y", a));
    expect(owned.at(-1)).toEqual([]);
    stop.abort();
    await finished;
  });

  it("is woken by other resources as told, and refuses to look where it was not told to", async () => {
    const { run, feed, stop, errors } = world({ crontabs: [crontab("a"), crontab("b")] });
    const seen: string[] = [];
    const { finished } = await run({
      watches: [{ resource: SECRETS, concerns: ({ metadata }) => [`ns/${metadata.name}`, "ns/nobody"] }],
      reconcile({ metadata }, context) {
        seen.push(metadata.name!);
        if (seen.length > 2) context.owned(SECRETS);
      },
    });
    await feed("secrets", "ADDED", { ...configMap("b"), kind: "Secret" });
    expect(seen).toEqual(["a", "b", "b"]);
    expect(errors).toEqual(["ns/b: secrets is not among what crontab-operator owns"]);
    stop.abort();
    await finished;
  });

  it("tries again what failed, ever more slowly, and what asks for it; a conflict is no failure", async () => {
    const { run, stop, clock, errors, settle } = world({ crontabs: [crontab("a")] });
    const at: number[] = [];
    const { StatusError } = await import("../api/status.ts");
    const started = clock.monotonic();
    const { finished } = await run({
      reconcile() {
        at.push(clock.monotonic() - started);
        if (at.length === 1) throw new StatusError(409, "Conflict", "changed");
        if (at.length <= 3) throw new Error("not yet");
        if (at.length === 4) return { again: 1000 };
        return undefined;
      },
    });
    await settle();
    await clock.advance(5);
    await settle();
    await clock.advance(10);
    await settle();
    await clock.advance(20);
    await settle();
    await clock.advance(1000);
    await settle();
    expect(at).toEqual([0, 5, 15, 35, 1035]);
    expect(errors).toEqual(["ns/a: not yet", "ns/a: not yet"]);
    stop.abort();
    await finished;
  });

  it("hands out copies: what an author changes, changes nothing", async () => {
    const { run, feed, stop } = world({ crontabs: [crontab("a", {}, { spec: { image: "x" } })] });
    const images: string[] = [];
    const { finished } = await run({
      owns: [CONFIG_MAPS],
      reconcile(object) {
        images.push(object["spec"].image);
        object["spec"].image = "changed";
      },
    });
    await feed("configmaps", "ADDED", configMap("y", crontab("a")));
    expect(images).toEqual(["x", "x"]);
    stop.abort();
    await finished;
  });

  it("holds objects by its finalizer until they are cleaned up", async () => {
    const going = crontab("going", { deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: ["other", "mine/it"] });
    const gone = crontab("gone", { deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: ["other"] });
    const { run, stop, writes } = world({ crontabs: [crontab("new"), going, gone] });
    const calls: string[] = [];
    const { finished } = await run({
      finalizer: "mine/it",
      reconcile: ({ metadata }) => void calls.push(`reconcile ${metadata.finalizers}`),
      cleanup: ({ metadata }) => void calls.push(`cleanup ${metadata.name}`),
    });
    stop.abort();
    await finished;
    expect(calls.toSorted()).toEqual(["cleanup going", "reconcile mine/it"]);
    expect(writes.map(({ method, path, body }) => [method, path.split("/").at(-1), body.metadata]).toSorted()).toEqual([
      ["PATCH", "going", { uid: "uid-going", resourceVersion: "1", finalizers: ["other"] }],
      ["PATCH", "new", { uid: "uid-new", resourceVersion: "1", finalizers: ["mine/it"] }],
    ]);
  });

  it("a finalizer without a cleanup is refused, and the other way round", async () => {
    const { client, stop } = world();
    const common = { client, name: "x", resource: CRONTABS, signal: stop.signal, reconcile: () => {} };
    await expect(runController({ ...common, finalizer: "a/b" })).rejects.toThrow("belong together");
    await expect(runController({ ...common, cleanup: () => {} })).rejects.toThrow("belong together");
  });

  it("ends when the work in hand is done, writes its Events, and then gives the Lease back", async () => {
    const { run, stop, settle, writes, lease } = world({ crontabs: [crontab("a")] });
    const order: string[] = [];
    let finish = () => {};
    const { finished } = await run({
      leaderElection: { namespace: "ns", identity: "me" },
      async reconcile(object, { events, signal }) {
        signal.addEventListener("abort", () => order.push("told to end"));
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
        events.record(object, "Normal", "Synced", "all is well");
        order.push("done");
      },
    });
    const ended = finished.then(() => order.push("finished"));
    await settle();
    expect(lease()?.["spec"].holderIdentity).toBe("me");
    stop.abort();
    await settle();
    expect(order).toEqual(["told to end"]);
    expect(lease()?.["spec"].holderIdentity, "still at it").toBe("me");
    finish();
    await ended;
    expect(order).toEqual(["told to end", "done", "finished"]);
    expect(lease()?.["spec"].holderIdentity).toBe("");
    expect(writes.map(({ body }) => body["reason"])).toEqual(["Synced"]);
  });
});

describe("owner references", () => {
  it("say what the server said, and who manages", () => {
    const owner = crontab("a");
    const reference = ownerReference(owner);
    expect(reference).toEqual({
      apiVersion: "stable.example.com/v1",
      kind: "CronTab",
      name: "a",
      uid: "uid-a",
      controller: true,
      blockOwnerDeletion: true,
    });
    const other = { ...reference, uid: "other", controller: false };
    const owned = { metadata: { name: "x", ownerReferences: [other, reference] } };
    expect(controllerOf(owned)?.uid).toBe("uid-a");
    expect([isControlledBy(owned, owner), isControlledBy(owned, crontab("a", { uid: "other" }))]).toEqual([
      true,
      false,
    ]);
    expect(isControlledBy({ metadata: {} }, { metadata: {} })).toBe(false);
    expect(() => ownerReference({ metadata: { name: "a" } })).toThrow("take it as the server answered it");
  });
});
