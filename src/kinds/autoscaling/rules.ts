/** What a HorizontalPodAutoscaler may say (upstream's validation; spec: metrics 4.1). Written against autoscaling/v2, which every version is checked as. */
import { forbiddenField, invalidValue, notSupported, required } from "../../api/field-errors.ts";
import { parseAPIVersion } from "../../api/meta.ts";
import { dns1123Label, pathSegment, qualifiedName } from "../../api/names.ts";
import { parseQuantity } from "../../api/quantity.ts";
import type { FieldError } from "../../api/status.ts";
import { NOT_NEGATIVE } from "../apps/scale.ts";
import type {
  ContainerResourceMetricSource,
  CrossVersionObjectReference,
  HorizontalPodAutoscaler,
  HPAScalingPolicy,
  HPAScalingRules,
  MetricIdentifier,
  MetricSpec,
  MetricTarget,
  ResourceMetricSource,
} from "../generated/types.ts";

/** Seconds. */
const MAX_PERIOD = 1800;
const MAX_STABILIZATION_WINDOW = 3600;
const METRIC_TYPES = ["ContainerResource", "External", "Object", "Pods", "Resource"];
const TARGET_TYPES = ["Utilization", "Value", "AverageValue"];

/** How strictly an apiVersion is read. */
interface ReferenceRules {
  readonly emptyGroup: boolean;
  /** What is stored already may stay. */
  readonly anything: boolean;
}

interface Rules {
  readonly minReplicas: 0 | 1;
  readonly target: ReferenceRules;
  readonly object: ReferenceRules;
}

function apiVersionProblem(apiVersion: string, rules: ReferenceRules): string | undefined {
  if (rules.anything) return undefined;
  const { group } = parseAPIVersion(apiVersion) ?? { group: undefined };
  if (group === undefined) return `unexpected GroupVersion string: ${apiVersion}`;
  return group === "" && !rules.emptyGroup ? "apiVersion must specify API group" : undefined;
}

function rulesFor(object: HorizontalPodAutoscaler, old: HorizontalPodAutoscaler | undefined): Rules {
  const { kind = "", apiVersion = "" } = object.spec.scaleTargetRef ?? {};
  const before = old?.spec.scaleTargetRef;
  const sameKind = before !== undefined && (before.kind ?? "") === kind && (before.apiVersion ?? "") === apiVersion;
  const core: ReferenceRules = { emptyGroup: true, anything: false };
  const wrongBefore = (old?.spec.metrics ?? []).some(
    ({ type, object: source }) =>
      type === "Object" &&
      source !== undefined &&
      apiVersionProblem(source.describedObject?.apiVersion ?? "", core) !== undefined,
  );
  return {
    // Upstream's gate for scaling to zero is off in this version; who has it already keeps it.
    minReplicas: old?.spec.minReplicas === 0 ? 0 : 1,
    target: { anything: sameKind, emptyGroup: kind === "ReplicationController" },
    object: { ...core, anything: wrongBefore },
  };
}

/** All that is wrong with the spec of `object`; what `old` had already is judged more mildly. */
export function specRules(object: HorizontalPodAutoscaler, old?: HorizontalPodAutoscaler): FieldError[] {
  const rules = rulesFor(object, old);
  const { scaleTargetRef, minReplicas, maxReplicas = 0, metrics = [], behavior } = object.spec;
  const errors: FieldError[] = [];
  if (minReplicas !== undefined && minReplicas < rules.minReplicas) {
    const detail = `must be greater than or equal to ${rules.minReplicas}`;
    errors.push(invalidValue("spec.minReplicas", minReplicas, detail));
  }
  if (maxReplicas === 0) errors.push(required("spec.maxReplicas", "must be set and greater than 0"));
  else if (maxReplicas < 0) {
    errors.push(invalidValue("spec.maxReplicas", maxReplicas, "must be greater than or equal to 1"));
  }
  if (minReplicas !== undefined && maxReplicas < minReplicas) {
    errors.push(invalidValue("spec.maxReplicas", maxReplicas, "must be greater than or equal to `minReplicas`"));
  }
  errors.push(...referenceRules("spec.scaleTargetRef", scaleTargetRef ?? { kind: "", name: "" }, rules.target));
  metrics.forEach((metric, index) => {
    errors.push(...metricRules(`spec.metrics[${index}]`, metric, rules.object));
  });
  if (minReplicas === 0 && !metrics.some(({ type }) => type === "Object" || type === "External")) {
    const detail = "must specify at least one Object or External metric to support scaling to zero replicas";
    errors.push(forbiddenField("spec.metrics", detail));
  }
  return [
    ...errors,
    ...scalingRules("spec.behavior.scaleUp", behavior?.scaleUp),
    ...scalingRules("spec.behavior.scaleDown", behavior?.scaleDown),
  ];
}

export function statusRules({ status }: HorizontalPodAutoscaler): FieldError[] {
  return (["currentReplicas", "desiredReplicas"] as const).flatMap((field) => {
    const value = status?.[field] ?? 0;
    return value < 0 ? [invalidValue(`status.${field}`, value, NOT_NEGATIVE)] : [];
  });
}

function segmentRules(field: string, value = ""): FieldError[] {
  if (value === "") return [required(field)];
  return pathSegment(value).map((message) => invalidValue(field, value, message));
}

function referenceRules(path: string, reference: CrossVersionObjectReference, rules: ReferenceRules): FieldError[] {
  const { apiVersion = "" } = reference;
  const problem = apiVersionProblem(apiVersion === "/" ? "" : apiVersion, rules);
  return [
    ...segmentRules(`${path}.kind`, reference.kind),
    ...segmentRules(`${path}.name`, reference.name),
    ...(problem === undefined ? [] : [invalidValue(`${path}.apiVersion`, apiVersion, problem)]),
  ];
}

/** For each type: the member that holds the metric. The order is the one in which upstream looks at them. */
const MEMBERS = [
  ["Object", "object"],
  ["External", "external"],
  ["Pods", "pods"],
  ["Resource", "resource"],
  ["ContainerResource", "containerResource"],
] as const;

function metricRules(path: string, metric: MetricSpec, rules: ReferenceRules): FieldError[] {
  const { type = "" } = metric;
  const known = METRIC_TYPES.includes(type);
  const errors: FieldError[] = [];
  if (type === "") errors.push(required(`${path}.type`, "must specify a metric source type"));
  if (!known) errors.push(notSupported(`${path}.type`, type, METRIC_TYPES));
  const present = MEMBERS.filter(([, member]) => metric[member] !== undefined);
  if (present.length > 0) errors.push(...sourceRules(path, metric, present[0]![1], rules));
  const expected = MEMBERS.find(([name]) => name === type)?.[1];
  if (expected === undefined) errors.push(notSupported(`${path}.type`, type, METRIC_TYPES));
  else if (metric[expected] === undefined) {
    errors.push(required(`${path}.${expected}`, "must populate information for the given metric source"));
  }
  if (present.length > 1) {
    for (const [, member] of present) {
      if (member !== expected) {
        errors.push(forbiddenField(`${path}.${member}`, "must populate the given metric source only"));
      }
    }
  }
  return errors;
}

type Member = (typeof MEMBERS)[number][1];

function sourceRules(metricPath: string, metric: MetricSpec, member: Member, rules: ReferenceRules): FieldError[] {
  const path = `${metricPath}.${member}`;
  const averageValue = `${path}.target.averageValue`;
  switch (member) {
    case "object": {
      const { describedObject, metric: identifier, target } = metric.object!;
      const unset = target?.value === undefined && target?.averageValue === undefined;
      return [
        ...referenceRules(`${path}.describedObject`, describedObject ?? { kind: "", name: "" }, rules),
        ...identifierRules(path, identifier),
        ...targetRules(path, target),
        ...(unset ? [required(averageValue, "must set either a target value or averageValue")] : []),
      ];
    }
    case "external": {
      const { metric: identifier, target } = metric.external!;
      const { value, averageValue: average } = target ?? {};
      const errors = [...identifierRules(path, identifier), ...targetRules(path, target)];
      if (value === undefined && average === undefined) {
        errors.push(required(averageValue, "must set either a target value for metric or a per-pod target"));
      } else if (value !== undefined && average !== undefined) {
        const detail = "may not set both a target value for metric and a per-pod target";
        errors.push(forbiddenField(`${path}.target.value`, detail));
      }
      return errors;
    }
    case "pods": {
      const { metric: identifier, target } = metric.pods!;
      const unset = target?.averageValue === undefined;
      return [
        ...identifierRules(path, identifier),
        ...targetRules(path, target),
        ...(unset ? [required(averageValue, "must specify a positive target averageValue")] : []),
      ];
    }
    case "resource":
      return [...resourceNameRules(path, metric.resource!), ...usageRules(path, metric.resource!)];
    case "containerResource": {
      const source = metric.containerResource!;
      return [...containerRules(path, source), ...usageRules(path, source)];
    }
  }
}

function resourceNameRules(path: string, { name = "" }: Partial<ResourceMetricSource>): FieldError[] {
  return name === "" ? [required(`${path}.name`, "must specify a resource name")] : [];
}

function containerRules(path: string, source: ContainerResourceMetricSource): FieldError[] {
  const { name = "", container = "" } = source;
  const errors = name === "" ? resourceNameRules(path, source) : containerResourceName(`${path}.name`, name);
  if (container === "") errors.push(required(`${path}.container`, "must specify a container"));
  for (const message of container === "" ? [] : dns1123Label(container)) {
    errors.push(invalidValue(`${path}.container`, container, message));
  }
  return errors;
}

function usageRules(path: string, { target }: { target?: MetricTarget }): FieldError[] {
  const { averageUtilization, averageValue } = target ?? {};
  const errors = targetRules(path, target);
  if (averageUtilization === undefined && averageValue === undefined) {
    const detail = "must set either a target raw value or a target utilization";
    errors.push(required(`${path}.target.averageUtilization`, detail));
  } else if (averageUtilization !== undefined && averageValue !== undefined) {
    const detail = "may not set both a target raw value and a target utilization";
    errors.push(forbiddenField(`${path}.target.averageValue`, detail));
  }
  return errors;
}

function targetRules(sourcePath: string, target: Partial<MetricTarget> = {}): FieldError[] {
  const path = `${sourcePath}.target`;
  const { type = "", averageUtilization } = target;
  const errors: FieldError[] = [];
  if (type === "") errors.push(required(`${path}.type`, "must specify a metric target type"));
  if (!TARGET_TYPES.includes(type)) {
    errors.push(invalidValue(`${path}.type`, type, "must be either Utilization, Value, or AverageValue"));
  }
  for (const field of ["value", "averageValue"] as const) {
    const quantity = target[field];
    if (quantity !== undefined && parseQuantity(quantity).sign !== 1) {
      errors.push(invalidValue(`${path}.${field}`, quantity, "must be positive"));
    }
  }
  if (averageUtilization !== undefined && averageUtilization < 1) {
    errors.push(invalidValue(`${path}.averageUtilization`, averageUtilization, "must be greater than 0"));
  }
  return errors;
}

function identifierRules(sourcePath: string, identifier: Partial<MetricIdentifier> = {}): FieldError[] {
  const path = `${sourcePath}.metric.name`;
  const { name = "" } = identifier;
  if (name === "") return [required(path, "must specify a metric name")];
  return pathSegment(name).map((message) => invalidValue(path, name, message));
}

const CONTAINER_RESOURCES = ["cpu", "memory", "ephemeral-storage"];
/** What a name without a domain may be anywhere; more than a container can ask for. */
const STANDARD_RESOURCES = new Set([
  ...CONTAINER_RESOURCES,
  ...CONTAINER_RESOURCES.flatMap((name) => [`requests.${name}`, `limits.${name}`]),
  "pods",
  "resourcequotas",
  "services",
  "replicationcontrollers",
  "secrets",
  "configmaps",
  "persistentvolumeclaims",
  "storage",
  "requests.storage",
  "services.nodeports",
  "services.loadbalancers",
]);

function containerResourceName(field: string, name: string): FieldError[] {
  const errors = qualifiedName(name).map((message) => invalidValue(field, name, message));
  if (!name.includes("/")) {
    const huge = name.startsWith("hugepages-");
    const standard = STANDARD_RESOURCES.has(name) || huge || name.startsWith("requests.hugepages-");
    if (errors.length === 0 && !standard) {
      errors.push(invalidValue(field, name, "must be a standard resource type or fully qualified"));
    }
    if (!CONTAINER_RESOURCES.includes(name) && !huge) {
      errors.push(invalidValue(field, name, "must be a standard resource for containers"));
    }
    return errors;
  }
  const extended = !name.startsWith("requests.") && qualifiedName(`requests.${name}`).length === 0;
  if (!name.includes("kubernetes.io/") && !extended) {
    errors.push(invalidValue(field, name, "doesn't follow extended resource name standard"));
  }
  return errors;
}

function scalingRules(path: string, rules: HPAScalingRules | undefined): FieldError[] {
  if (rules === undefined) return [];
  const { stabilizationWindowSeconds: window = 0, selectPolicy, policies = [], tolerance } = rules;
  const errors: FieldError[] = [];
  const windowField = `${path}.stabilizationWindowSeconds`;
  if (window < 0) errors.push(invalidValue(windowField, window, "must be greater than or equal to zero"));
  if (window > MAX_STABILIZATION_WINDOW) {
    errors.push(invalidValue(windowField, window, `must be less than or equal to ${MAX_STABILIZATION_WINDOW}`));
  }
  const selections = ["Disabled", "Max", "Min"];
  if (selectPolicy !== undefined && !selections.includes(selectPolicy)) {
    errors.push(notSupported(`${path}.selectPolicy`, selectPolicy, selections));
  }
  if (policies.length === 0) errors.push(required(`${path}.policies`, "must specify at least one Policy"));
  policies.forEach((policy, index) => {
    errors.push(...policyRules(`${path}.policies[${index}]`, policy));
  });
  if (tolerance !== undefined && parseQuantity(tolerance).sign < 0) {
    errors.push(invalidValue(`${path}.tolerance`, tolerance, NOT_NEGATIVE));
  }
  return errors;
}

function policyRules(path: string, policy: HPAScalingPolicy): FieldError[] {
  const { type = "", value = 0, periodSeconds = 0 } = policy;
  const errors: FieldError[] = [];
  if (type !== "Pods" && type !== "Percent") errors.push(notSupported(`${path}.type`, type, ["Percent", "Pods"]));
  if (value <= 0) errors.push(invalidValue(`${path}.value`, value, "must be greater than zero"));
  const field = `${path}.periodSeconds`;
  if (periodSeconds <= 0) errors.push(invalidValue(field, periodSeconds, "must be greater than zero"));
  if (periodSeconds > MAX_PERIOD) {
    errors.push(invalidValue(field, periodSeconds, `must be less than or equal to ${MAX_PERIOD}`));
  }
  return errors;
}
