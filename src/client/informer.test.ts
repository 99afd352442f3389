import { describe, expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { createClient } from "./client.ts";
import { createInformer } from "./informer.ts";
import type { Lister } from "./lister.ts";
import { type Answer, Feed, scriptedTransport } from "./scripted.test-support.ts";
import type { ClientRequest } from "./transport.ts";

const PODS = { group: "", version: "v1", resource: "pods" };
const pod = (name: string, resourceVersion: string, uid = `uid-${name}`) => ({
  kind: "Pod",
  metadata: { name, namespace: "n", uid, resourceVersion },
});
const expired = { kind: "Status", apiVersion: "v1", code: 410, reason: "Expired", message: "too old" };

interface Script {
  /** The answer to each LIST, in order; the last one repeats. */
  readonly lists: (readonly ReturnType<typeof pod>[] | Answer)[];
}

function setup(script: Script) {
  const clock = new SimulatedClock();
  const feeds: Feed[] = [];
  const listRequests: (string | null)[] = [];
  const watchRequests: (string | null)[] = [];
  const transport = scriptedTransport((request: ClientRequest): Answer => {
    const query = new URLSearchParams(request.path.split("?")[1]);
    if (query.get("watch") === "true") {
      watchRequests.push(query.get("resourceVersion"));
      const feed = new Feed();
      feeds.push(feed);
      return { body: feed };
    }
    const answer = script.lists[Math.min(listRequests.length, script.lists.length - 1)]!;
    listRequests.push(query.get("resourceVersion"));
    if ("status" in answer) return answer;
    const items = answer as readonly ReturnType<typeof pod>[];
    return { body: { kind: "PodList", metadata: { resourceVersion: `${listRequests.length * 100}` }, items } };
  });
  const client = createClient(transport, { clock, random: seededRandom(7) });
  const errors: unknown[] = [];
  const informer = createInformer(client, client.resource(PODS), { onError: (error) => errors.push(error) });
  return { clock, informer, feeds, listRequests, watchRequests, errors };
}

function journal(lister: Lister) {
  const lines: string[] = [];
  lister.subscribe({
    added: (o) => lines.push(`+${o.metadata.name}@${o.metadata.resourceVersion}`),
    updated: (o, old) =>
      lines.push(`~${o.metadata.name}@${old.metadata.resourceVersion}>${o.metadata.resourceVersion}`),
    deleted: (o) => lines.push(`-${o.metadata.name}@${o.metadata.resourceVersion}`),
  });
  return lines;
}

describe("informer", () => {
  it("lists, then follows changes", async () => {
    const { clock, informer, feeds, watchRequests } = setup({ lists: [[pod("a", "1"), pod("b", "2")]] });
    const lines = journal(informer);
    expect(informer.synced).toBe(false);
    const ready = informer.ready();
    informer.start();
    informer.start();
    await clock.advance(0);
    await ready;
    expect(informer.synced).toBe(true);
    feeds[0]!.send({ type: "MODIFIED", object: pod("a", "101") });
    feeds[0]!.send({ type: "DELETED", object: pod("b", "102") });
    feeds[0]!.send({ type: "ADDED", object: pod("c", "103") });
    await clock.advance(0);
    expect(lines).toEqual(["+a@1", "+b@2", "~a@1>101", "-b@102", "+c@103"]);
    expect(informer.get("c", "n")?.metadata.uid).toBe("uid-c");
    expect(informer.get("c")).toBeUndefined();
    expect(informer.list("n").map((o) => o.metadata.name)).toEqual(["a", "c"]);
    expect(informer.resourceVersion).toBe("103");
    expect(watchRequests).toEqual(["100"]);
    await informer.stop();
    expect(clock.waiting).toBe(0);
  });

  it("a late subscriber gets what is here before subscribe returns", async () => {
    const { clock, informer } = setup({ lists: [[pod("a", "1")]] });
    informer.start();
    await clock.advance(0);
    expect(journal(informer)).toEqual(["+a@1"]);
    await informer.stop();
  });

  it("410 lists again and finds what the gap deleted, changed and replaced", async () => {
    const before = [pod("gone", "1"), pod("same", "2"), pod("changed", "3"), pod("replaced", "4", "old")];
    const after = [pod("same", "2"), pod("changed", "30"), pod("replaced", "40", "new"), pod("born", "50")];
    const { clock, informer, feeds, listRequests, watchRequests } = setup({ lists: [before, after] });
    informer.start();
    await clock.advance(0);
    const lines = journal(informer).splice(0);
    expect(lines).toHaveLength(4);
    const changes = journal(informer);
    changes.length = 0;
    feeds[0]!.send({ type: "ERROR", object: expired });
    await clock.advance(2000);
    expect(changes).toEqual(["-gone@1", "~changed@3>30", "-replaced@4", "+replaced@40", "+born@50"]);
    expect(listRequests).toEqual(["0", "0"]);
    expect(watchRequests).toEqual(["100", "200"]);
    expect(informer.lists).toBe(2);
    await informer.stop();
  });

  it("a connection that breaks is resumed without a new list", async () => {
    const { clock, informer, feeds, watchRequests } = setup({ lists: [[pod("a", "1")]] });
    informer.start();
    await clock.advance(0);
    feeds[0]!.send({ type: "BOOKMARK", object: { kind: "Pod", metadata: { resourceVersion: "150" } } });
    await clock.advance(0);
    feeds[0]!.fail(new Error("reset"));
    await clock.advance(2000);
    expect(watchRequests).toEqual(["100", "150"]);
    expect(informer.lists).toBe(1);
    await informer.stop();
  });

  it("a list that fails is tried again with growing delays, never given up", async () => {
    const down: Answer = { status: 503, body: "service unavailable" };
    const { clock, informer, listRequests, errors } = setup({ lists: [down, down, down, [pod("a", "1")]] });
    informer.start();
    await clock.advance(700);
    expect(listRequests).toHaveLength(1);
    await clock.advance(20_000);
    expect(listRequests).toHaveLength(4);
    expect(errors).toHaveLength(3);
    expect(informer.synced).toBe(true);
    await informer.stop();
  });

  it("a revision the server lost is dropped at once", async () => {
    const lost: Answer = { status: 410, body: expired };
    const { clock, informer, listRequests } = setup({ lists: [lost, [pod("a", "1")]] });
    informer.start();
    await clock.advance(0);
    expect(listRequests).toEqual(["0", null]);
    expect(informer.synced).toBe(true);
    await informer.stop();
  });

  it("a subscriber that throws harms neither the others nor the loop", async () => {
    const { clock, informer, feeds, errors } = setup({ lists: [[]] });
    informer.start();
    await clock.advance(0);
    informer.subscribe({
      added: () => {
        throw new Error("mine");
      },
    });
    const lines = journal(informer);
    feeds[0]!.send({ type: "ADDED", object: pod("a", "101") });
    feeds[0]!.send({ type: "ADDED", object: pod("b", "102") });
    await clock.advance(0);
    expect(lines).toEqual(["+a@101", "+b@102"]);
    expect(errors.map(String)).toEqual(["Error: mine", "Error: mine"]);
    await informer.stop();
  });

  it("one that left hears nothing", async () => {
    const { clock, informer, feeds } = setup({ lists: [[]] });
    informer.start();
    await clock.advance(0);
    const heard: string[] = [];
    const leave = informer.subscribe({ added: (o) => heard.push(o.metadata.name!) });
    feeds[0]!.send({ type: "ADDED", object: pod("a", "101") });
    await clock.advance(0);
    leave();
    feeds[0]!.send({ type: "ADDED", object: pod("b", "102") });
    await clock.advance(0);
    expect(heard).toEqual(["a"]);
    await informer.stop();
  });
});
