import { describe, expect, it } from "vitest";
import { story } from "../story.ts";

const { target, namespace } = story();
const configMaps = `/api/v1/namespaces/${namespace}/configmaps`;
type Event = {
  type: string;
  object: { kind: string; metadata: Record<string, unknown> & { name?: string; resourceVersion: string } };
};

const make = (name: string, labels?: Record<string, string>) =>
  target.call("POST", configMaps, { body: { metadata: { name, labels } } });
const label = (name: string, labels: Record<string, string | null>) =>
  target.call("PATCH", `${configMaps}/${name}`, {
    contentType: "application/merge-patch+json",
    body: { metadata: { labels } },
  });

/** The first `count` events of a watch. */
async function events(
  query: string,
  count: number,
  meanwhile: () => Promise<unknown> = async () => {},
): Promise<Event[]> {
  const seen: Event[] = [];
  const stream = target.stream(`${configMaps}?watch=1&timeoutSeconds=20&${query}`);
  const acting = meanwhile();
  for await (const event of stream) {
    seen.push(event as Event);
    if (seen.length === count) break;
  }
  await acting;
  return seen;
}

const short = (event: Event) => `${event.type} ${event.object.metadata.name ?? event.object.kind}`;

describe("a watch", () => {
  it("begins behind the list it was given", async () => {
    await make("before");
    const list = await target.call("GET", configMaps);
    const seen = await events(`resourceVersion=${list.json.metadata.resourceVersion}`, 3, async () => {
      await make("w1");
      await label("w1", { a: "b" });
      await target.call("DELETE", `${configMaps}/w1`);
    });
    expect(seen.map(short)).toEqual(["ADDED w1", "MODIFIED w1", "DELETED w1"]);
    const versions = seen.map((event) => Number(event.object.metadata.resourceVersion));
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    expect(new Set(versions).size).toBe(3);
    expect(seen[2]?.object.metadata).toMatchObject({ labels: { a: "b" } });
  });

  it("without a version begins with what exists", async () => {
    expect((await events("fieldSelector=metadata.name%3Dbefore", 1)).map(short)).toEqual(["ADDED before"]);
  });

  it("shows through a selector what enters and what leaves", async () => {
    const list = await target.call("GET", configMaps);
    const query = `labelSelector=color%3Dred&resourceVersion=${list.json.metadata.resourceVersion}`;
    const seen = await events(query, 4, async () => {
      await make("s1", { color: "blue" });
      await make("s2", { color: "red" });
      await label("s2", { size: "big" });
      await label("s2", { color: "blue" });
      await label("s1", { color: "red" });
    });
    expect(seen.map(short)).toEqual(["ADDED s2", "MODIFIED s2", "DELETED s2", "ADDED s1"]);
  });

  it("streams the initial list and marks its end", async () => {
    const query = "allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    const list = await target.call("GET", configMaps);
    const count = list.json.items.length;
    const seen = await events(query, count + 1);
    expect(seen.slice(0, count).map((event) => event.type)).toEqual(Array(count).fill("ADDED"));
    const end = seen[count]!;
    expect(end.type).toBe("BOOKMARK");
    expect(end.object.kind).toBe("ConfigMap");
    expect(end.object.metadata["annotations"]).toEqual({ "k8s.io/initial-events-end": "true" });
    expect(Number(end.object.metadata.resourceVersion)).toBeGreaterThanOrEqual(
      Number(list.json.metadata.resourceVersion),
    );
  });

  it("ends cleanly at its timeout", async () => {
    const started = await target.call(
      "GET",
      `${configMaps}?watch=1&timeoutSeconds=1&resourceVersion=${
        (await target.call("GET", configMaps)).json.metadata.resourceVersion
      }`,
    );
    expect(started.status).toBe(200);
    expect(started.headers["content-type"]).toBe("application/json");
    expect(started.text).toBe("");
  });

  it.each([
    [
      "resourceVersionMatch=NotOlderThan&resourceVersion=1",
      "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
    ],
    [
      "sendInitialEvents=true",
      "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
    ],
  ])("refuses %s", async (query, text) => {
    const answer = await target.call("GET", `${configMaps}?watch=1&${query}`);
    expect(answer.status).toBe(422);
    expect(answer.json.message).toContain(text);
  });

  it("as Table carries the columns once", async () => {
    const seen: { type: string; object: { kind: string; columnDefinitions?: unknown[]; rows: unknown[] } }[] = [];
    for await (const event of target.stream(`${configMaps}?watch=1&timeoutSeconds=20`, {
      headers: { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" },
    })) {
      seen.push(event);
      if (seen.length === 2) break;
    }
    expect(seen.map((event) => event.object.kind)).toEqual(["Table", "Table"]);
    expect(seen[0]?.object.columnDefinitions?.length).toBeGreaterThan(0);
    expect(seen[1]?.object.columnDefinitions ?? null).toBeNull();
  });
});

describe("a list in pages", () => {
  it("shows one state, whatever is written in between", async () => {
    for (let index = 0; index < 7; index++) await make(`page-${index}`, { page: "yes" });
    const path = `${configMaps}?limit=3&labelSelector=page%3Dyes`;
    const first = await target.call("GET", path);
    await make("page-0-new", { page: "yes" });
    await target.call("DELETE", `${configMaps}/page-6`);
    const names: string[] = first.json.items.map((item: { metadata: { name: string } }) => item.metadata.name);
    let page = first;
    while (page.json.metadata.continue) {
      page = await target.call("GET", `${path}&continue=${encodeURIComponent(page.json.metadata.continue)}`);
      expect(page.status).toBe(200);
      expect(page.json.metadata.resourceVersion).toBe(first.json.metadata.resourceVersion);
      names.push(...page.json.items.map((item: { metadata: { name: string } }) => item.metadata.name));
    }
    expect(names).toEqual(["page-0", "page-1", "page-2", "page-3", "page-4", "page-5", "page-6"]);
  });

  it("counts what remains when nothing is filtered", async () => {
    const all = await target.call("GET", configMaps);
    const first = await target.call("GET", `${configMaps}?limit=2`);
    expect(first.json.items).toHaveLength(2);
    expect(first.json.metadata.remainingItemCount).toBe(all.json.items.length - 2);
  });

  it.each([
    ["limit=2&continue=nonsense", 400, "continue key is not valid"],
    [
      "resourceVersionMatch=Exact",
      422,
      "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
    ],
    [
      "resourceVersion=0&resourceVersionMatch=Exact",
      422,
      'resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
    ],
    ["resourceVersion=abc", 400, 'resourceVersion: Invalid value: "abc"'],
    ["labelSelector=a%3D%3D%3Db", 400, "unable to parse requirement"],
    [
      "fieldSelector=data.a%3Db",
      400,
      '"data.a" is not a known field selector: only "metadata.name", "metadata.namespace"',
    ],
  ])("refuses %s", async (query, code, text) => {
    const answer = await target.call("GET", `${configMaps}?${query}`);
    expect(answer.json.message).toContain(text);
    expect(answer.status).toBe(code);
  });

  it("waits for a future version only so long", async () => {
    const answer = await target.call("GET", `${configMaps}?resourceVersion=9000000000`);
    expect(answer.status).toBe(504);
    expect(answer.json).toMatchObject({
      reason: "Timeout",
      details: {
        causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
        retryAfterSeconds: 1,
      },
    });
    expect(answer.json.message).toMatch(/Too large resource version: 9000000000, current: \d+/);
  });
});
