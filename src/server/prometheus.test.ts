import * as whole from "prom-client";
import { describe, expect, it } from "vitest";
import { Counter, exponentialBuckets, Gauge, Histogram, Registry } from "./prometheus.ts";

describe("prom-client in part", () => {
  it("is prom-client", () => {
    expect({ Counter, Gauge, Histogram, Registry, exponentialBuckets }).toEqual({
      Counter: whole.Counter,
      Gauge: whole.Gauge,
      Histogram: whole.Histogram,
      Registry: whole.Registry,
      exponentialBuckets: whole.exponentialBuckets,
    });
  });

  it("counts and prints", async () => {
    const registry = new Registry();
    new Counter({ name: "things_total", help: "Things.", registers: [registry] }).inc(2);
    expect(await registry.metrics()).toContain("\nthings_total 2\n");
  });
});
