import { describe, expect, it } from "vitest";
import { eventually, story } from "../story.ts";

const { target, namespace } = story();
const path = (version: string, name = "") =>
  `/apis/autoscaling/${version}/namespaces/${namespace}/horizontalpodautoscalers${name && `/${name}`}`;
const BASE = { scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "web" }, maxReplicas: 3 };
const A = "autoscaling.alpha.kubernetes.io/";
const MERGE = "application/merge-patch+json";
const create = (version: string, name: string, spec: object, metadata: object = {}) =>
  target.call("POST", path(version), { body: { metadata: { name, ...metadata }, spec: { ...BASE, ...spec } } });
const cpu = (averageUtilization: number) => ({
  type: "Resource",
  resource: { name: "cpu", target: { type: "Utilization", averageUtilization } },
});
const pods = (averageValue: string) => ({
  type: "Pods",
  pods: { metric: { name: "rps" }, target: { type: "AverageValue", averageValue } },
});

describe("two versions of one autoscaler", () => {
  it("v2 is preferred", async () => {
    const group = (await target.call("GET", "/apis/autoscaling")).json;
    expect(group.preferredVersion.version).toBe("v2");
    expect(group.versions.map(({ version }: { version: string }) => version)).toEqual(["v2", "v1"]);
  });

  it("has the defaults of v2", async () => {
    const made = await create("v2", "defaults", { behavior: { scaleDown: { tolerance: 0 } } });
    expect(made.status).toBe(201);
    expect(made.json.metadata.generation).toBeUndefined();
    expect(made.json.spec).toEqual({
      ...BASE,
      minReplicas: 1,
      metrics: [cpu(80)],
      behavior: {
        scaleUp: {
          stabilizationWindowSeconds: 0,
          selectPolicy: "Max",
          policies: [
            { type: "Pods", value: 4, periodSeconds: 15 },
            { type: "Percent", value: 100, periodSeconds: 15 },
          ],
        },
        scaleDown: {
          selectPolicy: "Max",
          policies: [{ type: "Percent", value: 100, periodSeconds: 15 }],
          tolerance: "0",
        },
      },
    });
    expect(made.json.status).toEqual({ desiredReplicas: 0, currentMetrics: null });
  });

  it("what v1 cannot say travels in annotations", async () => {
    await create("v2", "both", { metrics: [cpu(70), pods("1500m")], behavior: {} });
    const old = (await target.call("GET", path("v1", "both"))).json;
    expect(old).toMatchObject({ apiVersion: "autoscaling/v1", spec: { targetCPUUtilizationPercentage: 70 } });
    expect(old.status).toEqual({ currentReplicas: 0, desiredReplicas: 0 });
    expect(old.metadata.annotations).toEqual({
      [`${A}metrics`]: '[{"type":"Pods","pods":{"metricName":"rps","targetAverageValue":"1500m"}}]',
      [`${A}behavior`]:
        '{"ScaleUp":{"StabilizationWindowSeconds":0,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":15},{"Type":"Percent","Value":100,"PeriodSeconds":15}],"Tolerance":null},"ScaleDown":{"StabilizationWindowSeconds":null,"SelectPolicy":"Max","Policies":[{"Type":"Percent","Value":100,"PeriodSeconds":15}],"Tolerance":null}}',
    });
    // Written back through v1, the percentage comes last.
    const put = await target.call("PUT", path("v1", "both"), {
      body: { ...old, spec: { ...old.spec, maxReplicas: 9 } },
    });
    expect(put.status).toBe(200);
    const now = (await target.call("GET", path("v2", "both"))).json;
    expect(now.metadata.annotations).toBeUndefined();
    expect(now.spec).toMatchObject({ maxReplicas: 9, metrics: [pods("1500m"), cpu(70)] });
  });

  it("v1 alone means 80 percent, and its annotations are read in any case", async () => {
    const annotations = {
      [`${A}metrics`]: '[{"Type":"Pods","PODS":{"metricname":"rps","targetAverageValue":"2000m"}}]',
      [`${A}behavior`]: '{"scaleup":{"policies":[{"type":"Pods","value":2,"periodseconds":30}]}}',
      keep: "me",
    };
    const made = await create("v1", "old", {}, { annotations });
    expect(made.json.spec).toEqual({ ...BASE, minReplicas: 1 });
    const { spec, metadata } = (await target.call("GET", path("v2", "old"))).json;
    expect(metadata.annotations).toEqual({ keep: "me" });
    expect(spec.metrics).toEqual([pods("2")]);
    expect(spec.behavior.scaleUp.policies).toEqual([{ type: "Pods", value: 2, periodSeconds: 30 }]);
    const plain = await create("v1", "plain", {}, { annotations: { [`${A}metrics`]: "nonsense" } });
    expect(plain.json.spec.targetCPUUtilizationPercentage).toBe(80);
    expect(plain.json.metadata.annotations).toBeUndefined();
  });

  it("is patched in both", async () => {
    const patch = (version: string, spec: object) =>
      target.call("PATCH", path(version, "plain"), { contentType: MERGE, body: { spec } });
    expect((await patch("v1", { targetCPUUtilizationPercentage: 33 })).json.spec.targetCPUUtilizationPercentage).toBe(
      33,
    );
    expect((await patch("v2", { minReplicas: null })).json.spec).toEqual({
      ...BASE,
      minReplicas: 1,
      metrics: [cpu(33)],
    });
  });

  it("is watched and listed in both", async () => {
    const stop = new AbortController();
    const seen = async (version: string) => {
      for await (const event of target.stream(`${path(version)}?watch=1&fieldSelector=metadata.name%3Dwatched`, {
        signal: stop.signal,
      })) {
        if (event.type === "BOOKMARK") continue;
        return event.object;
      }
    };
    const both = Promise.all([seen("v1"), seen("v2")]);
    await create("v2", "watched", { metrics: [cpu(21)] });
    const [one, two] = await both;
    stop.abort();
    expect([one.apiVersion, one.spec.targetCPUUtilizationPercentage]).toEqual(["autoscaling/v1", 21]);
    expect([two.apiVersion, two.spec.metrics]).toEqual(["autoscaling/v2", [cpu(21)]]);
    for (const version of ["v1", "v2"]) {
      const list = (await target.call("GET", path(version))).json;
      expect(list.apiVersion).toBe(`autoscaling/${version}`);
      expect(list.items).toHaveLength(5);
    }
  });
});

describe("what is wrong is told in the words of v2", () => {
  const causes = (answer: { json: { details: { causes: { field: string; message: string }[] } } }) =>
    answer.json.details.causes.map(({ field, message }) => `${field}: ${message}`);

  it.each<[string, string, object, string[]]>([
    [
      "v2",
      "no target",
      { scaleTargetRef: { apiVersion: "v1", kind: "De/p" }, maxReplicas: 0 },
      [
        "spec.maxReplicas: Required value: must be set and greater than 0",
        "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
        "spec.scaleTargetRef.kind: Invalid value: \"De/p\": may not contain '/'",
        "spec.scaleTargetRef.name: Required value",
        'spec.scaleTargetRef.apiVersion: Invalid value: "v1": apiVersion must specify API group',
      ],
    ],
    [
      "v2",
      "metrics of the wrong type",
      { metrics: [{ type: "Foo" }, { type: "Pods", pods: {}, external: {} }] },
      [
        'spec.metrics[0].type: Unsupported value: "Foo": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"',
        'spec.metrics[0].type: Unsupported value: "Foo": supported values: "ContainerResource", "External", "Object", "Pods", "Resource"',
        "spec.metrics[1].external.metric.name: Required value: must specify a metric name",
        "spec.metrics[1].external.target.type: Required value: must specify a metric target type",
        'spec.metrics[1].external.target.type: Invalid value: "": must be either Utilization, Value, or AverageValue',
        "spec.metrics[1].external.target.averageValue: Required value: must set either a target value for metric or a per-pod target",
        "spec.metrics[1].external: Forbidden: must populate the given metric source only",
      ],
    ],
    [
      "v2",
      "behavior out of bounds",
      {
        behavior: {
          scaleUp: { stabilizationWindowSeconds: -1, selectPolicy: "Foo", tolerance: "-0.1" },
          scaleDown: { policies: [{ type: "X", value: 0, periodSeconds: 1801 }] },
        },
      },
      [
        "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: -1: must be greater than or equal to zero",
        'spec.behavior.scaleUp.selectPolicy: Unsupported value: "Foo": supported values: "Disabled", "Max", "Min"',
        'spec.behavior.scaleUp.tolerance: Invalid value: "-100m": must be greater than or equal to 0',
        'spec.behavior.scaleDown.policies[0].type: Unsupported value: "X": supported values: "Percent", "Pods"',
        "spec.behavior.scaleDown.policies[0].value: Invalid value: 0: must be greater than zero",
        "spec.behavior.scaleDown.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800",
      ],
    ],
    [
      "v1",
      "no percentage",
      { minReplicas: 0, targetCPUUtilizationPercentage: 0 },
      [
        "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
        "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0",
        "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas",
      ],
    ],
  ])("%s: %s", async (version, _, spec, expected) => {
    const answer = await create(version, "wrong", spec);
    expect(answer.status).toBe(422);
    expect(answer.json.message).toMatch(/^HorizontalPodAutoscaler\.autoscaling "wrong" is invalid: /);
    expect(causes(answer)).toEqual(expected);
  });

  it("numbers that do not fit are refused as such", async () => {
    const answer = await create("v2", "wrong", { maxReplicas: 3_000_000_000 });
    expect([answer.status, answer.json.message]).toEqual([
      400,
      'HorizontalPodAutoscaler in version "v2" cannot be handled as a HorizontalPodAutoscaler: json: cannot unmarshal number 3000000000 into Go struct field HorizontalPodAutoscalerSpec.spec.maxReplicas of type int32',
    ]);
  });
});

describe("kubectl", () => {
  const kubectl = (...args: string[]) => target.kubectl(["-n", namespace, ...args]);

  it("autoscales", async () => {
    await kubectl("create", "deployment", "web", "--image=example.com/web:1");
    const made = await kubectl("autoscale", "deployment", "web", "--min=2", "--max=5", "--cpu-percent=60");
    expect(made.stdout).toBe("horizontalpodautoscaler.autoscaling/web autoscaled\n");
    const { spec } = (await target.call("GET", path("v2", "web"))).json;
    expect(spec).toMatchObject({ minReplicas: 2, maxReplicas: 5, metrics: [cpu(60)] });
  });

  it("prints targets", async () => {
    const { stdout } = await kubectl("get", "hpa", "both", "defaults", "-o", "wide");
    const [head, ...lines] = stdout.split("\n").map((line) => line.split(/ {2,}/).slice(0, 6));
    expect(head).toEqual(["NAME", "REFERENCE", "TARGETS", "MINPODS", "MAXPODS", "REPLICAS"]);
    expect(lines.slice(0, 2)).toEqual([
      ["both", "Deployment/web", "<unknown>/1500m, cpu: <unknown>/70%", "1", "9", "0"],
      ["defaults", "Deployment/web", "cpu: <unknown>/80%", "1", "3", "0"],
    ]);
    expect((await kubectl("get", "all")).stdout).toContain("horizontalpodautoscaler.autoscaling/both");
  });

  it("describes", async () => {
    const { stdout, code } = await kubectl("describe", "hpa", "both");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ {2}"rps" on pods: +<unknown> \/ 1500m$/m);
    expect(stdout).toMatch(/^ {2}resource cpu on pods {2}\(as a percentage of request\): +<unknown> \/ 70%$/m);
    expect(stdout).toMatch(/^Max replicas: +9$/m);
  });

  it("deletes through v1", async () => {
    await kubectl("delete", "hpa.v1.autoscaling", "both");
    const gone = await eventually(
      async () => (await target.call("GET", path("v2", "both"))).status,
      (status) => status === 404,
    );
    expect(gone).toBe(404);
  });
});
