/** What the aggregator reads of an APIService object, and the one condition it writes (spec: aggregation 1.2, 1.5). */
import { formatTime } from "../api/time.ts";
import type { APIService, APIServiceCondition } from "../kinds/generated/types.ts";
import type { Claim } from "../server/routes.ts";

export const APISERVICES = { group: "apiregistration.k8s.io", version: "v1", resource: "apiservices" } as const;

export interface ServiceTarget {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}

/** The service an APIService points to; undefined: served by this process. */
export function serviceOf(apiService: APIService): ServiceTarget | undefined {
  const { service } = apiService.spec;
  if (service === undefined || service === null) return undefined;
  return { namespace: service.namespace ?? "", name: service.name ?? "", port: service.port ?? 443 };
}

export function nameOf(apiService: APIService): string {
  return apiService.metadata.name ?? "";
}

export function claimOf(apiService: APIService): Claim {
  const { spec } = apiService;
  return {
    name: nameOf(apiService),
    group: spec.group ?? "",
    version: spec.version ?? "",
    groupPriorityMinimum: spec.groupPriorityMinimum,
    versionPriority: spec.versionPriority,
    service: serviceOf(apiService),
  };
}

export interface Availability {
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
}

export const LOCAL: Availability = {
  status: "True",
  reason: "Local",
  message: "Local APIServices are always available",
};
export const PASSED: Availability = { status: "True", reason: "Passed", message: "all checks passed" };

/** The stored `Available` condition. */
export function availableCondition(apiService: APIService): APIServiceCondition | undefined {
  return apiService.status?.conditions?.find((condition) => condition.type === "Available");
}

/**
 * A copy whose `Available` condition says `availability`; the object itself when it says so already. The transition time moves only
 * with the status.
 */
export function withAvailability(apiService: APIService, availability: Availability, now: number): APIService {
  const old = availableCondition(apiService);
  const { status, reason, message } = availability;
  if (old?.status === status && old.reason === reason && old.message === message) return apiService;
  const lastTransitionTime = old?.status === status ? old.lastTransitionTime : formatTime(now);
  const condition: APIServiceCondition = { type: "Available", status, lastTransitionTime, reason, message };
  const others = apiService.status?.conditions ?? [];
  const conditions = old === undefined ? [...others, condition] : others.map((one) => (one === old ? condition : one));
  return { ...apiService, status: { ...apiService.status, conditions } };
}
