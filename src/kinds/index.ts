/** Every built-in kind the server stores, in one list; and the names around them. */
import type { ResourceDefinition } from "../server/resource.ts";
import { apiServices } from "./apiregistration/api-service.ts";
import { configMaps } from "./core/config-map.ts";
import { namespaces } from "./core/namespace.ts";
import { createAddressPool } from "./core/service-addresses.ts";
import type { KindDeps } from "./define.ts";

export { BOOTSTRAP, SYSTEM_NAMESPACES, UNDELETABLE_NAMESPACES } from "./bootstrap.ts";
export type { KindDeps } from "./define.ts";
export { APIREGISTRATION_GROUP, builtinPriority, CRD_PRIORITY, type Priority } from "./priorities.ts";

/** Definitions of all stored built-in kinds, independent of any store. What is not given falls away (see KindDeps). */
export function builtinResources(given: Partial<KindDeps> = {}): ResourceDefinition[] {
  const deps: KindDeps = { ...given, addresses: given.addresses ?? createAddressPool() };
  void deps;
  return [configMaps(), namespaces(), apiServices()] as ResourceDefinition[];
}
