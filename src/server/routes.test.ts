import { describe, expect, it } from "vitest";
import { aggregatedOrder, type Backend, type Claim, isRemote, RouteTable } from "./routes.ts";

const SERVICE = { namespace: "n", name: "s", port: 443 };
const claim = (group: string, version: string, priorities: [number, number], service?: Claim["service"]): Claim => ({
  name: `${version}.${group}`,
  group,
  version,
  groupPriorityMinimum: priorities[0],
  versionPriority: priorities[1],
  service,
});
const backend = (group: string, version: string, source: Backend["source"]): Backend => ({
  group,
  version,
  source,
  serve() {},
  discovery: () => ({ resources: [], fresh: true }),
});
const printed = (groups: RouteTable["current"]["groups"]) =>
  groups.map(({ group, versions }) => `${group}: ${versions.map(({ version }) => version).join(" ")}`);

describe("order", () => {
  it("follows priorities, then claim names; versions follow priorities, then age of the API", () => {
    const table = new RouteTable();
    table.setClaims([
      claim("a", "v1", [1000, 15]),
      claim("b", "v1", [1000, 100]),
      claim("b", "v2beta1", [1500, 9]),
      claim("c", "v1alpha1", [1000, 15]),
      claim("a", "v2", [1000, 15]),
    ]);
    expect(printed(table.current.groups)).toEqual(["b: v1 v2beta1", "a: v2 v1", "c: v1alpha1"]);
  });

  it("breaks ties by claim name in the legacy form, by group name in the aggregated one", () => {
    const table = new RouteTable();
    table.setClaims([claim("a", "v2", [1000, 1]), claim("b", "v1", [1000, 1])]);
    expect(printed(table.current.groups)).toEqual(["b: v1", "a: v2"]);
    expect(printed(aggregatedOrder(table.current))).toEqual(["a: v2", "b: v1"]);
  });
});

describe("the join", () => {
  it("serves what has a backend, and lists what has a claim", () => {
    const table = new RouteTable();
    table.setBackend("x", backend("quiet", "v1", "crd"));
    table.setClaims([claim("loud", "v1", [1, 1], SERVICE)]);
    expect(printed(table.current.groups)).toEqual(["loud: v1"]);
    expect(table.current.at("quiet", "v1")?.backends.length).toBe(1);
    expect(table.current.at("loud", "v1")).toMatchObject({ backends: [] });
    expect(isRemote(table.current.at("loud", "v1"))).toBe(true);
    expect(table.current.at("quiet", "v2")).toBeUndefined();
    expect(table.current.at("__proto__", "constructor")).toBeUndefined();
  });

  it("lets a service hide what this process has, and shows it again when the claim goes", () => {
    const table = new RouteTable();
    table.setBackend("crd", backend("g", "v1", "crd"));
    table.setBackend("builtin", backend("g", "v1", "builtin"));
    table.setBackend("remote", backend("g", "v1", "remote"));
    const sources = () => table.current.at("g", "v1")?.backends.map(({ source }) => source);
    expect(sources()).toEqual(["builtin", "crd"]);
    table.setClaims([claim("g", "v1", [1, 1], SERVICE)]);
    expect(sources()).toEqual(["remote"]);
    table.setClaims([]);
    expect(sources()).toEqual(["builtin", "crd"]);
    table.removeBackend("builtin");
    expect(sources()).toEqual(["crd"]);
  });

  it("never gives the registration group away, and lists it first without a claim", () => {
    const table = new RouteTable();
    const group = "apiregistration.k8s.io";
    table.setBackend("own", backend(group, "v1", "builtin"));
    table.setBackend("thief", backend(group, "v1", "remote"));
    table.setClaims([claim(group, "v1", [20000, 1000], SERVICE), claim("a", "v1", [20000, 1])]);
    expect(isRemote(table.current.at(group, "v1"))).toBe(false);
    expect(table.current.at(group, "v1")?.backends.map(({ source }) => source)).toEqual(["builtin"]);
    expect(printed(table.current.groups)).toEqual([`${group}: v1`, "a: v1"]);
  });
});

describe("snapshots", () => {
  it("never change, and are announced once for each change or batch", () => {
    const table = new RouteTable();
    const seen: number[] = [];
    const stop = table.subscribe(({ generation }) => seen.push(generation));
    const before = table.current;
    table.setClaims([claim("g", "v1", [1, 1])]);
    expect(before.groups).toEqual([]);
    table.batch(() => {
      table.setBackend("a", backend("a", "v1", "crd"));
      table.setBackend("b", backend("b", "v1", "crd"));
      expect(table.current.at("a", "v1")).toBeUndefined();
    });
    table.removeBackend("never was");
    expect(before.complete).toBe(false);
    table.complete();
    table.complete();
    expect(table.current.complete).toBe(true);
    table.touch();
    stop();
    table.touch();
    expect(seen).toEqual([1, 2, 3, 4]);
  });
});
