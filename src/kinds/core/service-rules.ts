/** The rules of a Service's spec, in upstream's words and order. */
import { duplicate, forbiddenField, invalidValue, notSupported, Printed, required } from "../../api/field-errors.ts";
import { stringifyJSON } from "../../api/json/encode.ts";
import { dns1123Label, dns1123Subdomain, portName, portNumber, qualifiedName } from "../../api/names.ts";
import { validateLabels } from "../../api/object-meta.ts";
import type { FieldError } from "../../api/status.ts";
import { ipFamily, validateEndpointIP, validateIP } from "../addresses.ts";
import type { Service, ServicePort, ServiceSpec } from "../generated/types.ts";
import { semanticEqual } from "../semantic.ts";
import { PROTOCOLS } from "./endpoints.ts";

const CLUSTER_IPS = "spec.clusterIPs";
const FAMILIES = ["IPv4", "IPv6"];
const FAMILY_POLICIES = ["PreferDualStack", "RequireDualStack", "SingleStack"];
const TYPES = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const AFFINITIES = ["ClientIP", "None"];
const TRAFFIC_POLICIES = ["Cluster", "Local"];
const DISTRIBUTIONS = ["PreferClose", "PreferSameZone", "PreferSameNode"];
const MAX_AFFINITY_SECONDS = 86_400;
const ONLY_LOAD_BALANCER = "may only be used when `type` is 'LoadBalancer'";

export function isHeadless(spec: ServiceSpec): boolean {
  return spec.clusterIPs?.length === 1 && spec.clusterIPs[0] === "None";
}

/** The rules between `clusterIP`, `clusterIPs` and the address families. */
export function clusterIPErrors(spec: ServiceSpec, old: ServiceSpec | undefined): FieldError[] {
  if (spec.type === "ExternalName") return [];
  const errors: FieldError[] = [];
  const addresses = spec.clusterIPs ?? [];
  const families = spec.ipFamilies ?? [];
  if (spec.clusterIP) {
    if (addresses.length === 0) errors.push(required(CLUSTER_IPS));
    else if (addresses[0] !== spec.clusterIP) {
      errors.push(invalidValue(CLUSTER_IPS, addresses, "first value must match `clusterIP`"));
    }
  } else if (addresses.length > 0) {
    errors.push(invalidValue(CLUSTER_IPS, addresses, "must be empty when `clusterIP` is not specified"));
  }
  families.forEach((family, index) => {
    const field = `spec.ipFamilies[${index}]`;
    if (!FAMILIES.includes(family)) errors.push(notSupported(field, family, FAMILIES));
    if (families.indexOf(family) < index) errors.push(duplicate(field, family));
  });
  const policy = spec.ipFamilyPolicy;
  if (policy !== undefined && !FAMILY_POLICIES.includes(policy)) {
    errors.push(notSupported("spec.ipFamilyPolicy", policy, FAMILY_POLICIES));
  }
  let bad = false;
  addresses.forEach((address, index) => {
    if (index === 0 && address === "None") {
      if (addresses.length > 1) {
        bad = true;
        errors.push(invalidValue(CLUSTER_IPS, addresses, "'None' must be the first and only value"));
      }
      return;
    }
    if (old?.clusterIPs?.includes(address)) return;
    const wrong = validateIP(`${CLUSTER_IPS}[${index}]`, address);
    bad ||= wrong.length > 0;
    errors.push(...wrong);
  });
  if (addresses.length > 2) errors.push(invalidValue(CLUSTER_IPS, addresses, "may only hold up to 2 values"));
  if (bad) return errors;
  if (addresses.length > 1 && new Set(addresses.map(ipFamily)).size !== 2) {
    errors.push(invalidValue(CLUSTER_IPS, addresses, "may specify no more than one IP for each IP family"));
  }
  if (!isHeadless(spec)) {
    addresses.slice(0, families.length).forEach((address, index) => {
      const family = families[index]!;
      const wanted = family === "IPv4" ? 4 : 6;
      if (FAMILIES.includes(family) && ipFamily(address) !== wanted) {
        const detail = `expected an ${family} value as indicated by \`ipFamilies[${index}]\``;
        errors.push(invalidValue(`${CLUSTER_IPS}[${index}]`, address, detail));
      }
    });
  }
  return errors;
}

function portErrors(port: ServicePort, nameRequired: boolean, names: Set<string>, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const name = port.name ?? "";
  if (nameRequired && name === "") errors.push(required(`${path}.name`));
  else if (name !== "") {
    for (const message of dns1123Label(name)) errors.push(invalidValue(`${path}.name`, name, message));
    if (names.has(name)) errors.push(duplicate(`${path}.name`, name));
    names.add(name);
  }
  for (const message of portNumber(port.port ?? 0)) errors.push(invalidValue(`${path}.port`, port.port ?? 0, message));
  if (!port.protocol) errors.push(required(`${path}.protocol`));
  else if (!PROTOCOLS.includes(port.protocol)) {
    errors.push(notSupported(`${path}.protocol`, port.protocol, PROTOCOLS));
  }
  const target = port.targetPort ?? 0;
  const messages = typeof target === "number" ? portNumber(target) : portName(target);
  for (const message of messages) errors.push(invalidValue(`${path}.targetPort`, target, message));
  if (port.appProtocol !== undefined) {
    for (const message of qualifiedName(port.appProtocol)) {
      errors.push(invalidValue(`${path}.appProtocol`, port.appProtocol, message));
    }
  }
  return errors;
}

function typeErrors(spec: ServiceSpec): FieldError[] {
  const errors: FieldError[] = [];
  if ((spec.ports ?? []).length === 0 && !isHeadless(spec) && spec.type !== "ExternalName") {
    errors.push(required("spec.ports"));
  }
  if ((spec.type === "LoadBalancer" || spec.type === "NodePort") && isHeadless(spec)) {
    errors.push(invalidValue(`${CLUSTER_IPS}[0]`, "None", `may not be set to 'None' for ${spec.type} services`));
  }
  if (spec.type !== "ExternalName") return errors;
  const detail = "may not be set for ExternalName services";
  if ((spec.clusterIPs ?? []).length > 0) errors.push(forbiddenField(CLUSTER_IPS, detail));
  if ((spec.ipFamilies ?? []).length > 0) errors.push(forbiddenField("spec.ipFamilies", detail));
  if (spec.ipFamilyPolicy !== undefined) errors.push(forbiddenField("spec.ipFamilyPolicy", detail));
  const name = (spec.externalName ?? "").replace(/\.$/, "");
  if (name === "") errors.push(required("spec.externalName"));
  else for (const message of dns1123Subdomain(name)) errors.push(invalidValue("spec.externalName", name, message));
  return errors;
}

function affinityErrors(spec: ServiceSpec): FieldError[] {
  const { sessionAffinity = "", sessionAffinityConfig: config } = spec;
  if (sessionAffinity === "") return [required("spec.sessionAffinity")];
  if (!AFFINITIES.includes(sessionAffinity)) {
    return [notSupported("spec.sessionAffinity", sessionAffinity, AFFINITIES)];
  }
  const path = "spec.sessionAffinityConfig";
  if (sessionAffinity === "None") {
    return config ? [forbiddenField(path, "must not be set when session affinity is None")] : [];
  }
  const detail = "when session affinity type is ClientIP";
  if (!config) return [required(path, detail)];
  if (!config.clientIP) return [required(`${path}.clientIP`, detail)];
  const seconds = config.clientIP.timeoutSeconds;
  if (seconds === undefined) return [required(`${path}.clientIP.timeoutSeconds`, detail)];
  if (seconds > 0 && seconds <= MAX_AFFINITY_SECONDS) return [];
  const range = `must be greater than 0 and less than ${MAX_AFFINITY_SECONDS}`;
  return [invalidValue(`${path}.clientIP.timeoutSeconds`, seconds, range)];
}

/** As Go prints the key it compares ports by. */
function printedPort(port: ServicePort): Printed {
  const { protocol = "", port: number } = port;
  return new Printed(
    stringifyJSON({ Name: "", Protocol: protocol, AppProtocol: null, Port: number, TargetPort: 0, NodePort: 0 }),
  );
}

function repeatedPortErrors(spec: ServiceSpec): FieldError[] {
  const ports = spec.ports ?? [];
  const errors: FieldError[] = [];
  if (spec.type === "ClusterIP") {
    ports.forEach((port, index) => {
      if (!port.nodePort) return;
      errors.push(forbiddenField(`spec.ports[${index}].nodePort`, "may not be used when `type` is 'ClusterIP'"));
    });
  }
  const seen = new Set<string>();
  ports.forEach((port, index) => {
    if (!port.nodePort) return;
    const key = `${port.protocol}/${port.nodePort}`;
    if (seen.has(key)) errors.push(duplicate(`spec.ports[${index}].nodePort`, port.nodePort));
    seen.add(key);
  });
  seen.clear();
  ports.forEach((port, index) => {
    const key = `${port.protocol}/${port.port}`;
    if (seen.has(key)) errors.push(duplicate(`spec.ports[${index}]`, printedPort(port)));
    seen.add(key);
  });
  return errors;
}

function loadBalancerErrors(spec: ServiceSpec): FieldError[] {
  const errors: FieldError[] = [];
  const balancer = spec.type === "LoadBalancer";
  if ((spec.loadBalancerSourceRanges ?? []).length > 0 && !balancer) {
    errors.push(forbiddenField("spec.LoadBalancerSourceRanges", ONLY_LOAD_BALANCER));
  }
  if (spec.allocateLoadBalancerNodePorts !== undefined && !balancer) {
    errors.push(forbiddenField("spec.allocateLoadBalancerNodePorts", ONLY_LOAD_BALANCER));
  }
  if (spec.loadBalancerClass !== undefined) {
    if (!balancer) errors.push(forbiddenField("spec.loadBalancerClass", ONLY_LOAD_BALANCER));
    else {
      for (const message of qualifiedName(spec.loadBalancerClass)) {
        errors.push(invalidValue("spec.loadBalancerClass", spec.loadBalancerClass, message));
      }
    }
  }
  return errors;
}

function trafficErrors(spec: ServiceSpec): FieldError[] {
  const errors: FieldError[] = [];
  const external =
    spec.type === "NodePort" ||
    spec.type === "LoadBalancer" ||
    (spec.type === "ClusterIP" && (spec.externalIPs ?? []).length > 0);
  const policy = spec.externalTrafficPolicy ?? "";
  const field = "spec.externalTrafficPolicy";
  if (!external) {
    if (policy !== "") {
      errors.push(invalidValue(field, policy, "may only be set for externally-accessible services"));
    }
  } else if (policy === "") errors.push(required(field));
  else if (!TRAFFIC_POLICIES.includes(policy)) errors.push(notSupported(field, policy, TRAFFIC_POLICIES));
  const health = spec.healthCheckNodePort ?? 0;
  if (spec.type === "LoadBalancer" && policy === "Local") {
    if (health === 0) errors.push(required("spec.healthCheckNodePort"));
    else
      for (const message of portNumber(health)) errors.push(invalidValue("spec.healthCheckNodePort", health, message));
  } else if (health !== 0) {
    const detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    errors.push(invalidValue("spec.healthCheckNodePort", health, detail));
  }
  const internal = spec.internalTrafficPolicy;
  if (internal === undefined) {
    if (spec.type !== "ExternalName" && TYPES.includes(spec.type ?? "")) {
      errors.push(required("spec.internalTrafficPolicy"));
    }
  } else if (!TRAFFIC_POLICIES.includes(internal)) {
    errors.push(notSupported("spec.internalTrafficPolicy", internal, TRAFFIC_POLICIES));
  }
  const distribution = spec.trafficDistribution;
  if (distribution !== undefined && !DISTRIBUTIONS.includes(distribution)) {
    errors.push(notSupported("spec.trafficDistribution", distribution, DISTRIBUTIONS));
  }
  return errors;
}

/** `old`: what was stored and is therefore not checked again. */
export function validateService(service: Service, old: Service | undefined): FieldError[] {
  const { spec } = service;
  const names = new Set<string>();
  const ports = spec.ports ?? [];
  const type = spec.type ?? "";
  return [
    ...typeErrors(spec),
    ...ports.flatMap((port, index) => portErrors(port, ports.length > 1, names, `spec.ports[${index}]`)),
    ...validateLabels(spec.selector, "spec.selector"),
    ...affinityErrors(spec),
    ...clusterIPErrors(spec, old?.spec),
    ...(spec.externalIPs ?? []).flatMap((address, index) => {
      const field = `spec.externalIPs[${index}]`;
      const errors = old?.spec.externalIPs?.includes(address) ? [] : validateIP(field, address);
      return errors.length > 0 ? errors : validateEndpointIP(field, address);
    }),
    ...(type === "" ? [required("spec.type")] : TYPES.includes(type) ? [] : [notSupported("spec.type", type, TYPES)]),
    ...repeatedPortErrors(spec),
    ...loadBalancerErrors(spec),
    ...trafficErrors(spec),
  ];
}

/** The address of a Service stays, as long as it needs one. */
export function addressChangeErrors(spec: ServiceSpec, old: ServiceSpec): FieldError[] {
  if (spec.type === "ExternalName" || old.type === "ExternalName") return [];
  if (isHeadless(spec) && isHeadless(old)) return [];
  const errors: FieldError[] = [];
  const addresses = spec.clusterIPs ?? [];
  const before = old.clusterIPs ?? [];
  const changed = (index: number) =>
    invalidValue(`${CLUSTER_IPS}[${index}]`, spec.clusterIPs ?? null, "may not change once set");
  if (before.length === addresses.length) {
    before.forEach((address, index) => {
      if (address !== addresses[index]) errors.push(changed(index));
    });
  } else if (before.length > 0 && addresses.length > 0) {
    if (before[0] !== addresses[0]) errors.push(changed(0));
    if (addresses.length === 1 && spec.ipFamilyPolicy !== "SingleStack") {
      const detail = "must be set to 'SingleStack' when releasing the secondary clusterIP";
      errors.push(invalidValue("spec.ipFamilyPolicy", spec.ipFamilyPolicy ?? null, detail));
    }
  } else if (addresses.length === 0) {
    errors.push(invalidValue(`${CLUSTER_IPS}[0]`, spec.clusterIPs ?? null, "primary clusterIP can not be unset"));
  }
  return errors;
}

/** What else may not change while the type stays. */
export function balancerChangeErrors(spec: ServiceSpec, old: ServiceSpec): FieldError[] {
  if (spec.type !== "LoadBalancer" || old.type !== "LoadBalancer") return [];
  const errors: FieldError[] = [];
  if (!semanticEqual(spec.loadBalancerClass, old.loadBalancerClass)) {
    errors.push(invalidValue("spec.loadBalancerClass", spec.loadBalancerClass ?? null, "may not change once set"));
  }
  const local = spec.externalTrafficPolicy === "Local" && old.externalTrafficPolicy === "Local";
  if (local && spec.healthCheckNodePort !== old.healthCheckNodePort) {
    errors.push(forbiddenField("spec.healthCheckNodePort", "field is immutable"));
  }
  return errors;
}
