import { describe, expect, test } from "vitest";
import { decoded, rehearseCreate, rehearseUpdate, subStrategy } from "../rehearse.test-support.ts";
import { horizontalPodAutoscalers, horizontalPodAutoscalersV1 } from "./horizontal-pod-autoscaler.ts";

const definition = horizontalPodAutoscalers();
const BASE = { scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "web" }, maxReplicas: 3 };
const autoscaler = (spec: object) => ({ metadata: { name: "x" }, spec });

describe("a new autoscaler", () => {
  // The texts are those of a real server.
  test.each<[string, object, string[]]>([
    [
      "nothing at all",
      {},
      [
        "spec.maxReplicas: Required value: must be set and greater than 0",
        "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
        "spec.scaleTargetRef.kind: Required value",
        "spec.scaleTargetRef.name: Required value",
        'spec.scaleTargetRef.apiVersion: Invalid value: "": apiVersion must specify API group',
      ],
    ],
    [
      "fewer at most than at least",
      { ...BASE, minReplicas: 5 },
      ["spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`"],
    ],
    [
      "none at least",
      { ...BASE, minReplicas: 0 },
      [
        "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
        "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas",
      ],
    ],
    [
      "a negative maximum",
      { ...BASE, maxReplicas: -1 },
      [
        "spec.maxReplicas: Invalid value: -1: must be greater than or equal to 1",
        "spec.maxReplicas: Invalid value: -1: must be greater than or equal to `minReplicas`",
      ],
    ],
    [
      "none at least, with a metric that could wake it",
      {
        ...BASE,
        minReplicas: 0,
        metrics: [{ type: "External", external: { metric: { name: "q" }, target: { type: "Value", value: "1" } } }],
      },
      ["spec.minReplicas: Invalid value: 0: must be greater than or equal to 1"],
    ],
    [
      "a target that is no name",
      { scaleTargetRef: { apiVersion: "a/b/c", kind: "De/p", name: ".." }, maxReplicas: 3 },
      [
        "spec.scaleTargetRef.kind: Invalid value: \"De/p\": may not contain '/'",
        "spec.scaleTargetRef.name: Invalid value: \"..\": may not be '..'",
        'spec.scaleTargetRef.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
      ],
    ],
    [
      "a target of the core group",
      { scaleTargetRef: { apiVersion: "v1", kind: "Pod", name: "x" }, maxReplicas: 3 },
      ['spec.scaleTargetRef.apiVersion: Invalid value: "v1": apiVersion must specify API group'],
    ],
    [
      "types and their members",
      {
        ...BASE,
        metrics: [
          {},
          { type: "Foo" },
          { type: "Resource" },
          { type: "Pods", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 5 } } },
          { type: "Pods", pods: {}, external: {} },
        ],
      },
      [
        "spec.metrics[0].type: Required value: must specify a metric source type",
        'spec.metrics[0].type: Unsupported value: "": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"',
        'spec.metrics[0].type: Unsupported value: "": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"',
        'spec.metrics[1].type: Unsupported value: "Foo": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"',
        'spec.metrics[1].type: Unsupported value: "Foo": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"',
        "spec.metrics[2].resource: Required value: must populate information for the given metric source",
        "spec.metrics[3].pods: Required value: must populate information for the given metric source",
        "spec.metrics[4].external.metric.name: Required value: must specify a metric name",
        "spec.metrics[4].external.target.type: Required value: must specify a metric target type",
        'spec.metrics[4].external.target.type: Invalid value: "": must be either Utilization, Value, or AverageValue',
        "spec.metrics[4].external.target.averageValue: Required value: must set either a target value for metric or a per-pod target",
        "spec.metrics[4].external: Forbidden: must populate the given metric source only",
      ],
    ],
    [
      "Resource metrics",
      {
        ...BASE,
        metrics: [
          { type: "Resource", resource: {} },
          {
            type: "Resource",
            resource: { name: "cpu", target: { type: "Foo", averageUtilization: 0, averageValue: "-1" } },
          },
          { type: "Resource", resource: { name: "cpu", target: { type: "Value", value: "1" } } },
        ],
      },
      [
        "spec.metrics[0].resource.name: Required value: must specify a resource name",
        "spec.metrics[0].resource.target.type: Required value: must specify a metric target type",
        'spec.metrics[0].resource.target.type: Invalid value: "": must be either Utilization, Value, or AverageValue',
        "spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization",
        'spec.metrics[1].resource.target.type: Invalid value: "Foo": must be either Utilization, Value, or AverageValue',
        'spec.metrics[1].resource.target.averageValue: Invalid value: "-1": must be positive',
        "spec.metrics[1].resource.target.averageUtilization: Invalid value: 0: must be greater than 0",
        "spec.metrics[1].resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization",
        "spec.metrics[2].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization",
      ],
    ],
    [
      "ContainerResource metrics",
      {
        ...BASE,
        metrics: [
          { type: "ContainerResource", containerResource: {} },
          {
            type: "ContainerResource",
            containerResource: {
              name: "foo",
              container: "A_b",
              target: { type: "Utilization", averageUtilization: 1 },
            },
          },
          {
            type: "ContainerResource",
            containerResource: { name: "pods", container: "a", target: { type: "Utilization", averageUtilization: 1 } },
          },
          {
            type: "ContainerResource",
            containerResource: {
              name: "requests.a/b",
              container: "a",
              target: { type: "Utilization", averageUtilization: 1 },
            },
          },
          {
            type: "ContainerResource",
            containerResource: {
              name: "n v/gpu",
              container: "a",
              target: { type: "Utilization", averageUtilization: 1 },
            },
          },
          {
            type: "ContainerResource",
            containerResource: {
              name: "hugepages-2Mi",
              container: "a",
              target: { type: "Utilization", averageUtilization: 1 },
            },
          },
          {
            type: "ContainerResource",
            containerResource: { name: "b ad", container: "a", target: { type: "Utilization", averageUtilization: 1 } },
          },
        ],
      },
      [
        "spec.metrics[0].containerResource.name: Required value: must specify a resource name",
        "spec.metrics[0].containerResource.container: Required value: must specify a container",
        "spec.metrics[0].containerResource.target.type: Required value: must specify a metric target type",
        'spec.metrics[0].containerResource.target.type: Invalid value: "": must be either Utilization, Value, or AverageValue',
        "spec.metrics[0].containerResource.target.averageUtilization: Required value: must set either a target raw value or a target utilization",
        'spec.metrics[1].containerResource.name: Invalid value: "foo": must be a standard resource type or fully qualified',
        'spec.metrics[1].containerResource.name: Invalid value: "foo": must be a standard resource for containers',
        "spec.metrics[1].containerResource.container: Invalid value: \"A_b\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
        'spec.metrics[2].containerResource.name: Invalid value: "pods": must be a standard resource for containers',
        'spec.metrics[3].containerResource.name: Invalid value: "requests.a/b": doesn\'t follow extended resource name standard',
        "spec.metrics[4].containerResource.name: Invalid value: \"n v/gpu\": prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        'spec.metrics[4].containerResource.name: Invalid value: "n v/gpu": doesn\'t follow extended resource name standard',
        "spec.metrics[6].containerResource.name: Invalid value: \"b ad\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        'spec.metrics[6].containerResource.name: Invalid value: "b ad": must be a standard resource for containers',
      ],
    ],
    [
      "Pods metrics",
      {
        ...BASE,
        metrics: [
          { type: "Pods", pods: { metric: { name: "a/b" }, target: { type: "AverageValue", averageValue: "0" } } },
          { type: "Pods", pods: { metric: { name: "ok" }, target: { type: "AverageValue" } } },
        ],
      },
      [
        "spec.metrics[0].pods.metric.name: Invalid value: \"a/b\": may not contain '/'",
        'spec.metrics[0].pods.target.averageValue: Invalid value: "0": must be positive',
        "spec.metrics[1].pods.target.averageValue: Required value: must specify a positive target averageValue",
      ],
    ],
    [
      "Object metrics",
      {
        ...BASE,
        metrics: [
          { type: "Object", object: {} },
          {
            type: "Object",
            object: {
              describedObject: { apiVersion: "x/y/z", kind: "Service", name: "s" },
              metric: { name: "m" },
              target: { type: "Value", value: "1.5", averageValue: "2" },
            },
          },
          {
            type: "Object",
            object: {
              describedObject: { kind: "Service", name: "s" },
              metric: { name: "m" },
              target: { type: "Value", value: "1" },
            },
          },
        ],
      },
      [
        "spec.metrics[0].object.describedObject.kind: Required value",
        "spec.metrics[0].object.describedObject.name: Required value",
        "spec.metrics[0].object.metric.name: Required value: must specify a metric name",
        "spec.metrics[0].object.target.type: Required value: must specify a metric target type",
        'spec.metrics[0].object.target.type: Invalid value: "": must be either Utilization, Value, or AverageValue',
        "spec.metrics[0].object.target.averageValue: Required value: must set either a target value or averageValue",
        'spec.metrics[1].object.describedObject.apiVersion: Invalid value: "x/y/z": unexpected GroupVersion string: x/y/z',
      ],
    ],
    [
      "External metrics",
      {
        ...BASE,
        metrics: [
          {
            type: "External",
            external: { metric: { name: "%" }, target: { type: "Value", value: "1", averageValue: "1" } },
          },
        ],
      },
      [
        "spec.metrics[0].external.metric.name: Invalid value: \"%\": may not contain '%'",
        "spec.metrics[0].external.target.value: Forbidden: may not set both a target value for metric and a per-pod target",
      ],
    ],
    [
      "behavior",
      {
        ...BASE,
        behavior: {
          scaleUp: { stabilizationWindowSeconds: -1, selectPolicy: "Foo", tolerance: "-0.1" },
          scaleDown: {
            stabilizationWindowSeconds: 3601,
            policies: [
              { type: "X", value: 0, periodSeconds: 0 },
              { type: "Pods", value: -1, periodSeconds: 1801 },
            ],
          },
        },
      },
      [
        "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: -1: must be greater than or equal to zero",
        'spec.behavior.scaleUp.selectPolicy: Unsupported value: "Foo": supported values: "Disabled", "Max", "Min"',
        'spec.behavior.scaleUp.tolerance: Invalid value: "-100m": must be greater than or equal to 0',
        "spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600",
        'spec.behavior.scaleDown.policies[0].type: Unsupported value: "X": supported values: "Percent", "Pods"',
        "spec.behavior.scaleDown.policies[0].value: Invalid value: 0: must be greater than zero",
        "spec.behavior.scaleDown.policies[0].periodSeconds: Invalid value: 0: must be greater than zero",
        "spec.behavior.scaleDown.policies[1].value: Invalid value: -1: must be greater than zero",
        "spec.behavior.scaleDown.policies[1].periodSeconds: Invalid value: 1801: must be less than or equal to 1800",
      ],
    ],
  ])("with %s", (_, spec, errors) => {
    expect(rehearseCreate(definition, autoscaler(spec)).errors).toEqual(errors);
  });

  const utilization = (averageUtilization: number) => ({
    name: "cpu",
    target: { type: "Utilization", averageUtilization },
  });
  test.each<[string, object]>([
    [
      "a ReplicationController without a group",
      { ...BASE, scaleTargetRef: { kind: "ReplicationController", name: "x" } },
    ],
    [
      "the largest numbers there are",
      {
        ...BASE,
        minReplicas: 2147483647,
        maxReplicas: 2147483647,
        metrics: [{ type: "Resource", resource: utilization(2147483647) }],
      },
    ],
    ["no metrics and an empty behavior", { ...BASE, metrics: null, behavior: {} }],
    [
      "a metric selector nobody has looked at",
      {
        ...BASE,
        metrics: [
          {
            type: "Pods",
            pods: {
              metric: { name: "a", selector: { matchLabels: { "!": "x" } } },
              target: { type: "AverageValue", averageValue: "1" },
            },
          },
        ],
      },
    ],
    [
      "an Object metric of the core group",
      {
        ...BASE,
        metrics: [
          {
            type: "Object",
            object: {
              describedObject: { kind: "Service", name: "s" },
              metric: { name: "m" },
              target: { type: "Value", value: "1" },
            },
          },
        ],
      },
    ],
  ])("with %s is accepted", (_, spec) => {
    expect(rehearseCreate(definition, autoscaler(spec)).errors).toEqual([]);
  });
});

describe("a change", () => {
  const change = (before: object, after: object) =>
    rehearseUpdate(definition, decoded(definition, autoscaler({ ...BASE, ...before })), (object) =>
      Object.assign(object.spec, after),
    ).errors;
  const external = [{ type: "External", external: { metric: { name: "q" }, target: { type: "Value", value: "1" } } }];

  test("leaves alone what was wrong with the target before, as long as it stays", () => {
    const wrong = { kind: "A", apiVersion: "x/y/z", name: "a" };
    expect(change({ scaleTargetRef: wrong }, { scaleTargetRef: { ...wrong, name: "b" } })).toEqual([]);
    expect(change({ scaleTargetRef: wrong }, { scaleTargetRef: { ...wrong, kind: "B" } })).toEqual([
      'spec.scaleTargetRef.apiVersion: Invalid value: "x/y/z": unexpected GroupVersion string: x/y/z',
    ]);
  });

  test("leaves alone Object metrics when one was wrong before", () => {
    const metrics = [
      {
        type: "Object",
        object: {
          describedObject: { kind: "K", name: "n", apiVersion: "x/y/z" },
          metric: { name: "m" },
          target: { type: "Value", value: "1" },
        },
      },
    ];
    expect(change({ metrics }, { maxReplicas: 4 })).toEqual([]);
    expect(change({}, { metrics })).toHaveLength(1);
  });

  test("keeps a minimum of zero that is there, and makes none", () => {
    expect(change({ minReplicas: 0, metrics: external }, { maxReplicas: 4 })).toEqual([]);
    expect(change({ minReplicas: 1, metrics: external }, { minReplicas: 0 })).toEqual([
      "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
    ]);
    expect(change({ minReplicas: 0, metrics: external }, { minReplicas: -1 })).toEqual([
      "spec.minReplicas: Invalid value: -1: must be greater than or equal to 0",
    ]);
  });

  test("of the status counts from zero", () => {
    const { errors, object } = rehearseUpdate(
      definition,
      decoded(definition, autoscaler(BASE)),
      (changed) => {
        changed.spec.maxReplicas = 99;
        changed.status = { currentReplicas: -1, desiredReplicas: -2, currentMetrics: null };
      },
      subStrategy(definition, "status"),
    );
    expect(object.spec.maxReplicas).toBe(3);
    expect(errors).toEqual([
      "status.currentReplicas: Invalid value: -1: must be greater than or equal to 0",
      "status.desiredReplicas: Invalid value: -2: must be greater than or equal to 0",
    ]);
  });
});

describe("an autoscaler of v1", () => {
  const PREFIX = "autoscaling.alpha.kubernetes.io/";
  // Errors name the fields of v2, as upstream's name those of its internal type.
  test.each<[string, object, object, string[]]>([
    [
      "a percentage of none",
      {},
      { ...BASE, targetCPUUtilizationPercentage: 0, minReplicas: 0 },
      [
        "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
        "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0",
        "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas",
      ],
    ],
    [
      "a metric in an annotation that is none",
      { [`${PREFIX}metrics`]: '[{"type":"Pods"}]' },
      BASE,
      ["spec.metrics[0].pods: Required value: must populate information for the given metric source"],
    ],
    [
      "a behavior in an annotation that is none",
      { [`${PREFIX}behavior`]: '{"ScaleUp":{"SelectPolicy":"Foo"}}' },
      BASE,
      [
        'spec.behavior.scaleUp.selectPolicy: Unsupported value: "Foo": supported values: "Disabled", "Max", "Min"',
        "spec.behavior.scaleUp.policies: Required value: must specify at least one Policy",
      ],
    ],
    ["an annotation nobody can read", { [`${PREFIX}metrics`]: "nope" }, BASE, []],
  ])("with %s", (_, annotations, spec, errors) => {
    const value = { metadata: { name: "x", annotations }, spec };
    expect(rehearseCreate(horizontalPodAutoscalersV1(), value).errors).toEqual(errors);
  });
});
