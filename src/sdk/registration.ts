/**
 * Makes a running extension server part of a cluster's API: a Service without selector, an EndpointSlice with this process's address,
 * and an APIService for each group-version. Leaving takes the address out again, so that the main server says `MissingEndpoints`.
 */
import { isIP } from "node:net";
import type { GroupVersion, KubeObject } from "../api/meta.ts";
import type { Client } from "../client/client.ts";
import { createOrUpdate } from "../client/ensure.ts";

export interface RegistrationOptions {
  /** Where the Service lives; default `default`. */
  readonly namespace?: string;
  /** The Service's name. */
  readonly service: string;
  /**
   * An IP address of this process that the main API server can reach; default 127.0.0.1. A host name instead makes a Service of type
   * ExternalName, for a main server that reaches Services by their cluster address: kube-apiserver as it starts by default.
   */
  readonly address?: string;
  /** Order among groups: higher first. Default 1000. */
  readonly groupPriorityMinimum?: number;
  readonly versionPriority?: number | ((gv: GroupVersion) => number);
  /** PEM that verifies the server's certificate; absent: the main server's own trust. */
  readonly caBundle?: string;
  /** On each APIService. */
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Registration {
  /** Whether requests may be sent here. */
  setReady(ready: boolean): Promise<void>;
  /** No more requests: the address is withdrawn, Service and APIServices stay for the next one. */
  leave(): Promise<void>;
}

const SERVICES = { group: "", version: "v1", resource: "services" };
const SLICES = { group: "discovery.k8s.io", version: "v1", resource: "endpointslices" };
const API_SERVICES = { group: "apiregistration.k8s.io", version: "v1", resource: "apiservices" };
const PORT_NAME = "https";
const MANAGED_BY = "tenon";

/** Registers and declares the address ready (unless `ready` is false). Existing objects are brought in line; an APIService's trust and priorities are left as somebody else set them. */
export async function register(
  client: Client,
  port: number,
  versions: readonly GroupVersion[],
  options: RegistrationOptions,
  ready = true,
): Promise<Registration> {
  const namespace = options.namespace ?? "default";
  const name = options.service;
  const address = options.address ?? "127.0.0.1";
  const external = isIP(address) === 0;
  const slices = client.resource(SLICES, namespace);

  const setReady = async (isReady: boolean) => {
    // A name stays a name: who asks it finds out.
    if (external) return;
    const slice = {
      metadata: {
        name,
        labels: { "kubernetes.io/service-name": name, "endpointslice.kubernetes.io/managed-by": MANAGED_BY },
      },
      addressType: address.includes(":") ? "IPv6" : "IPv4",
      endpoints: isReady ? [{ addresses: [address], conditions: { ready: true } }] : [],
      ports: [{ name: PORT_NAME, port, protocol: "TCP" }],
    };
    await createOrUpdate(slices, slice, (found) => ({ ...found, endpoints: slice.endpoints, ports: slice.ports }));
  };

  const servicePort = external ? port : 443;
  const spec = {
    ...(external && { type: "ExternalName", externalName: address }),
    ports: [{ name: PORT_NAME, port: servicePort, protocol: "TCP" }],
  };
  await createOrUpdate(client.resource(SERVICES, namespace), { metadata: { name }, spec }, (found) =>
    external ? { ...found, spec: { ...found["spec"], ...spec } } : found,
  );
  await setReady(ready);
  const apiServices = client.resource(API_SERVICES);
  for (const { group, version } of versions) {
    const { versionPriority = 100 } = options;
    const wanted: KubeObject = {
      metadata: {
        name: `${version}.${group}`,
        ...(options.annotations && { annotations: { ...options.annotations } }),
      },
      spec: {
        group,
        version,
        service: { namespace, name, ...(external && { port: servicePort }) },
        groupPriorityMinimum: options.groupPriorityMinimum ?? 1000,
        versionPriority: typeof versionPriority === "function" ? versionPriority({ group, version }) : versionPriority,
        ...(options.caBundle !== undefined && { caBundle: toBase64(options.caBundle) }),
      },
    };
    await createOrUpdate(apiServices, wanted, (found) => {
      const own = found["spec"]?.service?.namespace === namespace && found["spec"]?.service?.name === name;
      if (!own || (options.caBundle === undefined && !external)) return found;
      const { caBundle = found["spec"].caBundle, service } = wanted["spec"];
      return { ...found, spec: { ...found["spec"], caBundle, ...(external && { service }) } };
    });
  }
  return { setReady, leave: () => setReady(false) };
}

function toBase64(text: string): string {
  return Buffer.from(text).toString("base64");
}
