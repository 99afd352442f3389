import { describe, expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { createClient } from "./client.ts";
import { type Answer, Feed, scriptedTransport } from "./scripted.test-support.ts";
import type { ClientRequest } from "./transport.ts";
import type { ResourceEvent } from "./watch.ts";

const PODS = { group: "", version: "v1", resource: "pods" };
const pod = (name: string, resourceVersion: string) => ({ kind: "Pod", metadata: { name, resourceVersion } });
const added = (name: string, resourceVersion: string) => ({ type: "ADDED", object: pod(name, resourceVersion) });
const bookmark = (resourceVersion: string) => ({
  type: "BOOKMARK",
  object: { kind: "Pod", metadata: { resourceVersion } },
});

function setup(answer: (request: ClientRequest, index: number) => Answer) {
  const clock = new SimulatedClock();
  const transport = scriptedTransport(answer);
  const client = createClient(transport, { clock, random: seededRandom(1) });
  return { clock, transport, pods: client.resource(PODS) };
}

/** Collects events in the background. */
function follow(events: AsyncGenerator<ResourceEvent>) {
  const seen: string[] = [];
  let failure: unknown;
  const done = (async () => {
    try {
      for await (const event of events) {
        seen.push(
          event.type === "BOOKMARK"
            ? `BOOKMARK ${event.resourceVersion}`
            : `${event.type} ${event.object.metadata.name}`,
        );
      }
    } catch (error) {
      failure = error;
    }
  })();
  return { seen, done, failure: () => failure };
}

const asked = (request: ClientRequest) => new URLSearchParams(request.path.split("?")[1]).get("resourceVersion");

describe("watch", () => {
  it("frames events however the bytes are cut", async () => {
    const feed = new Feed();
    const { pods } = setup(() => ({ body: feed }));
    const { seen, done } = follow(pods.watchOnce({ resourceVersion: "1" }));
    const text = `${JSON.stringify(added("ä", "2"))}\n${JSON.stringify(bookmark("3"))}\n\n${JSON.stringify(added("b", "4"))}\n`;
    for (const char of text) feed.send(char);
    feed.send('{"type":"ADDED","obj');
    feed.end();
    await done;
    expect(seen).toEqual(["ADDED ä", "BOOKMARK 3", "ADDED b"]);
  });

  it("asks for bookmarks and a bounded life", async () => {
    const feed = new Feed();
    feed.end();
    const { pods, transport } = setup(() => ({ body: feed }));
    await follow(pods.watchOnce({ resourceVersion: "7", labelSelector: "a=b" })).done;
    const query = new URLSearchParams(transport.requests[0]!.path.split("?")[1]);
    expect(query.get("watch")).toBe("true");
    expect(query.get("allowWatchBookmarks")).toBe("true");
    expect(query.get("labelSelector")).toBe("a=b");
    expect(Number(query.get("timeoutSeconds"))).toBeGreaterThanOrEqual(300);
    expect(Number(query.get("timeoutSeconds"))).toBeLessThan(600);
  });

  it("resumes at the last event or bookmark when the connection ends", async () => {
    const feeds = [new Feed(), new Feed(), new Feed()];
    const abort = new AbortController();
    const { pods, transport, clock } = setup((_, index) => ({ body: feeds[index] }));
    const { seen, done } = follow(pods.watch({ resourceVersion: "1", signal: abort.signal }));
    feeds[0]!.send(added("a", "5"));
    feeds[0]!.end();
    await clock.advance(0);
    feeds[1]!.send(bookmark("9"));
    feeds[1]!.fail(new Error("reset"));
    await clock.advance(2000);
    expect(transport.requests.map(asked)).toEqual(["1", "5", "9"]);
    feeds[2]!.send(added("b", "10"));
    await clock.advance(0);
    abort.abort(new Error("enough"));
    await done;
    expect(seen).toEqual(["ADDED a", "BOOKMARK 9", "ADDED b"]);
    expect(clock.waiting).toBe(0);
  });

  it("a silent connection is replaced, and its body let go", async () => {
    const feeds = [new Feed(), new Feed()];
    const abort = new AbortController();
    const retries: unknown[] = [];
    const { pods, transport, clock } = setup((_, index) => ({ body: feeds[index] }));
    const { done } = follow(
      pods.watch({ resourceVersion: "1", idleTimeout: 60_000, signal: abort.signal, onRetry: (e) => retries.push(e) }),
    );
    await clock.advance(59_999);
    expect(transport.requests).toHaveLength(1);
    feeds[0]!.send(bookmark("2"));
    await clock.advance(59_999);
    expect(transport.requests).toHaveLength(1);
    await clock.advance(10_000);
    expect(transport.requests.map(asked)).toEqual(["1", "2"]);
    expect(String(retries[0])).toContain("60000 ms");
    abort.abort();
    await done;
  });

  it.each([
    [
      "410 as an event",
      {
        body: {
          type: "ERROR",
          object: { kind: "Status", apiVersion: "v1", code: 410, reason: "Expired", message: "too old" },
        },
      },
    ],
    [
      "410 as an answer",
      { status: 410, body: { kind: "Status", apiVersion: "v1", code: 410, reason: "Expired", message: "too old" } },
    ],
  ])("%s ends it: the caller must relist", async (_, answer) => {
    const { pods } = setup(() => {
      if ("status" in answer) return answer;
      const feed = new Feed();
      feed.send(answer.body);
      return { body: feed };
    });
    const { done, failure } = follow(pods.watch({ resourceVersion: "1" }));
    await done;
    expect(failure()).toMatchObject({ code: 410, reason: "Expired" });
  });

  it("a server that hangs up at once is asked ever more slowly", async () => {
    const abort = new AbortController();
    const { pods, transport, clock } = setup(() => ({ body: "" }));
    const { done } = follow(pods.watch({ resourceVersion: "1", signal: abort.signal }));
    await clock.advance(120_000);
    expect(transport.requests.length).toBeGreaterThan(3);
    expect(transport.requests.length).toBeLessThan(12);
    abort.abort();
    await done;
  });

  it("without a start delivers what exists, then changes", async () => {
    const feed = new Feed();
    const abort = new AbortController();
    const { pods, transport, clock } = setup((request) =>
      request.path.includes("watch=true")
        ? { body: feed }
        : { body: { kind: "PodList", metadata: { resourceVersion: "40" }, items: [pod("a", "3")] } },
    );
    const { seen, done } = follow(pods.watch({ signal: abort.signal }));
    await clock.advance(0);
    feed.send(added("b", "41"));
    await clock.advance(0);
    expect(seen).toEqual(["ADDED a", "BOOKMARK 40", "ADDED b"]);
    expect(asked(transport.requests[1]!)).toBe("40");
    abort.abort();
    await done;
  });

  it("leaving the loop cancels the request", async () => {
    const feed = new Feed();
    const { pods, transport, clock } = setup(() => ({ body: feed }));
    feed.send(added("a", "2"));
    for await (const _ of pods.watch({ resourceVersion: "1" })) break;
    expect(transport.requests[0]!.signal!.aborted).toBe(true);
    expect(clock.waiting).toBe(0);
  });
});
