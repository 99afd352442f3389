import { expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { StatusError } from "../api/status.ts";
import { fakeAPI } from "./delegated/api.test-support.ts";
import type { TrustConfig } from "./delegated/trust-config.ts";
import { createAuthority } from "./pki/index.ts";
import { keepTrustPublished, publishTrust } from "./trust-publisher.ts";

const PATH = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";

function world() {
  const clock = new SimulatedClock();
  const context = { clock, random: seededRandom(4) };
  const ca = createAuthority({ subject: { commonName: "ca" } }, context);
  const peer = createAuthority({ subject: { commonName: "peer" } }, context);
  const trust: TrustConfig = { clientCA: ca.cert, requestHeader: undefined };
  return { clock, api: fakeAPI(clock), ca, peer, trust };
}

it("creates the ConfigMap and its namespace, then leaves it alone", async () => {
  const { api, clock, ca, trust } = world();
  expect(await publishTrust(api.client, trust, clock.now())).toBe(true);
  expect(api.objects.get(PATH)?.["data"]).toEqual({ "client-ca-file": ca.cert });
  expect(api.objects.has("/api/v1/namespaces/kube-system")).toBe(true);
  expect(await publishTrust(api.client, trust, clock.now())).toBe(false);
});

it("keeps what a peer trusts, drops keys nobody knows", async () => {
  const { api, clock, ca, peer, trust } = world();
  api.put(PATH, {
    metadata: { name: "extension-apiserver-authentication", namespace: "kube-system", labels: { a: "b" } },
    data: { "client-ca-file": peer.cert, other: "x" },
  });
  await publishTrust(api.client, trust, clock.now());
  const stored = api.objects.get(PATH);
  expect(stored?.["data"]).toEqual({ "client-ca-file": peer.cert + ca.cert });
  expect(stored?.metadata.labels).toEqual({ a: "b" });
});

it("does not repair what is broken, and starts over when it grew too large", async () => {
  const { api, clock, trust } = world();
  api.put(PATH, { metadata: { name: "extension-apiserver-authentication" }, data: { "client-ca-file": "broken" } });
  await expect(publishTrust(api.client, trust, clock.now())).rejects.toThrow("PKI_UNREADABLE");
  api.put(PATH, { metadata: { name: "extension-apiserver-authentication" }, data: {} });
  api.intercept = (method) => {
    if (method === "PUT") throw new StatusError(413, "RequestEntityTooLarge", "Request entity too large");
    return undefined;
  };
  await expect(publishTrust(api.client, trust, clock.now())).rejects.toMatchObject({ code: 413 });
  expect(api.objects.has(PATH)).toBe(false);
});

it("restores a removed key within a minute, and stops when told", async () => {
  const { api, clock, ca, trust } = world();
  const abort = new AbortController();
  const running = keepTrustPublished({ client: api.client, clock, ours: () => trust }, abort.signal);
  await clock.advance(0);
  api.put(PATH, { ...api.objects.get(PATH)!, data: {} });
  await clock.advance(60_000);
  expect(api.objects.get(PATH)?.["data"]).toEqual({ "client-ca-file": ca.cert });
  abort.abort();
  await running;
  expect(clock.waiting).toBe(0);
});

it("tells of data it cannot read once, and asks less and less often", async () => {
  const { api, clock, ca, trust } = world();
  const broken = { metadata: { name: "extension-apiserver-authentication" }, data: { "client-ca-file": "broken" } };
  api.put(PATH, broken);
  let reads = 0;
  api.intercept = (method, path) => {
    if (method === "GET" && path === PATH) reads++;
    return undefined;
  };
  const errors: unknown[] = [];
  const abort = new AbortController();
  const options = { client: api.client, clock, ours: () => trust, onError: (error: unknown) => errors.push(error) };
  const running = keepTrustPublished(options, abort.signal);
  // At 0, 1, 3, 7, 15, 31 and 63 s.
  for (let second = 0; second <= 63; second++) await clock.advance(second === 0 ? 0 : 1000);
  expect(reads).toBe(7);
  expect(errors).toHaveLength(1);
  api.put(PATH, { ...broken, data: {} });
  await clock.advance(60_000);
  expect(api.objects.get(PATH)?.["data"]).toEqual({ "client-ca-file": ca.cert });
  abort.abort();
  await running;
});
