import { describe, expect, test } from "vitest";
import type { HorizontalPodAutoscaler } from "../generated/types.ts";
import { decoded, printedRow, rehearseCreate, rehearseUpdate, subStrategy } from "../rehearse.test-support.ts";
import { toV1, toV2 } from "./conversion.ts";
import { horizontalPodAutoscalers, horizontalPodAutoscalersV1 } from "./horizontal-pod-autoscaler.ts";

const v2 = horizontalPodAutoscalers();
const v1 = horizontalPodAutoscalersV1();
const A = "autoscaling.alpha.kubernetes.io/";
const BASE = { scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "web" }, maxReplicas: 3 };

/** One metric of each type, and what a controller says of them. */
const full = (): HorizontalPodAutoscaler =>
  decoded(v2, {
    metadata: { name: "x", annotations: { keep: "me", [`${A}metrics`]: "stale" } },
    spec: {
      ...BASE,
      behavior: { scaleUp: { tolerance: "50m" }, scaleDown: { selectPolicy: "Disabled" } },
      metrics: [
        { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 70 } } },
        {
          type: "Pods",
          pods: {
            metric: { name: "rps", selector: { matchLabels: { b: "x<y", a: "z" } } },
            target: { type: "AverageValue", averageValue: "1500m" },
          },
        },
        {
          type: "Object",
          object: {
            describedObject: { apiVersion: "networking.k8s.io/v1", kind: "Ingress", name: "main" },
            metric: { name: "hits" },
            target: { type: "Value", value: "2k" },
          },
        },
        {
          type: "External",
          external: { metric: { name: "q" }, target: { type: "AverageValue", averageValue: 30 } },
        },
        {
          type: "ContainerResource",
          containerResource: {
            name: "memory",
            container: "app",
            target: { type: "AverageValue", averageValue: "64Mi" },
          },
        },
      ],
    },
    status: {
      observedGeneration: 5,
      lastScaleTime: "2026-01-01T00:00:00Z",
      currentReplicas: 3,
      desiredReplicas: 4,
      currentMetrics: [
        { type: "Resource", resource: { name: "cpu", current: { averageUtilization: 12, averageValue: "120m" } } },
        { type: "Pods", pods: { metric: { name: "p" }, current: { averageValue: "1500m" } } },
        {
          type: "Object",
          object: {
            describedObject: { kind: "K", name: "n", apiVersion: "g/v1" },
            metric: { name: "m" },
            current: { value: "0", averageValue: "2" },
          },
        },
        {
          type: "External",
          external: { metric: { name: "e", selector: { matchLabels: { a: "b" } } }, current: { value: "9" } },
        },
        {
          type: "ContainerResource",
          containerResource: { name: "memory", container: "c", current: { averageValue: "64Mi" } },
        },
      ],
      conditions: [
        {
          type: "AbleToScale",
          status: "True",
          lastTransitionTime: "2026-01-01T00:00:00Z",
          reason: "ReadyForNewScale",
          message: "a <b> & c",
        },
        { type: "X", status: "Unknown", lastTransitionTime: null },
      ],
    },
  });

describe("from v2 to v1", () => {
  // The texts are those of a real server.
  const annotations = {
    keep: "me",
    [`${A}behavior`]:
      '{"ScaleUp":{"StabilizationWindowSeconds":0,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":15},{"Type":"Percent","Value":100,"PeriodSeconds":15}],"Tolerance":"50m"},"ScaleDown":{"StabilizationWindowSeconds":null,"SelectPolicy":"Disabled","Policies":[{"Type":"Percent","Value":100,"PeriodSeconds":15}],"Tolerance":null}}',
    [`${A}metrics`]:
      '[{"type":"Pods","pods":{"metricName":"rps","targetAverageValue":"1500m","selector":{"matchLabels":{"a":"z","b":"x\\u003cy"}}}},{"type":"Object","object":{"target":{"kind":"Ingress","name":"main","apiVersion":"networking.k8s.io/v1"},"metricName":"hits","targetValue":"2k"}},{"type":"External","external":{"metricName":"q","targetAverageValue":"30"}},{"type":"ContainerResource","containerResource":{"name":"memory","targetAverageValue":"64Mi","container":"app"}}]',
    [`${A}conditions`]:
      '[{"type":"AbleToScale","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z","reason":"ReadyForNewScale","message":"a \\u003cb\\u003e \\u0026 c"},{"type":"X","status":"Unknown","lastTransitionTime":null}]',
    [`${A}current-metrics`]:
      '[{"type":"Resource","resource":{"name":"cpu","currentAverageUtilization":12,"currentAverageValue":"120m"}},{"type":"Pods","pods":{"metricName":"p","currentAverageValue":"1500m"}},{"type":"Object","object":{"target":{"kind":"K","name":"n","apiVersion":"g/v1"},"metricName":"m","currentValue":"0","averageValue":"2"}},{"type":"External","external":{"metricName":"e","metricSelector":{"matchLabels":{"a":"b"}},"currentValue":"9"}},{"type":"ContainerResource","containerResource":{"name":"memory","currentAverageValue":"64Mi","container":"c"}}]',
  };

  test("one percentage has a field, everything else an annotation", () => {
    const before = full();
    const copy = JSON.stringify(before);
    const converted = toV1(before);
    expect(converted.metadata.annotations).toEqual(annotations);
    expect(converted.spec).toEqual({ ...BASE, minReplicas: 1, targetCPUUtilizationPercentage: 70 });
    expect(converted.status).toEqual({
      observedGeneration: 5,
      lastScaleTime: "2026-01-01T00:00:00Z",
      currentReplicas: 3,
      desiredReplicas: 4,
      currentCPUUtilizationPercentage: 12,
    });
    expect(JSON.stringify(before)).toBe(copy);
  });

  test("and back, with the percentage at the end", () => {
    const before = full();
    const after = toV2(toV1(before));
    const [cpu, ...others] = before.spec.metrics!;
    expect(after.spec).toEqual({ ...before.spec, metrics: [...others, cpu] });
    expect(after.status).toEqual(before.status);
    expect(after.metadata.annotations).toEqual({ keep: "me" });
  });

  test("of several percentages the first is kept, of several current ones the last", () => {
    const cpu = (averageUtilization: number) => ({ name: "cpu", target: { type: "Utilization", averageUtilization } });
    const current = (averageUtilization: number) => ({ name: "cpu", current: { averageUtilization } });
    const object = full();
    object.spec.metrics = [50, 60].map((percent) => ({ type: "Resource", resource: cpu(percent) }));
    object.status!.currentMetrics = [12, 13].map((percent) => ({ type: "Resource", resource: current(percent) }));
    const converted = toV1(object);
    expect(converted.spec.targetCPUUtilizationPercentage).toBe(50);
    expect(converted.metadata.annotations![`${A}metrics`]).toBeUndefined();
    expect(converted.status!.currentCPUUtilizationPercentage).toBe(13);
  });
});

describe("from v1 to v2", () => {
  const metricsOf = (annotation: string, spec: object = {}) =>
    toV2(
      decoded(v1, {
        metadata: { name: "x", annotations: { [`${A}metrics`]: annotation } },
        spec: { ...BASE, ...spec },
      }),
    ).spec.metrics;
  const cpu = (averageUtilization: number) => ({
    type: "Resource",
    resource: { name: "cpu", target: { type: "Utilization", averageUtilization } },
  });

  test("metrics come from the annotation, in any spelling, then from the field", () => {
    const annotation = JSON.stringify([
      { type: "Pods", pods: { metricName: "p", targetAverageValue: "1500m" } },
      {
        type: "Object",
        object: {
          target: { kind: "K", name: "n", apiVersion: "g/v1" },
          metricName: "m",
          averageValue: 3,
          targetValue: "0",
        },
      },
      { type: "Resource", resource: { name: "memory", targetAverageValue: "100Mi" } },
      { Type: "External", EXTERNAL: { MetricName: "e", targetValue: "1000" }, unknown: 1 },
    ]);
    expect(metricsOf(annotation, { targetCPUUtilizationPercentage: 50 })).toEqual([
      { type: "Pods", pods: { metric: { name: "p" }, target: { type: "AverageValue", averageValue: "1500m" } } },
      {
        type: "Object",
        object: {
          describedObject: { kind: "K", name: "n", apiVersion: "g/v1" },
          target: { type: "AverageValue", averageValue: "3" },
          metric: { name: "m" },
        },
      },
      { type: "Resource", resource: { name: "memory", target: { type: "AverageValue", averageValue: "100Mi" } } },
      { type: "External", external: { metric: { name: "e" }, target: { type: "Value", value: "1k" } } },
      cpu(50),
    ]);
  });

  test.each([
    ["no JSON", "nope"],
    ["a number for a text", '[{"type":1}]'],
    ["a fraction", '[{"type":"Resource","resource":{"name":"cpu","targetAverageUtilization":1.5}}]'],
    ["a number too large", '[{"type":"Resource","resource":{"name":"cpu","targetAverageUtilization":2147483648}}]'],
    ["no quantity", '[{"type":"Pods","pods":{"targetAverageValue":"1x"}}]'],
    ["an object for a list", "{}"],
    ["a label that is no text", '[{"type":"Pods","pods":{"selector":{"matchLabels":{"a":1}}}}]'],
    ["nothing", "null"],
    ["half of it", '[{"type":"Pods"'],
  ])("an annotation that holds %s is as none", (_, annotation) => {
    expect(metricsOf(annotation)).toEqual([cpu(80)]);
    expect(metricsOf(annotation, { targetCPUUtilizationPercentage: 5 })).toEqual([cpu(5)]);
  });

  test("keys that name prototypes are keys", () => {
    const hostile =
      '[{"type":"Pods","__proto__":{"polluted":1},"pods":{"selector":{"matchLabels":{"__proto__":"a"}}}}]';
    const [metric] = metricsOf(hostile)!;
    expect(Object.keys(metric!.pods!.metric.selector!.matchLabels!)).toEqual(["__proto__"]);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  test.each([
    ['{"scaleup":{"policies":[{"type":"Pods","value":2,"periodseconds":30}],"TOLERANCE":"0.05"}}', true],
    ["{}", false],
    ['{"ScaleUp":null}', false],
    ['{"ScaleUp":{}}', true],
    ["[]", false],
  ])("behavior %s", (annotation, there) => {
    const value = { metadata: { name: "x", annotations: { [`${A}behavior`]: annotation, keep: "x" } }, spec: BASE };
    const object = toV2(decoded(v1, value));
    expect(object.spec.behavior !== undefined).toBe(there);
    expect(object.metadata.annotations).toEqual({ keep: "x" });
  });
});

describe("an object written as v1", () => {
  test("is stored as v2 with the defaults of v2, and answered as it will be read", async () => {
    const behavior = '{"ScaleUp":{"Policies":[{"Type":"Pods","Value":2,"PeriodSeconds":30}]}}';
    const { object } = rehearseCreate(v1, {
      metadata: { name: "x", annotations: { [`${A}behavior`]: behavior } },
      spec: BASE,
      status: { currentReplicas: 7 },
    });
    const stored = (await v1.storage!.toStored(object)) as HorizontalPodAutoscaler;
    expect(stored.spec.behavior).toEqual({
      scaleUp: {
        stabilizationWindowSeconds: 0,
        selectPolicy: "Max",
        policies: [{ type: "Pods", value: 2, periodSeconds: 30 }],
      },
      scaleDown: { selectPolicy: "Max", policies: [{ type: "Percent", value: 100, periodSeconds: 15 }] },
    });
    expect(stored.status).toEqual({ desiredReplicas: 0, currentMetrics: null });
    expect(await v1.storage!.fromStored([stored])).toEqual([object]);
    expect(object.spec.targetCPUUtilizationPercentage).toBe(80);
  });

  test("keeps the status, whatever the annotations say", () => {
    const stored = toV1(full());
    const { object } = rehearseUpdate(v1, stored, (changed) => {
      changed.metadata.annotations = {};
      changed.status = { currentReplicas: 9, desiredReplicas: 9 };
      changed.spec.maxReplicas = 5;
    });
    expect(object.spec.maxReplicas).toBe(5);
    expect(object.status).toEqual(stored.status);
    expect(toV2(object).status).toEqual(full().status);
  });

  test("keeps the spec when its status is written", () => {
    const stored = toV1(full());
    const { object } = rehearseUpdate(
      v1,
      stored,
      (changed) => {
        changed.spec.maxReplicas = 99;
        changed.status!.currentReplicas = 8;
      },
      subStrategy(v1, "status"),
    );
    expect([object.spec.maxReplicas, object.status!.currentReplicas]).toEqual([3, 8]);
    expect(toV2(object).spec).toEqual(toV2(stored).spec);
  });
});

describe("columns", () => {
  test("name the target, and two metrics of those there are", () => {
    const object = full();
    const row = printedRow(v2, object);
    expect(row).toMatchObject({ Reference: "Deployment/web", MinPods: "1", MaxPods: 3, Replicas: 3 });
    expect(row["Targets"]).toBe("cpu: 12%/70%, 1500m/1500m + 3 more...");
    // v1 puts the percentage last: specs and statuses no longer go together.
    expect(printedRow(v1, toV1(object))["Targets"]).toBe("<unknown>/1500m, <unknown>/2k + 3 more...");
  });

  const metric = (type: string, member: string, target: object, current?: object) => ({
    spec: { type, [member]: { name: "memory", target } },
    status: current && { type, [member]: { name: "memory", current } },
  });
  test.each([
    [metric("Resource", "resource", { averageUtilization: 50 }), "memory: <unknown>/50%"],
    [metric("Resource", "resource", { averageUtilization: 50 }, { averageUtilization: 0 }), "memory: 0%/50%"],
    [metric("Resource", "resource", {}), "memory: <unknown>/<auto>"],
    [metric("Resource", "resource", { averageValue: "1Gi" }, { averageValue: "512Mi" }), "memory: 512Mi/1Gi"],
    [metric("Resource", "resource", { averageValue: "1Gi" }, {}), "memory: <nil>/1Gi"],
    [metric("ContainerResource", "containerResource", { averageValue: "1Gi" }), "memory: <unknown>/1Gi"],
    [metric("Pods", "pods", { averageValue: "1" }), "<unknown>/1"],
    [metric("Pods", "pods", { averageValue: "1" }, {}), "<nil>/1"],
    [metric("Object", "object", { value: "5" }, { value: "3" }), "3/5"],
    [metric("Object", "object", { averageValue: "5" }, { averageValue: "3" }), "3/5 (avg)"],
    [metric("External", "external", { value: "5" }, {}), "<nil>/5"],
    [metric("External", "external", { averageValue: "5" }, {}), "<unknown>/5 (avg)"],
    [metric("Foo", "foo", {}), "<unknown type>"],
  ])("%j", ({ spec, status }, cell) => {
    const object = full();
    object.spec.metrics = [spec as never];
    object.status!.currentMetrics = status === undefined ? null : [status as never];
    expect(printedRow(v2, object)["Targets"]).toBe(cell);
  });

  test("an unset minimum says so, and no metrics are none", () => {
    const object = full();
    delete object.spec.minReplicas;
    object.spec.metrics = [];
    delete object.status;
    expect(printedRow(v2, object)).toMatchObject({ MinPods: "<unset>", Targets: "<none>", Replicas: 0 });
  });
});
