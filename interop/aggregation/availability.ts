/** Cases 16 to 21 and 32: what is read of a Service and its EndpointSlices before anybody is asked. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { define } from "./case.ts";
import { APISERVICES, apiService, base64, type Condition, type Stage } from "./stage.ts";

/** A Service of the case, on 443 unless `spec` says otherwise. */
export async function service({ make, namespace }: Stage, spec: object = {}, name = "s") {
  const body = { metadata: { name }, spec: { ports: [{ name: "https", port: 443 }], ...spec } };
  await make(`/api/v1/namespaces/${namespace}/services`, body as never);
  return { namespace, name };
}

interface SliceOptions {
  /** Of the Service; null: says of none. */
  readonly of?: string | null;
  /** null: not said. */
  readonly ready?: boolean | null;
  readonly ports?: readonly object[];
}

/** An EndpointSlice of one address. */
export async function slice(
  { make, namespace, host }: Stage,
  name: string,
  { of = "s", ready = true, ports = [{ name: "https", port: 1 }] }: SliceOptions = {},
) {
  await make(`/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, {
    metadata: { name, ...(of !== null && { labels: { "kubernetes.io/service-name": of } }) },
    addressType: "IPv4",
    endpoints: [{ addresses: [host], conditions: ready === null ? {} : { ready } }],
    ports,
  } as never);
}

/** An APIService that points to the Service `s` of the case. */
export async function claim(stage: Stage, spec: object = {}): Promise<string> {
  const service = { namespace: stage.namespace, name: "s" };
  const { json } = await stage.make(
    APISERVICES,
    apiService(stage.group, { service, ...("caBundle" in spec ? {} : { insecureSkipTLSVerify: true }), ...spec }),
  );
  return json.metadata.name;
}

/** The condition once it has this reason. */
export async function reason(stage: Stage, wanted: string, seconds = 15): Promise<Condition> {
  const found = await stage.condition(`v1.${stage.group}`, (condition) => condition?.reason === wanted, seconds);
  equal(found?.reason, wanted, JSON.stringify(found));
  equal(found?.status, wanted === "Passed" ? "True" : "False");
  return found!;
}

/** A real range of cluster addresses that are this machine's. */
const LOOPBACK_RANGE = "127.96.0.0/16";

export const SERVICES = [
  define(16, "no Service; when it comes with endpoints it is checked at once", async (stage) => {
    await claim(stage);
    const { message } = await reason(stage, "ServiceNotFound");
    equal(message, `service/s in "${stage.namespace}" is not present`);
    const server = await stage.server();
    await slice(stage, "s", { ports: [{ name: "https", port: server.port }] });
    await service(stage);
    // The next round would be half a minute later.
    equal((await reason(stage, "Passed", 10)).message, "all checks passed");
  }),

  define(17, "a Service without the port", async (stage) => {
    await service(stage, { ports: [{ name: "https", port: 80 }] });
    await claim(stage);
    const { message } = await reason(stage, "ServicePortError");
    equal(message, `service/s in "${stage.namespace}" is not listening on port 443`);
  }),

  define(18, "no slices; none ready; ready or not is not said, which is ready", async (stage) => {
    const server = await stage.server();
    await service(stage);
    await claim(stage);
    const missing = await reason(stage, "EndpointsNotFound");
    equal(missing.message, `cannot find endpointslices for service/s in "${stage.namespace}"`);
    const ports = [{ name: "https", port: server.port }];
    await slice(stage, "a", { ready: false, ports });
    const unready = await reason(stage, "MissingEndpoints");
    const none = `endpointslices for service/s in "${stage.namespace}" have no addresses with port name "https"`;
    equal(unready.message, none);
    await slice(stage, "b", { ready: null, ports });
    await reason(stage, "Passed");
  }),

  define(19, "a ready endpoint in one slice and the port in another are no endpoint", async (stage) => {
    await service(stage);
    await slice(stage, "a", { ports: [{ name: "other", port: 1 }] });
    await slice(stage, "b", { ready: false });
    await claim(stage);
    await reason(stage, "MissingEndpoints");
  }),

  define(20, "a slice that names no Service is ignored", async (stage) => {
    await service(stage);
    await slice(stage, "s", { of: null });
    await claim(stage);
    await reason(stage, "EndpointsNotFound");
  }),

  define(
    21,
    "NodePort and LoadBalancer: only the answer counts",
    async (stage) => {
      await service(stage, { type: "NodePort" });
      await claim(stage);
      const { message } = await reason(stage, "FailedDiscoveryCheck");
      match(message, /no endpoints available for service "s"/);

      const flags = [[], [`--service-cluster-ip-range=${LOOPBACK_RANGE}`]] as const;
      const own = (await stage.start({ routing: "cluster-ip", flags })).stage;
      const server = await own.server({ host: "0.0.0.0" });
      const ports = [{ name: "https", port: server.port }];
      await service(own, { type: "LoadBalancer", ports });
      const spec = { service: { namespace: own.namespace, name: "s", port: server.port } };
      await claim(own, { ...spec, caBundle: base64(server.ca) });
      if (own.upstream) return void (await reason(own, "Passed"));
      // Nothing leads to a cluster address here: that it is tried is what can be seen.
      const dialled = await reason(own, "FailedDiscoveryCheck");
      match(dialled.message, new RegExp(`https://10\\.\\d+\\.\\d+\\.\\d+:${server.port}/apis/${own.group}/v1`));
    },
    { slow: true, note: "nothing leads to our cluster addresses without a kube-proxy: it is seen to try" },
  ),

  define(
    32,
    "a headless Service leads nowhere by cluster address, and works by endpoint",
    async (stage) => {
      const server = await stage.server();
      const ports = [{ name: "https", port: server.port }];
      await service(stage, { clusterIP: "None" });
      await slice(stage, "s", { ports });
      await claim(stage);
      await reason(stage, "Passed");

      const other = await stage.also("cluster-ip");
      await service(other, { clusterIP: "None" });
      // Upstream takes no endpoint on loopback; none is dialled.
      await slice({ ...other, host: stage.host }, "s", { ports });
      await claim(other);
      const { message } = await reason(other, "FailedDiscoveryCheck");
      ok(message.endsWith('cannot route to service with ClusterIP "None"'), message);
      const answer = await other.target.call("GET", `/apis/${other.group}/v1/things`);
      deepEqual([answer.status, answer.text], [503, "service unavailable\n"]);
    },
    { slow: true },
  ),
];
