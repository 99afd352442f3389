/** This machine as a node of the cluster. */
export { type Kubelet, type KubeletOptions, startKubelet } from "./kubelet.ts";
export { type Machine, thisMachine } from "./machine.ts";
export { ensureNodeRBAC, NODE_GROUP, nodeUser } from "./rbac.ts";
export { type Fleet, type FleetOptions, startFleet } from "./simulation/fleet.ts";
