import { describe, expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import type { HealthCheck } from "./health.ts";
import { RouteTable } from "./routes.ts";
import { createServer } from "./server.ts";

const CHECKS: HealthCheck[] = [
  { name: "store", check: () => undefined },
  { name: "poststarthook/informers", group: "hooks", check: async () => undefined },
  { name: "informer-sync", endpoints: ["readyz"], check: () => new Error("2 informers not started yet") },
  { name: "late", endpoints: ["healthz"], check: () => Promise.reject(new Error("not yet")) },
];

async function ask(path: string, checks = CHECKS) {
  const routes = new RouteTable();
  routes.complete();
  const server = createServer({
    clock: new SimulatedClock(),
    random: seededRandom(1),
    routes,
    authenticator: { authenticate: () => undefined },
    authorizer: {
      authorize: () => ({ verdict: "Allow", reason: "" }),
      rulesFor: () => ({ resourceRules: [], nonResourceRules: [], incomplete: false, evaluationError: "" }),
    },
    healthChecks: checks,
    version: {
      major: "1",
      minor: "36",
      gitVersion: "v1.36.3",
      gitCommit: "",
      gitTreeState: "clean",
      buildDate: "2026-01-01T00:00:00Z",
      goVersion: "",
      compiler: "",
      platform: "linux/amd64",
    },
  });
  const response = await server.inMemory().request({ method: "GET", path });
  const chunks: Uint8Array[] = [];
  for await (const chunk of response.body) chunks.push(chunk);
  return { status: response.status, headers: response.headers, text: Buffer.concat(chunks).toString() };
}

describe("health", () => {
  it.each([
    ["/livez", 200, "ok"],
    ["/livez?verbose", 200, "[+]ping ok\n[+]log ok\n[+]store ok\n[+]poststarthook/informers ok\nlivez check passed\n"],
    [
      "/livez?verbose&exclude=store&exclude=hooks&exclude=b&exclude=a",
      200,
      '[+]ping ok\n[+]log ok\n[+]store excluded: ok\n[+]poststarthook/informers excluded with hooks: ok\nwarn: some health checks cannot be excluded: no matches for "a","b"\nlivez check passed\n',
    ],
    [
      "/readyz",
      500,
      "[+]ping ok\n[+]log ok\n[+]store ok\n[+]poststarthook/informers ok\n[-]informer-sync failed: reason withheld\n[+]shutdown ok\nreadyz check failed\n",
    ],
    ["/readyz?exclude=informer-sync", 200, "ok"],
    ["/healthz/store", 200, "ok"],
    ["/healthz/poststarthook/informers", 200, "ok"],
    ["/healthz/late", 500, "internal server error: not yet\n"],
    ["/livez/late", 404, "404 page not found\n"],
  ])("%s", async (path, status, text) => {
    const answer = await ask(path);
    expect([answer.status, answer.text]).toEqual([status, text]);
    expect(answer.headers).toMatchObject({
      "content-type": "text/plain; charset=utf-8",
      "x-content-type-options": "nosniff",
    });
  });
});

describe("version", () => {
  it("is JSON that clients can compare", async () => {
    const { status, text } = await ask("/version");
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ major: "1", minor: "36", gitVersion: "v1.36.3", platform: "linux/amd64" });
  });
});
