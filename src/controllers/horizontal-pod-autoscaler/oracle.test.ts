import { readFileSync } from "node:fs";
import { describe, expect, test, vi } from "vitest";
import { formatTime } from "../../api/time.ts";
import {
  averageReplicas,
  type PodQuestion,
  type Proposal,
  perPodReplicas,
  seriesPerPodReplicas,
  sumOfSeries,
  utilizationReplicas,
  valueReplicas,
} from "./calculator.ts";
import type * as Integers from "./integers.ts";
import {
  type History,
  newHistory,
  normalize,
  normalizeWithBehavior,
  recordScaling,
  type ScalingRules,
} from "./normalization.ts";
import {
  CPU_INITIALIZATION_PERIOD,
  fingerprint,
  INITIAL_READINESS_DELAY,
  ORACLE_NOW as NOW,
  type NormalizeCase,
  ORACLE_CASES,
  type OracleCase,
  oracleCases,
  type PodCase,
  type PodsCase,
  type RulesCase,
  type ValueCase,
} from "./oracle-cases.test-support.ts";
import type { Pod } from "./pod.ts";

const agoText = (seconds: number) => formatTime(NOW - seconds * 1000);

function podOf([name, phase, deleting, ready, transition, start, requests, podRequest]: PodCase): Pod {
  const list = (quantity: string | null) => ({
    requests: (quantity === null ? {} : { cpu: quantity, memory: quantity }) as Record<string, string>,
  });
  return {
    metadata: { name, ...(deleting && { deletionTimestamp: formatTime(NOW) }) },
    spec: {
      containers: requests.map((request, index) => ({ name: `c${index}`, resources: list(request) })),
      ...(podRequest !== null && { resources: list(podRequest) }),
    },
    status: {
      phase,
      ...(start !== null && { startTime: agoText(start) }),
      ...(ready !== "" && {
        conditions: [{ type: "Ready", status: ready, lastTransitionTime: agoText(transition) }],
      }),
    },
  };
}

function answerPods(given: PodsCase): string {
  const question: PodQuestion = {
    pods: given.pods.map(podOf),
    metrics: new Map(
      given.metrics.map(([name, value, age, window]) => [
        name,
        { value: BigInt(value), timestamp: NOW - age * 1000, window: window * 1e6 },
      ]),
    ),
    currentReplicas: given.current,
    tolerances: { down: given.tolerance[0], up: given.tolerance[1] },
    resource: given.resource,
    rules: { cpuInitializationPeriod: CPU_INITIALIZATION_PERIOD, initialReadinessDelay: INITIAL_READINESS_DELAY },
    now: NOW,
  };
  if (given.f !== "utilization") return printed(averageReplicas(question, BigInt(given.target)));
  const { replicas, utilization, usage } = utilizationReplicas(question, Number(given.target), given.container);
  return `${replicas} ${utilization} ${usage}`;
}

const printed = ({ replicas, usage }: Proposal) => `${replicas} ${usage}`;

function answerValue({ f, current, target: text, tolerance, series: texts, pods }: ValueCase): string {
  const series = texts.map(BigInt);
  const target = BigInt(text);
  const tolerances = { down: tolerance[0], up: tolerance[1] };
  switch (f) {
    case "object":
      return printed(valueReplicas(current, series[0]!, target, tolerances, () => pods.map(podOf)));
    case "external":
      return printed(valueReplicas(current, sumOfSeries(series), target, tolerances, () => pods.map(podOf)));
    case "objectPerPod":
      return printed(perPodReplicas(current, series[0]!, target, tolerances));
    case "externalPerPod":
      return printed(seriesPerPodReplicas(current, series, target, tolerances));
  }
}

const rulesOf = ({ window, select, policies }: RulesCase): ScalingRules => ({
  stabilizationWindowSeconds: window,
  selectPolicy: select,
  policies: policies.map(([type, value, periodSeconds]) => ({ type, value, periodSeconds })),
});

function answerNormalize(given: NormalizeCase): string {
  const { current, desired, min, max } = given;
  const eventsOf = (past: readonly (readonly [number, number])[]) =>
    past.map(([change, age]) => ({ change, at: NOW - age, outdated: false }));
  const history: History = {
    ...newHistory(),
    recommendations: given.recommendations.map(([replicas, age]) => ({ replicas, at: NOW - age })),
    ups: eventsOf(given.ups),
    downs: eventsOf(given.downs),
  };
  const behavior = { scaleUp: rulesOf(given.up), scaleDown: rulesOf(given.down) };
  if (given.f === "record") {
    recordScaling(history, behavior, current, desired, NOW);
    return [history.ups, history.downs]
      .flatMap((events) => [
        ...events.map(({ change, at, outdated }) => `${change}@${NOW - at}${outdated ? "!" : ""}`),
        "|",
      ])
      .join(" ");
  }
  const window = given.window * 1000;
  const result =
    given.f === "normalize"
      ? normalize(history, desired, { current, min, max }, window, NOW)
      : normalizeWithBehavior(history, desired, { current, min, max }, behavior, window, NOW);
  return [
    result.desired,
    `${result.ableToScale.reason}:True`,
    `${result.scalingLimited.reason}:${result.scalingLimited.limited ? "True" : "False"}`,
    ...history.recommendations.map(({ replicas, at }) => `${replicas}@${NOW - at}`),
  ].join(" ");
}

function answer(given: OracleCase): string {
  try {
    if ("metrics" in given) return answerPods(given);
    return "series" in given ? answerValue(given) : answerNormalize(given);
  } catch (error) {
    return `! ${(error as Error).message}`;
  }
}

/** As a machine of the amd64 kind converts floats that fit no integer, where the table was made; ours saturate, as on arm64. */
const machine = vi.hoisted(() => ({ amd64: true, unrepresentable: 0 }));

vi.mock("./integers.ts", async (original) => {
  const real = await original<typeof Integers>();
  const convert = <T>(value: number, limit: number, saturated: T, smallest: T): T => {
    if (value < limit && value >= -limit) return saturated;
    machine.unrepresentable++;
    return machine.amd64 ? smallest : saturated;
  };
  return {
    ...real,
    toInt32: (value: number) => convert(value, 2 ** 31, real.toInt32(value), -(2 ** 31)),
    toInt64: (value: number) => convert(value, 2 ** 63, real.toInt64(value), -(2n ** 63n)),
  };
});

describe("the real calculator's answers", () => {
  const cases = oracleCases();
  const [made, ...answers] = readFileSync(new URL("./testdata/oracle.txt", import.meta.url), "utf8")
    .trimEnd()
    .split("\n");
  const groups = Map.groupBy(
    cases.map((question, index) => ({ question, expected: answers[index] })),
    ({ question }) => question.f,
  );

  test("are answers to these questions", () => {
    expect(made).toBe(fingerprint(cases));
    expect(answers).toHaveLength(ORACLE_CASES);
    expect(cases.length).toBeGreaterThanOrEqual(10_000);
  });

  test.each([...groups])("%s: ours are the same", (_, group) => {
    machine.amd64 = true;
    const different = group.filter(({ question, expected }) => answer(question) !== expected);
    expect(different.slice(0, 3).map((one) => ({ ...one, ours: answer(one.question) }))).toEqual([]);
  });

  test("and where no processor agrees with another, nothing falls", () => {
    machine.amd64 = false;
    let others = 0;
    for (const [index, question] of cases.entries()) {
      machine.unrepresentable = 0;
      const ours = answer(question);
      if (machine.unrepresentable === 0) expect(ours).toBe(answers[index]);
      else if (ours !== answers[index]) {
        others++;
        const smallest = "-2147483648";
        expect([ours, ours.split(" ").includes(smallest)], JSON.stringify(question)).toEqual([ours, false]);
      }
    }
    expect(others).toBeGreaterThan(0);
    expect(others).toBeLessThan(ORACLE_CASES / 10);
  });
});
