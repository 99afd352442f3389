/** What the server adds to a Service and keeps consistent: address families, cluster addresses, node ports. Single-stack IPv4 clusters. */
import { invalidValue } from "../../api/field-errors.ts";
import { type FieldError, invalid } from "../../api/status.ts";
import type { RequestContext } from "../../server/resource.ts";
import { ipFamily } from "../addresses.ts";
import type { Service, ServiceSpec } from "../generated/types.ts";
import { deepCopy, semanticEqual } from "../semantic.ts";
import type { Claimant, ClusterAddresses } from "./service-addresses.ts";
import { clusterIPErrors, isHeadless } from "./service-rules.ts";

export const needsNodePort = (spec: ServiceSpec) => spec.type === "NodePort" || spec.type === "LoadBalancer";
export const needsHealthCheck = (spec: ServiceSpec) =>
  spec.type === "LoadBalancer" && spec.externalTrafficPolicy === "Local";
/** Whether clients outside of the cluster can reach it. */
export const isExternal = (spec: ServiceSpec) =>
  needsNodePort(spec) || (spec.type === "ClusterIP" && (spec.externalIPs ?? []).length > 0);

/** `clusterIP` and `clusterIPs` are one thing in two forms; older clients know the first only. */
export function normalizeClusterIPs(spec: ServiceSpec, old: ServiceSpec | undefined): void {
  const given = spec.clusterIPs ?? [];
  if (old === undefined) {
    if (spec.clusterIP && given.length === 0) spec.clusterIPs = [spec.clusterIP];
    return;
  }
  const before = old.clusterIPs ?? [];
  if ((old.clusterIP ?? "") === (spec.clusterIP ?? "")) {
    if (before.length > 0 && given.length === 0) spec.clusterIPs = [...before];
  } else if (semanticEqual(before, given)) {
    if (spec.clusterIP) spec.clusterIPs = [spec.clusterIP];
    else delete spec.clusterIPs;
  }
}

/** What the server once allocated stays, also when the client left it out. */
export function keepAllocated(spec: ServiceSpec, old: ServiceSpec): void {
  if (spec.type !== "ExternalName" && old.type !== "ExternalName") {
    if (!spec.clusterIP && old.clusterIP) spec.clusterIP = old.clusterIP;
    if ((spec.clusterIPs ?? []).length === 0 && old.clusterIPs) spec.clusterIPs = [...old.clusterIPs];
  }
  if (needsNodePort(spec) && needsNodePort(old)) {
    const byName = new Map((old.ports ?? []).map((port) => [port.name ?? "", port.nodePort ?? 0]));
    const before = new Set((old.ports ?? []).map((port) => port.nodePort ?? 0));
    const used = new Set((spec.ports ?? []).map((port) => port.nodePort ?? 0).filter((port) => before.has(port)));
    for (const port of spec.ports ?? []) {
      const known = byName.get(port.name ?? "") ?? 0;
      if (!port.nodePort && known !== 0 && !used.has(known)) port.nodePort = known;
    }
  }
  if (needsHealthCheck(spec) && needsHealthCheck(old) && !spec.healthCheckNodePort && old.healthCheckNodePort) {
    spec.healthCheckNodePort = old.healthCheckNodePort;
  }
}

/** Fields that belong to the type the Service had, and that the client did not touch, go with it. */
export function dropFieldsOfOldType(spec: ServiceSpec, old: ServiceSpec): void {
  const dropSame = (...fields: (keyof ServiceSpec)[]) => {
    for (const field of fields) if (semanticEqual(spec[field], old[field])) delete spec[field];
  };
  if (old.type !== "ExternalName" && spec.type === "ExternalName") {
    if (semanticEqual(spec.clusterIP, old.clusterIP) && semanticEqual(spec.clusterIPs, old.clusterIPs)) {
      dropSame("clusterIP", "clusterIPs");
    }
    dropSame("ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy");
  }
  if (needsNodePort(old) && !needsNodePort(spec)) {
    const before = new Set((old.ports ?? []).map((port) => port.nodePort ?? 0));
    const ports = spec.ports ?? [];
    if (ports.every((port) => !port.nodePort || before.has(port.nodePort)))
      for (const port of ports) delete port.nodePort;
  }
  if (needsHealthCheck(old) && !needsHealthCheck(spec)) dropSame("healthCheckNodePort");
  if (old.type === "LoadBalancer" && spec.type !== "LoadBalancer") {
    dropSame("allocateLoadBalancerNodePorts", "loadBalancerClass");
  }
  if (isExternal(old) && !isExternal(spec)) dropSame("externalTrafficPolicy");
}

/** Throws 422 with the first kind of error met, as upstream does before it validates the rest. */
function refuse(service: Service, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalid({ group: "", kind: "Service" }, service.metadata.name ?? "", errors);
}

const POLICY = "spec.ipFamilyPolicy";

function chooseFamilies(service: Service, old: ServiceSpec | undefined): void {
  const { spec } = service;
  if (spec.type === "ExternalName") return;
  const selectorless = spec.clusterIP === "None" && Object.keys(spec.selector ?? {}).length === 0;
  spec.ipFamilyPolicy ??= old?.ipFamilyPolicy ?? (selectorless ? "RequireDualStack" : "SingleStack");
  refuse(service, clusterIPErrors(spec, old));
  const errors: FieldError[] = [];
  const addresses = spec.clusterIPs ?? [];
  if (spec.ipFamilyPolicy === "SingleStack") {
    if (addresses.length === 2) {
      const detail = "must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are specified";
      errors.push(invalidValue(POLICY, spec.ipFamilyPolicy, detail));
    }
    if ((spec.ipFamilies ?? []).length === 2) {
      const detail = "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified";
      errors.push(invalidValue(POLICY, spec.ipFamilyPolicy, detail));
    }
  }
  const families = [...(spec.ipFamilies ?? [])];
  addresses.forEach((address, index) => {
    if (address === "None" || index < families.length) return;
    if (ipFamily(address) === 6) {
      errors.push(invalidValue(`spec.clusterIPs[${index}]`, addresses, "IPv6 is not configured on this cluster"));
    } else families.push("IPv4");
  });
  refuse(service, errors);
  if (selectorless) {
    if (families.length === 0) families.push("IPv4");
    if (families.length < 2 && spec.ipFamilyPolicy !== "SingleStack") {
      families.push(families[0] === "IPv4" ? "IPv6" : "IPv4");
    }
    spec.ipFamilies = families;
    return;
  }
  if (spec.ipFamilyPolicy === "RequireDualStack") {
    const detail = "this cluster is not configured for dual-stack services";
    errors.push(invalidValue(POLICY, spec.ipFamilyPolicy, detail));
  }
  families.forEach((family, index) => {
    if (family !== "IPv4") {
      errors.push(invalidValue(`spec.ipFamilies[${index}]`, family, "not configured on this cluster"));
    }
  });
  refuse(service, errors);
  spec.ipFamilies = families.length === 0 ? ["IPv4"] : families;
}

function allocateAddress(service: Service, pool: ClusterAddresses, claimant: Claimant): void {
  const { spec } = service;
  if (spec.type === "ExternalName" || isHeadless(spec)) return;
  const asked = spec.clusterIPs?.[0] ?? "";
  if (asked === "") {
    const address = pool.allocate(claimant);
    if (address === undefined) {
      refuse(service, [invalidValue("spec.clusterIPs", [""], "failed to allocate a serviceIP: range is full")]);
    }
    spec.clusterIP = address!;
    spec.clusterIPs = [address!];
    return;
  }
  const refusal = pool.claim(asked, claimant);
  if (refusal === undefined) return;
  const why =
    refusal === "taken" ? "provided IP is already allocated" : "the provided network does not match the current range";
  refuse(service, [invalidValue("spec.clusterIPs", [asked], `failed to allocate IP ${asked}: ${why}`)]);
}

function allocatePorts(
  service: Service,
  old: ServiceSpec | undefined,
  pool: ClusterAddresses,
  claimant: Claimant,
): void {
  const { spec } = service;
  const wanted =
    spec.type === "NodePort" || (spec.type === "LoadBalancer" && spec.allocateLoadBalancerNodePorts !== false);
  if (!needsNodePort(spec)) return;
  const held = new Set((old?.ports ?? []).map((port) => port.nodePort ?? 0));
  // One node port serves one port number over several protocols.
  const byPort = new Map<number, Set<string>>();
  const own = new Map<number, number>();
  (spec.ports ?? []).forEach((port, index) => {
    const protocol = port.protocol ?? "TCP";
    const taken = byPort.get(port.port) ?? new Set();
    const shared = taken.has(protocol) ? undefined : own.get(port.port);
    if (port.nodePort) {
      if (!held.has(port.nodePort) && ![...own.values()].includes(port.nodePort)) {
        const refusal = pool.claimPort(port.nodePort, claimant);
        const why =
          refusal === "taken"
            ? "provided port is already allocated"
            : `provided port is not in the valid range. The range of valid ports is ${pool.ports}`;
        if (refusal) refuse(service, [invalidValue(`spec.ports[${index}].nodePort`, port.nodePort, why)]);
      }
    } else if (wanted) {
      const free = shared ?? pool.allocatePort(claimant);
      if (free === undefined) {
        const why = "failed to allocate a nodePort: range is full";
        refuse(service, [invalidValue(`spec.ports[${index}].nodePort`, 0, why)]);
      }
      port.nodePort = free!;
    }
    if (port.nodePort) own.set(port.port, port.nodePort);
    byPort.set(port.port, taken.add(protocol));
  });
}

function allocateHealthCheck(
  service: Service,
  old: ServiceSpec | undefined,
  pool: ClusterAddresses,
  claimant: Claimant,
) {
  const { spec } = service;
  if (!needsHealthCheck(spec)) return;
  if (!spec.healthCheckNodePort) {
    const free = pool.allocatePort(claimant);
    if (free !== undefined) spec.healthCheckNodePort = free;
  } else if (spec.healthCheckNodePort !== old?.healthCheckNodePort) {
    const refusal = pool.claimPort(spec.healthCheckNodePort, claimant);
    if (refusal === undefined) return;
    const why = `failed to allocate requested HealthCheck NodePort ${spec.healthCheckNodePort}: provided port is ${refusal === "taken" ? "already allocated" : `not in the valid range. The range of valid ports is ${pool.ports}`}`;
    refuse(service, [invalidValue("spec.healthCheckNodePort", spec.healthCheckNodePort, why)]);
  }
}

/** Fills in what the cluster decides. Throws 422 when something asked for cannot be had. */
export function allocate(
  service: Service,
  old: Service | undefined,
  pool: ClusterAddresses,
  context: RequestContext,
): void {
  const before = old && deepCopy(old.spec);
  const claimant: Claimant = {
    owner: `${service.metadata.namespace ?? context.namespace}/${service.metadata.name ?? context.name}`,
    now: context.clock.monotonic(),
    dryRun: context.dryRun,
  };
  normalizeClusterIPs(service.spec, before);
  chooseFamilies(service, before);
  // A changed address is refused by validation, not allocated.
  if ((before?.clusterIPs ?? []).length === 0) allocateAddress(service, pool, claimant);
  allocatePorts(service, before, pool, claimant);
  allocateHealthCheck(service, before, pool, claimant);
}
