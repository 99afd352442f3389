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

/** What is said of one condition. */
export interface Statement extends Availability {
  readonly type: string;
}

/**
 * A copy whose conditions of `types` say what `statements` say; the object itself when it says so already. Other conditions stay, those
 * of `types` nobody states any more go. A transition time moves only with its status. `same` tells which messages need no new writing.
 */
export function withConditions(
  apiService: APIService,
  statements: readonly Statement[],
  options: {
    readonly types: ReadonlySet<string>;
    readonly now: number;
    same?(old: string, message: string): boolean;
  },
): APIService {
  const before = apiService.status?.conditions ?? [];
  const same = options.same ?? ((old, message) => old === message);
  const stated = statements.map(({ type, status, reason, message }): APIServiceCondition => {
    const old = before.find((condition) => condition.type === type);
    if (old?.status !== status) {
      return { type, status, lastTransitionTime: formatTime(options.now), reason, message };
    }
    if (old.reason === reason && same(old.message ?? "", message)) return old;
    return { ...old, reason, message };
  });
  const others = before.filter(
    ({ type }) => !options.types.has(type) && !statements.some((statement) => statement.type === type),
  );
  const first = ({ type }: APIServiceCondition) => (type === "Available" ? 0 : 1);
  const conditions = [...stated, ...others].sort((a, b) => first(a) - first(b));
  const unchanged = conditions.length === before.length && conditions.every((condition) => before.includes(condition));
  return unchanged ? apiService : { ...apiService, status: { ...apiService.status, conditions } };
}
