import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { memoryPKI } from "../auth/pki/pki.ts";
import type { Client } from "../client/client.ts";
import { memoryEngine } from "../store/engines/memory.ts";
import { advertisedAddress, isLoopback, publishAddress } from "./bootstrap.ts";
import { type ControlPlane, openControlPlane } from "./control-plane.ts";

const clock = new SimulatedClock();
const random = seededRandom(7);
let plane: ControlPlane;
let client: Client;
beforeAll(async () => {
  plane = await openControlPlane({
    engine: memoryEngine({ clock }),
    pki: await memoryPKI({ clock, random }),
    clock,
    random,
    allowLoopbackEndpoints: true,
  });
  client = plane.client();
});
afterAll(() => plane.close());

const resource = (name: string, namespace?: string, group = "") =>
  client.resource({ group, version: "v1", resource: name }, namespace);

describe("where the server is found", () => {
  it("is a Service from the start, and its endpoints in both forms once it listens", async () => {
    const service = await resource("services", "default").get("kubernetes");
    expect(service["spec"]).toMatchObject({ clusterIP: "10.96.0.1", type: "ClusterIP", sessionAffinity: "None" });
    expect(service.metadata.labels).toEqual({ component: "apiserver", provider: "kubernetes" });
    await expect(resource("endpoints", "default").get("kubernetes")).rejects.toMatchObject({ code: 404 });

    await publishAddress(client, { address: "127.0.0.1", port: 7001 });
    const ports = [{ name: "https", port: 7001, protocol: "TCP" }];
    const slice = await resource("endpointslices", "default", "discovery.k8s.io").get("kubernetes");
    expect(slice).toMatchObject({
      metadata: { labels: { "kubernetes.io/service-name": "kubernetes" } },
      addressType: "IPv4",
      endpoints: [{ addresses: ["127.0.0.1"], conditions: { ready: true } }],
      ports,
    });
    const endpoints = await resource("endpoints", "default").get("kubernetes");
    expect(endpoints.metadata.labels).toMatchObject({ "endpointslice.kubernetes.io/skip-mirror": "true" });
    expect(endpoints["subsets"]).toEqual([{ addresses: [{ ip: "127.0.0.1" }], ports }]);
    expect((await resource("services", "default").get("kubernetes"))["spec"].ports).toEqual([
      { name: "https", port: 443, protocol: "TCP", targetPort: 7001 },
    ]);
  });

  it("moves with the port, is not written when nothing moved, and keeps the cluster's address", async () => {
    await publishAddress(client, { address: "127.0.0.1", port: 7002 });
    const { revision } = plane.state;
    await publishAddress(client, { address: "127.0.0.1", port: 7002 });
    expect(plane.state.revision).toBe(revision);
    const service = await resource("services", "default").get("kubernetes");
    expect(service["spec"]).toMatchObject({ clusterIP: "10.96.0.1", ports: [{ targetPort: 7002 }] });
    const slice = await resource("endpointslices", "default", "discovery.k8s.io").get("kubernetes");
    expect(slice["ports"][0].port).toBe(7002);
  });

  it("is the Service alone for an address nobody else can dial", async () => {
    const { revision } = plane.state;
    await publishAddress(client, { address: undefined, port: 7003 });
    const service = await resource("services", "default").get("kubernetes");
    expect(service["spec"].ports[0].targetPort).toBe(7003);
    expect(plane.state.revision).toBe(revision + 1);
  });

  it.each([
    ["127.0.0.1", true],
    ["127.9.9.9", true],
    ["::1", true],
    ["localhost", true],
    ["10.0.0.1", false],
    ["fd00::1", false],
  ])("%s is loopback: %s", (address, loopback) => {
    expect(isLoopback(address)).toBe(loopback);
  });

  const interfaces = {
    lo: [
      { address: "127.0.0.1", internal: true, family: "IPv4" },
      { address: "::1", internal: true, family: "IPv6" },
    ],
    eth0: [
      { address: "fe80::1", internal: false, family: "IPv6" },
      { address: "10.1.2.3", internal: false, family: "IPv4" },
      { address: "fd00::3", internal: false, family: "IPv6" },
    ],
  };
  it.each([
    ["127.0.0.1", interfaces, "127.0.0.1"],
    ["192.0.2.7", interfaces, "192.0.2.7"],
    ["0.0.0.0", interfaces, "10.1.2.3"],
    ["::", interfaces, "fd00::3"],
    ["0.0.0.0", { lo: interfaces.lo }, "127.0.0.1"],
    ["::", { lo: interfaces.lo }, "::1"],
    ["::", { eth0: [interfaces.eth0[1]!] }, "10.1.2.3"],
    ["0.0.0.0", {}, "127.0.0.1"],
  ])("%s on this machine is %#", (host, machine, address) => {
    expect(advertisedAddress(host, machine)).toBe(address);
  });
});

describe("what is there stays", () => {
  it("addresses of stored Services are taken, and free again when they are gone", async () => {
    const services = resource("services", "default");
    const spec = { clusterIP: "10.96.0.77", ports: [{ port: 80 }] };
    await services.create({ metadata: { name: "first" }, spec });
    await expect(services.create({ metadata: { name: "second" }, spec })).rejects.toMatchObject({ code: 422 });
    await services.delete("first");
    // Until then it might be the claim of a create that is still on its way.
    await clock.advance(180_000);
    const second = await services.create({ metadata: { name: "second" }, spec });
    expect(second["spec"].clusterIP).toBe("10.96.0.77");
  });

  it("system namespaces come back within a minute", async () => {
    const key = "/registry/namespaces/kube-public";
    const before = plane.state.view().get(key)!;
    await plane.state.commit({ key, expected: before.revision, value: undefined });
    await clock.advance(60_000);
    const after = await resource("namespaces").get("kube-public");
    expect(after.metadata.labels).toEqual({ "kubernetes.io/metadata.name": "kube-public" });
  });

  it("Events do not: an hour later they are gone", async () => {
    const events = resource("events", "default");
    await events.create({
      metadata: { name: "it-happened" },
      involvedObject: { kind: "Pod", name: "p", namespace: "default" },
      reason: "Tested",
      message: "it did",
      type: "Normal",
    });
    await clock.advance(59 * 60_000);
    expect((await events.get("it-happened"))["reason"]).toBe("Tested");
    await clock.advance(2 * 60_000);
    await expect(events.get("it-happened")).rejects.toMatchObject({ code: 404 });
  });
});

it("counts under the names upstream gives the aggregator's figures", async () => {
  const user = { name: "a", uid: "", groups: ["system:masters"], extra: {} };
  const answer = await plane.server.inMemory(user).request({ method: "GET", path: "/metrics" });
  let text = "";
  for await (const chunk of answer.body) text += Buffer.from(chunk).toString();
  const names = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`);
  expect(names).toEqual(
    expect.arrayContaining([
      "aggregator_unavailable_apiservice gauge",
      "aggregator_unavailable_apiservice_total counter",
      "aggregator_discovery_aggregation_count_total counter",
      "aggregator_discovery_nopeer_requests_total counter",
      "aggregator_discovery_peer_aggregated_cache_hits_total counter",
      "aggregator_discovery_peer_aggregated_cache_misses_total counter",
      "apiserver_kube_aggregator_x509_missing_san_total counter",
      "apiserver_kube_aggregator_x509_insecure_sha1_total counter",
      "apiserver_request_terminations_total counter",
    ]),
  );
  expect(text).toContain('aggregator_unavailable_apiservice{name="v1."} 0');
});

describe("readiness", () => {
  it("names what it waited for as upstream does, in its order", async () => {
    const report = await plane.server.inMemory({ name: "a", uid: "", groups: ["system:masters"], extra: {} });
    const answer = await report.request({ method: "GET", path: "/readyz?verbose" });
    let text = "";
    for await (const chunk of answer.body) text += Buffer.from(chunk).toString();
    expect(answer.status).toBe(200);
    expect([...text.matchAll(/^\[\+\](\S+) ok$/gm)].map((match) => match[1])).toEqual([
      "ping",
      "log",
      "etcd",
      "etcd-readiness",
      "informer-sync",
      "poststarthook/start-apiserver-admission-initializer",
      "poststarthook/generic-apiserver-start-informers",
      "poststarthook/start-apiextensions-informers",
      "poststarthook/start-apiextensions-controllers",
      "poststarthook/crd-informer-synced",
      "poststarthook/start-system-namespaces-controller",
      "poststarthook/start-cluster-authentication-info-controller",
      "poststarthook/storage-readiness",
      "poststarthook/rbac/bootstrap-roles",
      "poststarthook/bootstrap-controller",
      "poststarthook/aggregator-reload-proxy-client-cert",
      "poststarthook/start-kube-aggregator-informers",
      "poststarthook/apiservice-status-local-available-controller",
      "poststarthook/apiservice-status-remote-available-controller",
      "poststarthook/apiservice-registration-controller",
      "poststarthook/apiservice-discovery-controller",
      "poststarthook/kube-apiserver-autoregistration",
      "autoregister-completion",
      "poststarthook/apiservice-openapi-controller",
      "poststarthook/apiservice-openapiv3-controller",
      "shutdown",
    ]);
  });
});
