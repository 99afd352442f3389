import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BASE, type Bench, bench, widget } from "./fixture.test-support.ts";

const WIDGETS = `${BASE}/namespaces/default/widgets`;
let b: Bench;
beforeEach(async () => {
  b = await bench({ history: { milliseconds: 60_000 } });
  for (const name of ["a", "b", "c", "d", "e"]) {
    await b.send("POST", WIDGETS, widget(name, { metadata: { labels: { odd: String("ace".includes(name)) } } }));
  }
});
afterEach(() => b.close());

const names = (list: { items: { metadata: { name: string } }[] }) =>
  list.items.map((item) => item.metadata.name).join("");
const list = (query: string) => b.send("GET", `${WIDGETS}?${query}`);

describe("pages", () => {
  test("show one snapshot, count what remains and end without a token", async () => {
    const first = (await list("limit=2")).json;
    expect(names(first)).toBe("ab");
    expect(first.metadata).toEqual({ resourceVersion: "5", continue: expect.any(String), remainingItemCount: 3 });
    expect(JSON.parse(Buffer.from(first.metadata.continue, "base64url").toString())).toEqual({
      v: "meta.k8s.io/v1",
      rv: 5,
      start: "default/b\u0000",
    });
    await b.send("DELETE", `${WIDGETS}/c`);
    await b.send("POST", WIDGETS, widget("cc"));
    const second = (await list(`limit=2&continue=${first.metadata.continue}`)).json;
    expect(names(second)).toBe("cd");
    expect(second.metadata).toMatchObject({ resourceVersion: "5", remainingItemCount: 1 });
    const third = (await list(`limit=2&continue=${second.metadata.continue}`)).json;
    expect(names(third)).toBe("e");
    expect(third.metadata).toEqual({ resourceVersion: "5" });
  });

  test("are full even when a selector passes over objects, and count nothing then", async () => {
    const first = (await list("limit=2&labelSelector=odd%3Dtrue")).json;
    expect(names(first)).toBe("ac");
    expect(first.metadata.remainingItemCount).toBeUndefined();
    expect(names((await list(`limit=2&labelSelector=odd%3Dtrue&continue=${first.metadata.continue}`)).json)).toBe("e");
  });

  test("of a forgotten snapshot: 410 with a token that goes on at the current one", async () => {
    const { metadata } = (await list("limit=2")).json;
    await b.clock.advance(60_000);
    await b.send("POST", WIDGETS, widget("bb"));
    await b.clock.advance(120_000);
    const answer = await list(`limit=2&continue=${metadata.continue}`);
    expect(answer.status).toBe(410);
    expect(answer.json).toMatchObject({
      reason: "Expired",
      metadata: { continue: expect.any(String) },
      message: expect.stringMatching(
        /^The provided continue parameter is too old to display a consistent list result\./,
      ),
    });
    expect(JSON.parse(Buffer.from(answer.json.metadata.continue, "base64url").toString())).toMatchObject({ rv: -1 });
    const rest = (await list(`continue=${answer.json.metadata.continue}`)).json;
    expect(names(rest)).toBe("bbcde");
    expect(rest.metadata.resourceVersion).toBe("6");
  });

  test.each([
    ["continue=!", 400, "invalid continue token: continue key is not valid: illegal base64 data at input byte 0"],
    [
      `continue=${Buffer.from('{"v":"meta.k8s.io/v1","rv":5,"start":"../secrets/x"}').toString("base64url")}`,
      400,
      "invalid continue token: continue key is not valid: ../secrets/x",
    ],
    [
      `continue=${Buffer.from('{"v":"meta.k8s.io/v1","rv":0,"start":"x"}').toString("base64url")}`,
      400,
      "invalid continue token: continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
    ],
    [
      `continue=${Buffer.from('{"v":"v2","rv":1,"start":"x"}').toString("base64url")}`,
      400,
      "invalid continue token: continue key is not valid: server does not recognize this encoded version v2",
    ],
    [
      `resourceVersion=3&continue=${Buffer.from('{"v":"meta.k8s.io/v1","rv":5,"start":"x"}').toString("base64url")}`,
      400,
      "specifying resource version is not allowed when using continue",
    ],
    ["limit=many", 400, 'strconv.ParseInt: parsing "many": invalid syntax'],
    [
      "resourceVersion=abc",
      400,
      'invalid resource version: resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax',
    ],
    [
      "resourceVersionMatch=Exact",
      422,
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
    ],
    [
      "resourceVersion=0&resourceVersionMatch=Exact",
      422,
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
    ],
    [
      "resourceVersion=1&resourceVersionMatch=Odd",
      422,
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Unsupported value: "Odd": supported values: "Exact", "NotOlderThan", ""',
    ],
    [
      "sendInitialEvents=1",
      422,
      'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list',
    ],
    ["fieldSelector=spec.size%3D1", 400, "field label not supported: spec.size"],
  ])("%s is refused", async (query, status, message) => {
    const answer = await list(query);
    expect({ status: answer.status, message: answer.json.message }).toEqual({ status, message });
  });
});

describe("versions of a list", () => {
  test.each([
    ["resourceVersion=0&limit=2", "abcde", "5"],
    ["resourceVersion=3", "abcde", "5"],
    ["resourceVersion=3&limit=2", "ab", "3"],
    ["resourceVersion=3&resourceVersionMatch=Exact", "abc", "3"],
    ["resourceVersion=3&resourceVersionMatch=NotOlderThan&limit=2", "ab", "5"],
  ])("%s", async (query, expected, version) => {
    const { json } = await list(query);
    expect([names(json), json.metadata.resourceVersion]).toEqual([expected, version]);
  });

  test.each(["", "/a"])("one that has not happened is waited for, three seconds (%s)", async (path) => {
    const waiting = b.send("GET", `${WIDGETS}${path}?resourceVersion=7`);
    await b.clock.advance(2000);
    await b.send("POST", WIDGETS, widget("f"));
    await b.send("POST", WIDGETS, widget("g"));
    expect((await waiting).status).toBe(200);
    const never = b.send("GET", `${WIDGETS}${path}?resourceVersion=9999`);
    await b.clock.advance(3000);
    const { status, json, headers } = await never;
    expect([status, headers["retry-after"]]).toEqual([504, "1"]);
    expect(json).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: "Timeout: Too large resource version: 9999, current: 7",
      reason: "Timeout",
      details: {
        causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
        retryAfterSeconds: 1,
      },
      code: 504,
    });
  });

  test("an exact one that is forgotten is 410", async () => {
    await b.clock.advance(60_000);
    await b.send("POST", WIDGETS, widget("f"));
    await b.clock.advance(120_000);
    const answer = await list("resourceVersion=2&resourceVersionMatch=Exact");
    expect(answer.json).toMatchObject({
      code: 410,
      reason: "Expired",
      message: "The resourceVersion for the provided list is too old.",
    });
  });
});

describe("which objects", () => {
  test("one namespace, or all in the order of their keys", async () => {
    for (const namespace of ["z", "a"])
      await b.send("POST", `${BASE}/namespaces/${namespace}/widgets`, widget(`in-${namespace}`));
    expect(names((await b.send("GET", `${BASE}/widgets`)).json)).toBe("in-aabcdein-z");
    expect(names((await b.send("GET", `${BASE}/widgets?fieldSelector=metadata.namespace%3Dz`)).json)).toBe("in-z");
    expect((await b.send("GET", `${BASE}/namespaces/none/widgets`)).json.items).toEqual([]);
  });

  test("a name in the field selector reads one key", async () => {
    expect(names((await list("fieldSelector=metadata.name%3Dc")).json)).toBe("c");
    expect(names((await list("fieldSelector=metadata.name%3Dc&labelSelector=odd%3Dfalse")).json)).toBe("");
  });
});
