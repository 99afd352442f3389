/** HorizontalPodAutoscaler: how many replicas a workload has follows from metrics. Stored as autoscaling/v2, served as v1 too. */
import { dns1123Subdomain } from "../../api/names.ts";
import type { FieldError } from "../../api/status.ts";
import type { ResourceDefinition, Strategy, TableColumns } from "../../server/resource.ts";
import { AGE_COLUMN, age, column, NAME_COLUMN } from "../columns.ts";
import { defineKind, keep, statusSubresource } from "../define.ts";
import type {
  AutoscalingHorizontalPodAutoscaler,
  HorizontalPodAutoscaler,
  HPAScalingRules,
} from "../generated/types.ts";
import { codecFor } from "../tables.ts";
import { withoutTravelling } from "./annotations.ts";
import { cpuUtilization, DEFAULT_CPU_UTILIZATION, toV1, toV2 } from "./conversion.ts";
import { specRules, statusRules } from "./rules.ts";
import { targetsCell } from "./targets.ts";

const PERCENT_POLICY = { type: "Percent", value: 100, periodSeconds: 15 } as const;

/** What a rule leaves open, filled; a field that is given replaces the default as a whole. */
function scalingRules(
  given: HPAScalingRules | undefined,
  defaults: { readonly stabilizationWindowSeconds?: number; readonly policies: HPAScalingRules["policies"] & object },
): HPAScalingRules {
  const { stabilizationWindowSeconds, selectPolicy, policies, tolerance } = given ?? {};
  const window = stabilizationWindowSeconds ?? defaults.stabilizationWindowSeconds;
  return {
    ...(window !== undefined && { stabilizationWindowSeconds: window }),
    selectPolicy: selectPolicy ?? "Max",
    policies: policies ?? defaults.policies.map((policy) => ({ ...policy })),
    ...(tolerance !== undefined && { tolerance }),
  };
}

function setDefaults(object: HorizontalPodAutoscaler): void {
  object.spec ??= {} as HorizontalPodAutoscaler["spec"];
  const { spec, metadata } = object;
  spec.minReplicas ??= 1;
  if ((spec.metrics ?? []).length === 0) spec.metrics = [cpuUtilization(DEFAULT_CPU_UTILIZATION)];
  if (spec.behavior) {
    spec.behavior.scaleUp = scalingRules(spec.behavior.scaleUp, {
      stabilizationWindowSeconds: 0,
      policies: [{ type: "Pods", value: 4, periodSeconds: 15 }, PERCENT_POLICY],
    });
    spec.behavior.scaleDown = scalingRules(spec.behavior.scaleDown, { policies: [PERCENT_POLICY] });
  }
  const annotations = withoutTravelling(metadata?.annotations);
  if (annotations !== metadata?.annotations) metadata.annotations = annotations!;
}

const strategy: Strategy<HorizontalPodAutoscaler> = {
  setDefaults,
  prepareForCreate(object) {
    object.status = { desiredReplicas: 0, currentMetrics: null };
  },
  validate: (object) => specRules(object),
  prepareForUpdate: (object, old) => keep(object, old, "status"),
  validateUpdate: (object, old) => specRules(object, old),
};

const statusStrategy: Strategy<HorizontalPodAutoscaler> = {
  setDefaults,
  prepareForUpdate: (object, old) => keep(object, old, "spec"),
  validateUpdate: (object) => statusRules(object),
};

type V1 = AutoscalingHorizontalPodAutoscaler;

/** Makes `object` what `other` is. */
function become(object: V1, other: V1): void {
  object.metadata = other.metadata;
  object.spec = other.spec;
  if (other.status === undefined) delete object.status;
  else object.status = other.status;
}

/** The rules of v2 for objects of v1. */
function throughV2({ prepareForCreate, validate, prepareForUpdate, validateUpdate }: typeof strategy): Strategy<V1> {
  const changed = (object: V1, change: (autoscaler: HorizontalPodAutoscaler) => void) => {
    const autoscaler = toV2(object);
    change(autoscaler);
    become(object, toV1(autoscaler));
  };
  return {
    setDefaults(object) {
      object.spec ??= {} as V1["spec"];
      object.spec.minReplicas ??= 1;
      // As upstream, which knows an object of v1 only as what its internal type holds of it.
      object.metadata ??= {};
      become(object, toV1(toV2(object)));
    },
    prepareForCreate: (object, context) => changed(object, (autoscaler) => prepareForCreate?.(autoscaler, context)),
    validate: (object, context): FieldError[] => validate?.(toV2(object), context) ?? [],
    prepareForUpdate: (object, old, context) =>
      changed(object, (autoscaler) => prepareForUpdate?.(autoscaler, toV2(old), context)),
    validateUpdate: (object, old, context): FieldError[] => validateUpdate?.(toV2(object), toV2(old), context) ?? [],
  };
}

const TABLE: TableColumns<HorizontalPodAutoscaler> = {
  columns: [
    NAME_COLUMN,
    column("Reference", "What is scaled."),
    column("Targets", "Every metric: what it is and what it should be."),
    column("MinPods", "The least there may be."),
    column("MaxPods", "The most there may be."),
    column("Replicas", "How many there are."),
    AGE_COLUMN,
  ],
  cells(object, now) {
    const { spec, status, metadata } = object;
    const { kind = "", name = "" } = spec.scaleTargetRef ?? {};
    return [
      metadata.name ?? "",
      `${kind}/${name}`,
      targetsCell(object),
      spec.minReplicas === undefined ? "<unset>" : `${spec.minReplicas}`,
      spec.maxReplicas ?? 0,
      status?.currentReplicas ?? 0,
      age(object, now),
    ];
  },
};

const SHARED = {
  group: "autoscaling",
  kind: "HorizontalPodAutoscaler",
  namespaced: true,
  shortNames: ["hpa"],
  categories: ["all"],
  nameRule: dns1123Subdomain,
} as const;

export function horizontalPodAutoscalers(): ResourceDefinition<HorizontalPodAutoscaler> {
  return defineKind<HorizontalPodAutoscaler>({
    ...SHARED,
    version: "v2",
    strategy,
    subresources: [statusSubresource(statusStrategy)],
    table: TABLE,
  });
}

/** The same objects in the version that has fields for one metric only. */
export function horizontalPodAutoscalersV1(): ResourceDefinition<V1> {
  return defineKind<V1>({
    ...SHARED,
    version: "v1",
    strategy: throughV2(strategy),
    subresources: [statusSubresource(throughV2(statusStrategy))],
    table: { columns: TABLE.columns, cells: (object, now) => TABLE.cells(toV2(object), now) },
    storage: {
      codec: codecFor({ group: "autoscaling", version: "v2", kind: "HorizontalPodAutoscaler" }),
      fromStored: (objects) => objects.map((object) => toV1(object as HorizontalPodAutoscaler)),
      toStored(object) {
        const stored = toV2(object);
        // Upstream fills v2's defaults when it reads back what it wrote, which is what it answers with.
        setDefaults(stored);
        become(object, toV1(stored));
        return stored;
      },
    },
  });
}
