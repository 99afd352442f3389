import { describe, expect, test } from "vitest";
import type { Deployment } from "../generated/types.ts";
import { decoded, printedRow, rehearseCreate, rehearseUpdate, subStrategy } from "../rehearse.test-support.ts";
import { deployments } from "./deployment.ts";
import { replicaSets } from "./replica-set.ts";

const definition = deployments();
const sets = replicaSets();
const template = { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "c", image: "nginx:1" }] } };
const workload = (spec: object = {}) => ({
  metadata: { name: "d" },
  spec: { selector: { matchLabels: { a: "b" } }, template, ...spec },
});

describe("defaults", () => {
  test("of a Deployment", () => {
    const { spec } = decoded(definition, workload());
    expect(spec).toEqual({
      replicas: 1,
      selector: { matchLabels: { a: "b" } },
      template: {
        metadata: { labels: { a: "b" } },
        spec: {
          containers: [
            {
              name: "c",
              image: "nginx:1",
              resources: {},
              terminationMessagePath: "/dev/termination-log",
              terminationMessagePolicy: "File",
              imagePullPolicy: "IfNotPresent",
            },
          ],
          restartPolicy: "Always",
          terminationGracePeriodSeconds: 30,
          dnsPolicy: "ClusterFirst",
          securityContext: {},
          schedulerName: "default-scheduler",
        },
      },
      strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "25%", maxSurge: "25%" } },
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
    });
  });

  test("no replicas is a number", () => {
    expect(decoded(definition, workload({ replicas: 0 })).spec.replicas).toBe(0);
    expect(decoded(sets, workload({ replicas: 0 })).spec.replicas).toBe(0);
    expect(decoded(sets, workload()).spec.replicas).toBe(1);
  });
});

describe("validation", () => {
  test.each<[string, object, string[]]>([
    ["a good one", {}, []],
    [
      "several at once",
      {
        replicas: -1,
        strategy: { type: "Foo" },
        template: { metadata: { labels: { a: "c" } }, spec: { containers: [] } },
      },
      [
        "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
        'spec.template.metadata.labels: Invalid value: {"a":"c"}: `selector` does not match template `labels`',
        "spec.template.spec.containers: Required value",
        'spec.strategy: Unsupported value: {"Type":"Foo","RollingUpdate":null}: supported values: "Recreate", "RollingUpdate"',
      ],
    ],
    [
      "an empty selector",
      { selector: {} },
      ["spec.selector: Invalid value: {}: empty selector is invalid for deployment"],
    ],
    [
      "pods that end",
      { template: { ...template, spec: { ...template.spec, restartPolicy: "Never", activeDeadlineSeconds: 5 } } },
      [
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
        "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported",
      ],
    ],
    [
      "a rollout that cannot move",
      { strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: "0%" } } },
      ["spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"],
    ],
    [
      "more than all",
      { strategy: { rollingUpdate: { maxUnavailable: "101%" } } },
      ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%'],
    ],
    [
      "two strategies",
      { strategy: { type: "Recreate", rollingUpdate: { maxSurge: 1 } } },
      ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
    ],
    [
      "a deadline before pods can be available",
      { minReadySeconds: 600 },
      ["spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"],
    ],
  ])("%s", (_, spec, errors) => expect(rehearseCreate(definition, workload(spec)).errors).toEqual(errors));

  test("no selector at all", () => {
    const errors = rehearseCreate(sets, workload({ selector: null })).errors;
    expect(errors[0]).toBe("spec.selector: Required value");
  });

  test("a name that is no DNS label gets a warning", () => {
    const warnings = definition.strategy.warningsOnCreate!(
      decoded(definition, { ...workload(), metadata: { name: "a.b" } }),
    );
    expect(warnings).toEqual([
      "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]",
    ]);
  });
});

describe("generation", () => {
  const stored = rehearseCreate(definition, { ...workload(), status: { replicas: 3 } }).object;

  test("begins with 1, and the status is wiped", () => {
    expect(stored.metadata.generation).toBe(1);
    expect(stored.status).toEqual({});
  });

  test.each<[string, (changed: Deployment) => void, number]>([
    ["nothing", () => undefined, 1],
    [
      "labels",
      (changed) => {
        changed.metadata.labels = { x: "y" };
      },
      1,
    ],
    [
      "annotations",
      (changed) => {
        changed.metadata.annotations = { x: "y" };
      },
      2,
    ],
    [
      "replicas",
      (changed) => {
        changed.spec.replicas = 5;
      },
      2,
    ],
    [
      "status",
      (changed) => {
        changed.status = { replicas: 7 };
      },
      1,
    ],
    [
      "a forged generation",
      (changed) => {
        changed.metadata.generation = 9;
      },
      1,
    ],
  ])("after a change of %s", (_, edit, generation) => {
    const { object, errors } = rehearseUpdate(definition, stored, edit);
    expect(errors).toEqual([]);
    expect(object.metadata.generation).toBe(generation);
    expect(object.status).toEqual({});
  });

  test("the selector stays", () => {
    for (const kind of [definition, sets]) {
      const before = rehearseCreate<Deployment>(kind as typeof definition, workload()).object;
      const { errors } = rehearseUpdate<Deployment>(kind as typeof definition, before, (changed) => {
        changed.spec.selector = { matchLabels: { a: "b", c: "d" } };
        changed.spec.template.metadata!.labels = { a: "b", c: "d" };
      });
      expect(errors).toEqual(['spec.selector: Invalid value: {"matchLabels":{"a":"b","c":"d"}}: field is immutable']);
    }
  });
});

describe("status", () => {
  const stored = rehearseCreate(definition, workload()).object;
  test("keeps spec and labels, and counts must add up", () => {
    const { object, errors } = rehearseUpdate(
      definition,
      stored,
      (changed) => {
        changed.spec.replicas = 9;
        changed.metadata.labels = { x: "y" };
        changed.status = { replicas: 1, readyReplicas: 2, availableReplicas: 3 };
      },
      subStrategy(definition, "status"),
    );
    expect(object.spec.replicas).toBe(1);
    expect(object.metadata.labels).toBeUndefined();
    expect(errors).toEqual([
      "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas",
      "status.availableReplicas: Invalid value: 3: cannot be greater than status.replicas",
      "status.availableReplicas: Invalid value: 3: cannot be greater than readyReplicas",
    ]);
  });
});

describe("scale", () => {
  const stored = rehearseCreate(definition, workload({ replicas: 2 })).object;
  const { projection } = definition.subresources!.find((sub) => sub.name === "scale")!;

  test("is read from the parent", () => {
    expect(projection!.read({ ...stored, status: { replicas: 1 } })).toEqual({
      apiVersion: "autoscaling/v1",
      kind: "Scale",
      metadata: { name: "d", namespace: "ns" },
      spec: { replicas: 2 },
      status: { replicas: 1, selector: "a=b" },
    });
  });

  test("is written into it; no number is none", () => {
    const parent = decoded(definition, workload({ replicas: 2 }));
    expect(projection!.write(parent, { metadata: {}, spec: { replicas: 4 } })).toEqual([]);
    expect(parent.spec.replicas).toBe(4);
    expect(projection!.write(parent, { metadata: {}, spec: {} })).toEqual([]);
    expect(parent.spec.replicas).toBe(0);
    expect(projection!.write(parent, { metadata: {}, spec: { replicas: -1 } })).toEqual([
      {
        reason: "FieldValueInvalid",
        field: "spec.replicas",
        message: "Invalid value: -1: must be greater than or equal to 0",
      },
    ]);
    expect(parent.spec.replicas).toBe(0);
  });
});

describe("columns", () => {
  test("of a Deployment", () => {
    const object = decoded(definition, {
      ...workload({ replicas: 3 }),
      status: { readyReplicas: 1, updatedReplicas: 2, availableReplicas: 1 },
    });
    expect(printedRow(definition, object)).toEqual({
      Name: "d",
      Ready: "1/3",
      "Up-to-date": 2,
      Available: 1,
      Age: "<unknown>",
      Containers: "c",
      Images: "nginx:1",
      Selector: "a=b",
    });
  });

  test("of a ReplicaSet", () => {
    const object = decoded(sets, { ...workload(), status: { replicas: 4, readyReplicas: 2 } });
    expect(printedRow(sets, object)).toMatchObject({ Desired: 1, Current: 4, Ready: 2, Selector: "a=b" });
    expect(sets.fields!["status.replicas"]!(object)).toBe("4");
  });
});
