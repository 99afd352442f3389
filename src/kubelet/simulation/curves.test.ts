import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Curve, parseCurve } from "./curves.ts";
import { settingsOf } from "./settings.ts";
import { Loads, Usage } from "./usage.ts";

const curve = (text: string): Curve => {
  const parsed = parseCurve(text);
  if (parsed === undefined) throw new Error(`${text} is no curve`);
  return parsed;
};

describe("a curve", () => {
  it.each<[string, number, number, number]>([
    ["250m", 10, 0.25, 2.5],
    ["constant(2)", 10, 2, 20],
    ["64Mi", 0, 67108864, 0],
    ["sine(100m..400m, 2m)", 0, 0.1, 0],
    ["sine(100m..400m, 2m)", 60, 0.4, 15],
    ["sine(100m..400m,2m)", 120, 0.1, 30],
    ["steps(1 for 30s, 3 for 1m)", 29, 1, 29],
    ["steps(1 for 30s, 3 for 1m)", 30, 3, 30],
    ["steps(1 for 30s, 3 for 1m)", 90, 1, 210],
    ["steps( 1 for 30s , 3 for 1m )", 200, 1, 440],
  ])("%s is after %i s", (text, seconds, value, area) => {
    expect(curve(text).at(seconds)).toBeCloseTo(value, 9);
    expect(curve(text).until(seconds)).toBeCloseTo(area, 9);
  });

  it.each([
    "",
    "x",
    "-1",
    "sine(1..2)",
    "sine(2..1, 1m)",
    "sine(1..2, 0s)",
    "sine(1, 1m)",
    "sine(1..2..3, 1m)",
    "steps()",
    "steps(1)",
    "steps(1 for 0s)",
    "steps(1 for x)",
    "square(1)",
    "steps(1 for 1s",
    "1e400",
  ])("is not %j", (text) => {
    expect(parseCurve(text)).toBeUndefined();
  });

  it("counts what it says: the area grows by the value", () => {
    const quantity = fc.integer({ min: 0, max: 5000 });
    const shape = fc.oneof(
      quantity.map((milli) => `${milli}m`),
      fc
        .tuple(quantity, quantity, fc.integer({ min: 1, max: 600 }))
        .map(([low, more, period]) => `sine(${low}m..${low + more}m, ${period}s)`),
      fc
        .array(fc.tuple(quantity, fc.integer({ min: 1, max: 100 })), { minLength: 1, maxLength: 5 })
        .map((all) => `steps(${all.map(([milli, long]) => `${milli}m for ${long}s`).join(", ")})`),
    );
    fc.assert(
      fc.property(shape, fc.integer({ min: 0, max: 2000 }), (text, second) => {
        const one = curve(text);
        const grown = one.until(second + 1) - one.until(second);
        const middle = one.at(second + 0.5);
        expect(grown).toBeGreaterThanOrEqual(-1e-6);
        // Steps change on whole seconds, and a sine of a second or more is nearly straight for a part of one.
        if (!text.startsWith("sine")) expect(grown).toBeCloseTo(middle, 6);
      }),
    );
  });
});

describe("settings", () => {
  const of = (annotations: Record<string, string>) => settingsOf({ metadata: { annotations } });

  it("have defaults", () => {
    const { startup, ready, shutdown, crash, load, problems, cpu } = of({});
    expect({ startup, ready, shutdown, crash, load, problems, cpu: cpu.at(0) }).toEqual({
      startup: 1000,
      ready: 0,
      shutdown: 500,
      crash: undefined,
      load: undefined,
      problems: [],
      cpu: 0.001,
    });
  });

  it("are read from annotations", () => {
    const settings = of({
      "simulate.tenon.dev/startup": "2s",
      "simulate.tenon.dev/ready": "1m",
      "simulate.tenon.dev/shutdown": "0s",
      "simulate.tenon.dev/crash": "30s",
      "simulate.tenon.dev/load": "1500m",
      other: "value",
    });
    expect(settings).toMatchObject({ startup: 2000, ready: 60_000, shutdown: 0, crash: 30_000, problems: [] });
    expect(settings.load?.curve.at(5)).toBe(1.5);
  });

  it("that are wrong are named, with what is accepted, and left at their defaults", () => {
    const settings = of({
      "simulate.tenon.dev/cpu": "much",
      "simulate.tenon.dev/ready": "-1s",
      "simulate.tenon.dev/colour": "red",
    });
    expect(settings.cpu.at(0)).toBe(0.001);
    expect(settings.ready).toBe(0);
    expect([...settings.problems].sort()).toEqual([
      'annotation simulate.tenon.dev/colour: "red" is not known: simulate.tenon.dev/cpu, simulate.tenon.dev/memory, simulate.tenon.dev/load, simulate.tenon.dev/startup, simulate.tenon.dev/ready, simulate.tenon.dev/shutdown, simulate.tenon.dev/crash are',
      'annotation simulate.tenon.dev/cpu: "much" cannot be used: a quantity such as 250m, sine(100m..400m, 2m) or steps(100m for 30s, 400m for 1m) is accepted',
      'annotation simulate.tenon.dev/ready: "-1s" cannot be used: a duration from 0s to 24h, such as 500ms or 2m is accepted',
    ]);
  });
});

describe("a shared load", () => {
  const IDLE = curve("0");
  const usage = (loads: Loads, now: number, text = "1200m") =>
    new Usage(now, IDLE, IDLE, loads.use("n/web", text, curve(text), now));

  it("is divided among those that are ready", () => {
    const loads = new Loads();
    const first = usage(loads, 0);
    const second = usage(loads, 0);
    first.serve(true, 0);
    second.serve(true, 10_000);
    expect(first.cpuSeconds(10_000)).toBeCloseTo(12, 9);
    expect(first.cpuSeconds(20_000)).toBeCloseTo(18, 9);
    expect(second.cpuSeconds(20_000)).toBeCloseTo(6, 9);
    first.serve(false, 20_000);
    expect(first.cpuSeconds(30_000)).toBeCloseTo(18, 9);
    expect(second.cpuSeconds(30_000)).toBeCloseTo(18, 9);
  });

  it("is what the latest pod says, and begins anew when nobody is left", () => {
    const loads = new Loads();
    const first = usage(loads, 0);
    first.serve(true, 0);
    usage(loads, 10_000, "2400m");
    expect(first.cpuSeconds(20_000)).toBeCloseTo(36, 9);
    loads.drop("n/web");
    loads.drop("n/web");
    const later = usage(loads, 50_000, "steps(1 for 10s, 0 for 1h)");
    later.serve(true, 50_000);
    expect(later.cpuSeconds(70_000)).toBeCloseTo(10, 9);
  });

  it("is conserved, whoever comes and goes", () => {
    const moves = fc.array(fc.tuple(fc.nat(4), fc.boolean(), fc.integer({ min: 0, max: 5000 })), { maxLength: 40 });
    fc.assert(
      fc.property(moves, (script) => {
        const loads = new Loads();
        const all = Array.from({ length: 5 }, () => usage(loads, 0));
        const serving = new Set<number>();
        let now = 0;
        let borne = 0;
        for (const [index, serves, wait] of script) {
          if (serving.size > 0) borne += 1.2 * (wait / 1000);
          now += wait;
          all[index]!.serve(serves, now);
          if (serves) serving.add(index);
          else serving.delete(index);
        }
        expect(all.reduce((sum, one) => sum + one.cpuSeconds(now), 0)).toBeCloseTo(borne, 6);
      }),
    );
  });
});
