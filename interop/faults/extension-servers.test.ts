/** Extension servers at their worst, through the whole control plane: their callers get the documented answer, and nobody else notices. */
import type { ServerResponse } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startControlPlane, type TestControlPlane } from "../../src/testing/control-plane.ts";
import { eventually } from "../story.ts";
import { type Answer, openTarget, type Target } from "../target.ts";
import { staysAlive } from "./alive.ts";
import { type Backend, type Handler, json, startBackend } from "./backend.ts";

const AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
/** For what is asked while something hangs. */
const REQUEST_TIMEOUT = 2_000;

let plane: TestControlPlane;
let target: Target;
let healthy: Backend;
const backends: Backend[] = [];

beforeAll(async () => {
  plane = await startControlPlane({ requestTimeoutMilliseconds: REQUEST_TIMEOUT });
  target = openTarget(plane.kubeconfig);
  healthy = await backend("healthy");
});
afterAll(async () => {
  for (const one of backends) await one.kill();
  await plane.close();
});
staysAlive(() => target);

async function backend(name: string): Promise<Backend> {
  const made = await startBackend(target, name);
  backends.push(made);
  await becomes(made, "True");
  return made;
}

async function becomes(one: Backend, status: string, seconds = 60): Promise<{ reason: string; message: string }> {
  const found = await eventually(
    async () => (await target.call("GET", one.apiService)).json.status.conditions?.[0],
    (condition) => condition?.status === status,
    seconds,
  );
  expect(found).toMatchObject({ type: "Available", status });
  return found;
}

/** Asks core resources and the healthy group while `fault` runs, one after the other: each must be answered as always. */
async function others<T>(fault: Promise<T>, rounds = 25): Promise<T> {
  for (let round = 0; round < rounds; round++) {
    for (const path of ["/api/v1/namespaces", "/apis", "/apis/apps/v1", "/openapi/v3", "/livez", healthy.things]) {
      const answer = await target.call("GET", path);
      expect([path, answer.status]).toEqual([path, 200]);
    }
    const made = await target.call("POST", "/api/v1/namespaces/default/configmaps", {
      body: { metadata: { generateName: "c-" } },
    });
    expect(made.status).toBe(201);
  }
  return await fault;
}

async function aggregated(group: string) {
  const { json: found } = await target.call("GET", "/apis", { headers: { accept: AGGREGATED } });
  return found.items.find((item: { metadata: { name: string } }) => item.metadata.name === group)?.versions[0];
}

/** What discovery says of a group whose server is down. */
async function isListed(one: Backend): Promise<void> {
  const groups = (await target.call("GET", "/apis")).json.groups.map((group: { name: string }) => group.name);
  expect(groups).toEqual(expect.arrayContaining([one.group, healthy.group, "apps"]));
  expect((await target.call("GET", `/apis/${one.group}`)).status).toBe(200);
  // Stale only once discovery was polled again, which is every minute, as upstream.
  expect(await aggregated(one.group)).toMatchObject({ version: "v1" });
  expect(await aggregated(healthy.group)).toMatchObject({ freshness: "Current", resources: [{ resource: "things" }] });
  expect((await target.call("GET", `/apis/${one.group}/v1`)).status).toBe(503);
}

const many = (count: number, path: string) =>
  Promise.all(Array.from({ length: count }, () => target.call("GET", path)));

describe("an extension server that", () => {
  it("F-01: refuses connections", async () => {
    const one = await backend("refusing");
    await one.kill();
    const answers = await others(many(20, one.things));
    for (const answer of answers) {
      expect(answer.status).toBe(503);
      expect(answer.text).toMatch(/^(error trying to reach service: .*refused.*|service unavailable)\n$/);
    }
    expect(await becomes(one, "False")).toMatchObject({ reason: "FailedDiscoveryCheck" });
    await isListed(one);
    expect((await target.call("GET", one.things)).text).toBe("service unavailable\n");
    await one.start();
    await becomes(one, "True");
    expect((await target.call("GET", one.things)).status).toBe(200);
  }, 150_000);

  it("F-04: accepts requests and answers none", async () => {
    const one = await backend("hanging");
    one.behave(() => {});
    const answers = await others(many(100, one.things));
    expect(
      answers.map((answer) => answer.status).filter((status) => status !== 504 && status !== 503 && status !== 429),
    ).toEqual([]);
    const late = answers.find((answer) => answer.status === 504)!;
    expect(late.json).toMatchObject({ kind: "Status", reason: "Timeout", code: 504 });
    // Sooner than the round of checks every 30 s would find it.
    expect(await becomes(one, "False", 20)).toMatchObject({ reason: "FailedDiscoveryCheck" });
    await isListed(one);
    await eventually(
      async () => one.open,
      (open) => open <= 10,
    );
    expect(one.open).toBeLessThanOrEqual(10);
    one.behave(undefined);
    await becomes(one, "True");
  }, 150_000);

  it("F-05: stops in the middle of a body", async () => {
    const one = await backend("stopping");
    one.behave((request, response) => {
      if (!request.url?.includes("/things")) return json(response, 200, { resources: [] });
      response.writeHead(200, { "content-type": "application/json" });
      response.write('{"kind":"ThingList","items":[');
    });
    const outcomes = await others(
      Promise.allSettled(Array.from({ length: 5 }, () => target.call("GET", one.things))),
      5,
    );
    expect(outcomes.map((outcome) => outcome.status)).toEqual(Array(5).fill("rejected"));
  }, 60_000);

  it.each<[string, (response: ServerResponse) => void]>([
    [
      "with a length",
      (response) => response.writeHead(200, { "content-type": "application/json", "content-length": "1000" }),
    ],
    ["in chunks", (response) => response.writeHead(200, { "content-type": "application/json" })],
  ])(
    "F-06: resets in the middle of a body %s",
    async (how, head) => {
      const one = await backend(`resetting-${how.split(" ").at(-1)}`);
      one.behave((request, response) => {
        if (!request.url?.includes("/things")) return json(response, 200, { resources: [] });
        head(response);
        response.write('{"kind":"ThingList","items":[]}', () => setImmediate(() => request.socket.destroy()));
      });
      // The bytes so far are even valid JSON: only the way the answer ends tells that it is not whole.
      const outcomes = await others(
        Promise.allSettled(Array.from({ length: 20 }, () => target.call("GET", one.things))),
        5,
      );
      expect(outcomes.map((outcome) => outcome.status)).toEqual(Array(20).fill("rejected"));
      one.behave((request) => request.socket.destroy());
      const answer = await target.call("GET", one.things);
      expect(answer.status).toBe(503);
    },
    60_000,
  );

  it("F-08: answers discovery with garbage", async () => {
    const one = await backend("babbling");
    for (const body of [
      "",
      "{",
      "[[[[",
      '"x"',
      "<html>",
      '{"__proto__":{"polluted":1},"resources":{"__proto__":1}}',
      "[".repeat(1_000_000),
    ]) {
      one.behave((_, response) => {
        response.writeHead(200, { "content-type": AGGREGATED });
        response.end(body);
      });
      await others(target.call("GET", `/apis/${one.group}/v1`), 2);
    }
  }, 60_000);

  it("F-11: serves discovery without end", async () => {
    const sent = { discovery: 0, openapi: 0, others: 0 };
    const endless: (type: string) => Handler = (type) => (request, response) => {
      const url = request.url ?? "";
      const kind = url === "/apis" ? "discovery" : url.startsWith("/openapi") ? "openapi" : "others";
      response.writeHead(200, { "content-type": type });
      const piece = Buffer.alloc(256 * 1024, " ");
      let left = 10 * 1024 ** 3;
      const write = () => {
        while (left > 0 && !response.destroyed) {
          left -= piece.length;
          sent[kind] += piece.length;
          if (!response.write(piece)) return;
        }
        response.end();
      };
      response.on("drain", write);
      write();
    };
    const made = await startBackend(target, "endless");
    backends.push(made);
    made.behave(endless(AGGREGATED));
    const asked = eventually(
      async () => made.seen.filter((line) => line === "GET /apis").length,
      (count) => count >= 2,
    );
    expect(await others(asked)).toBeGreaterThanOrEqual(2);
    made.behave((_, response) => json(response, 503, {}));
    await eventually(
      async () => made.open,
      (open) => open === 0,
      20,
    );
    const downloads = made.seen.filter((line) => line === "GET /apis").length;
    // What is kept at most, and what sockets hold on the way.
    expect(sent.discovery / downloads).toBeLessThan(64 * 1024 * 1024);
    expect(sent.openapi / Math.max(1, made.seen.filter((line) => line.startsWith("GET /openapi")).length)).toBeLessThan(
      96 * 1024 * 1024,
    );
    expect(await aggregated(healthy.group)).toMatchObject({ freshness: "Current" });
  }, 120_000);

  it.each([
    ["F-14: has a certificate for another name", "misnamed", { name: "elsewhere.example.com" }],
    ["F-14: has a certificate of another authority", "untrusted", { stranger: true }],
    ["F-15: has a certificate that has expired", "expired", { lifetime: -60_000 }],
  ])(
    "%s",
    async (_, name, certificate) => {
      const one = await backend(name);
      await one.kill();
      await one.start(certificate);
      const before = one.seen.length;
      const answers = await others(many(20, one.things), 5);
      expect(answers.map((answer: Answer) => answer.status)).toEqual(Array(20).fill(503));
      const { reason, message } = await becomes(one, "False");
      expect(reason).toBe("FailedDiscoveryCheck");
      expect(message).toMatch(/certificate/);
      expect(one.seen.length).toBe(before);
      await isListed(one);
      await one.kill();
      await one.start();
      await becomes(one, "True");
    },
    150_000,
  );

  it("F-25: sends callers elsewhere", async () => {
    const one = await backend("redirecting");
    const canary = await backend("canary");
    const before = canary.seen.filter((line) => line.includes("/stolen")).length;
    for (const status of [300, 301, 302, 303, 307, 308]) {
      one.behave((request, response) => {
        if (!request.url?.includes("/things")) return json(response, 200, { resources: [] });
        response.writeHead(status, { location: `https://127.0.0.1/apis/${canary.group}/v1/stolen` }).end();
      });
      const answer = await others(target.call("GET", one.things), 1);
      expect([status, answer.status, answer.headers["location"]]).toEqual([status, 502, undefined]);
    }
    // Discovery that redirects is no discovery.
    one.behave((_, response) => void response.writeHead(302, { location: `/apis/${canary.group}/v1/stolen` }).end());
    await others(target.call("GET", `/apis/${one.group}/v1`), 1);
    expect(canary.seen.filter((line) => line.includes("/stolen")).length).toBe(before);
    expect(one.seen.filter((line) => line.includes("/stolen"))).toEqual([]);
  }, 60_000);

  it("F-26: sends headers without end", async () => {
    const one = await backend("shouting");
    one.behave((request, response) => {
      if (!request.url?.includes("/things")) return json(response, 200, { resources: [] });
      request.socket.write(`HTTP/1.1 200 OK\r\n${`X-A: ${"a".repeat(1000)}\r\n`.repeat(1000)}`);
      void response;
    });
    const answer = await others(target.call("GET", one.things), 3);
    expect(answer.status).toBe(503);
    one.behave((request) => {
      request.socket.write("HTTP/1.1 100 Continue\r\n\r\n".repeat(1000));
    });
    expect((await others(target.call("GET", one.things), 3)).status).toBeGreaterThanOrEqual(502);
  }, 60_000);
});
