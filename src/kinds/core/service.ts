/** Service: one stable address for many pods. */
import { dns1123Label } from "../../api/names.ts";
import { NONE, UNKNOWN } from "../../api/table.ts";
import type { ResourceDefinition, Strategy } from "../../server/resource.ts";
import { AGE_COLUMN, age, column, formatLabels, NAME_COLUMN } from "../columns.ts";
import { defineKind, type KindDeps, keep, statusSubresource } from "../define.ts";
import type { Service } from "../generated/types.ts";
import type { ClusterAddresses } from "./service-addresses.ts";
import { allocate, dropFieldsOfOldType, isExternal, keepAllocated } from "./service-network.ts";
import { addressChangeErrors, balancerChangeErrors, validateService } from "./service-rules.ts";

/** Seconds a client stays with one pod. */
const AFFINITY_SECONDS = 10_800;

function setDefaults(service: Service): void {
  service.spec ??= {};
  service.status ??= {};
  const { spec } = service;
  spec.sessionAffinity ||= "None";
  if (spec.sessionAffinity === "None") delete spec.sessionAffinityConfig;
  if (spec.sessionAffinity === "ClientIP" && spec.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined) {
    spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: AFFINITY_SECONDS } };
  }
  spec.type ||= "ClusterIP";
  for (const port of spec.ports ?? []) {
    port.protocol ||= "TCP";
    port.targetPort ||= port.port;
  }
  if (isExternal(spec)) spec.externalTrafficPolicy ||= "Cluster";
  if (spec.type !== "ExternalName" && ["ClusterIP", "NodePort", "LoadBalancer"].includes(spec.type)) {
    spec.internalTrafficPolicy ??= "Cluster";
  }
  if (spec.type === "LoadBalancer") {
    spec.allocateLoadBalancerNodePorts ??= true;
    for (const ingress of service.status.loadBalancer?.ingress ?? []) if (ingress.ip) ingress.ipMode ??= "VIP";
  }
}

function strategy(addresses: ClusterAddresses): Strategy<Service> {
  return {
    allowCreateOnUpdate: true,
    returnsDeletedObject: true,
    setDefaults,
    prepareForCreate(service, context) {
      service.status = { loadBalancer: {} };
      allocate(service, undefined, addresses, context);
    },
    validate: (service) => validateService(service, undefined),
    prepareForUpdate(service, old, context) {
      keep(service, old, "status");
      keepAllocated(service.spec, old.spec);
      dropFieldsOfOldType(service.spec, old.spec);
      if (service.spec.type !== "LoadBalancer") service.status = { ...service.status, loadBalancer: {} };
      allocate(service, old, addresses, context);
    },
    validateUpdate: (service, old) => [
      ...addressChangeErrors(service.spec, old.spec),
      ...balancerChangeErrors(service.spec, old.spec),
      ...validateService(service, old),
    ],
  };
}

const statusStrategy: Strategy<Service> = {
  setDefaults,
  prepareForUpdate: (service, old) => keep(service, old, "spec"),
};

function externalCell({ spec, status }: Service): string {
  const external = spec.externalIPs ?? [];
  switch (spec.type) {
    case "ClusterIP":
    case "NodePort":
      return external.join(",") || NONE;
    case "LoadBalancer": {
      const found = (status?.loadBalancer?.ingress ?? []).map((ingress) => ingress.ip || ingress.hostname || "");
      const own = [...new Set(found.filter((address) => address !== ""))].sort();
      return [...own, ...external].join(",") || "<pending>";
    }
    case "ExternalName":
      return spec.externalName ?? "";
    default:
      return UNKNOWN;
  }
}

function portsCell({ spec }: Service): string {
  const ports = (spec.ports ?? []).map(
    (port) => `${port.port}${port.nodePort ? `:${port.nodePort}` : ""}/${port.protocol}`,
  );
  return ports.join(",") || NONE;
}

export function services(deps: Pick<KindDeps, "addresses">): ResourceDefinition<Service> {
  return defineKind<Service>({
    group: "",
    version: "v1",
    kind: "Service",
    namespaced: true,
    shortNames: ["svc"],
    categories: ["all"],
    storagePrefix: "/registry/services/specs/",
    nameRule: dns1123Label,
    strategy: strategy(deps.addresses),
    fields: {
      "spec.clusterIP": (service) => service.spec.clusterIP ?? "",
      "spec.type": (service) => service.spec.type ?? "",
    },
    subresources: [statusSubresource(statusStrategy)],
    table: {
      columns: [
        NAME_COLUMN,
        column("Type", "How it is exposed."),
        column("Cluster-IP", "Its address inside the cluster."),
        column("External-IP", "Its addresses outside."),
        column("Port(s)", "Its ports, and the node ports behind the colon."),
        AGE_COLUMN,
        column("Selector", "Which pods it sends traffic to.", true),
      ],
      cells: (service, now) => [
        service.metadata.name ?? "",
        service.spec.type ?? "",
        service.spec.clusterIPs?.[0] ?? NONE,
        externalCell(service),
        portsCell(service),
        age(service, now),
        formatLabels(service.spec.selector),
      ],
    },
  });
}
