import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ContainerReading, goFloat, resourceMetrics } from "./exposition.ts";

const reading = (pod: string, container: string): ContainerReading => ({
  namespace: "kube-system",
  pod,
  container,
  timestamp: 1789000012120,
  cpuSeconds: 41.25,
  workingSetBytes: 12533760,
  startSeconds: 1789000000.25,
});

describe("a kubelet's payload", () => {
  it("holds the families in order, with pods summed over their containers", () => {
    const text = resourceMetrics({ timestamp: 1789000011003, cpuSeconds: 99321.004417, workingSetBytes: 7516192768 }, [
      reading("p", "b"),
      reading("p", "a"),
    ]);
    expect(text.split("\n").filter((line) => line !== "" && !line.startsWith("# HELP"))).toEqual([
      "# TYPE container_cpu_usage_seconds_total counter",
      'container_cpu_usage_seconds_total{container="a",namespace="kube-system",pod="p"} 41.25 1789000012120',
      'container_cpu_usage_seconds_total{container="b",namespace="kube-system",pod="p"} 41.25 1789000012120',
      "# TYPE container_memory_working_set_bytes gauge",
      'container_memory_working_set_bytes{container="a",namespace="kube-system",pod="p"} 1.253376e+07 1789000012120',
      'container_memory_working_set_bytes{container="b",namespace="kube-system",pod="p"} 1.253376e+07 1789000012120',
      "# TYPE container_start_time_seconds gauge",
      'container_start_time_seconds{container="a",namespace="kube-system",pod="p"} 1.78900000025e+09',
      'container_start_time_seconds{container="b",namespace="kube-system",pod="p"} 1.78900000025e+09',
      "# TYPE node_cpu_usage_seconds_total counter",
      "node_cpu_usage_seconds_total 99321.004417 1789000011003",
      "# TYPE node_memory_working_set_bytes gauge",
      "node_memory_working_set_bytes 7.516192768e+09 1789000011003",
      "# TYPE pod_cpu_usage_seconds_total counter",
      'pod_cpu_usage_seconds_total{namespace="kube-system",pod="p"} 82.5 1789000012120',
      "# TYPE pod_memory_working_set_bytes gauge",
      'pod_memory_working_set_bytes{namespace="kube-system",pod="p"} 2.506752e+07 1789000012120',
      "# TYPE resource_scrape_error gauge",
      "resource_scrape_error 0",
    ]);
  });

  it("says nothing but the error when the node cannot be read", () => {
    expect(
      resourceMetrics(undefined, [reading("p", "a")])
        .split("\n")
        .filter((line) => !line.startsWith("#")),
    ).toEqual(["resource_scrape_error 1", ""]);
  });

  it("leaves out a start time that is not positive", () => {
    const text = resourceMetrics({ timestamp: 1, cpuSeconds: 1, workingSetBytes: 1 }, [
      { ...reading("p", "a"), startSeconds: 0 },
    ]);
    expect(text).not.toContain("container_start_time_seconds");
  });
});

describe("numbers as Go prints them", () => {
  it.each([
    [0, "0"],
    [1, "1"],
    [357.35491, "357.35491"],
    [999999, "999999"],
    [1000000, "1e+06"],
    [0.0001, "0.0001"],
    [0.00001234, "1.234e-05"],
    [1e21, "1e+21"],
    [1.5e-300, "1.5e-300"],
    [Number.POSITIVE_INFINITY, "+Inf"],
    [Number.NaN, "NaN"],
  ])("%d is %s", (value, expected) => expect(goFloat(value)).toBe(expected));

  it("loses nothing", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(Number(goFloat(value))).toBe(value);
      }),
    );
  });
});
