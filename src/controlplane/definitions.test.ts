import { afterAll, describe, expect, it } from "vitest";
import type { KubeObject } from "../api/meta.ts";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { memoryPKI } from "../auth/pki/pki.ts";
import type { Engine } from "../store/engine.ts";
import { memoryEngine } from "../store/engines/memory.ts";
import { type ControlPlane, openControlPlane } from "./control-plane.ts";
import { DEFINITIONS } from "./definitions.ts";

const clock = new SimulatedClock();
const random = seededRandom(12);
const pki = await memoryPKI({ clock, random });
const open: ControlPlane[] = [];
afterAll(() => whileTimePasses(Promise.all(open.map((plane) => plane.close()))));

/** An engine that other servers use too: what one of them closes stays open for the rest. */
function shared(): Engine {
  const engine = memoryEngine({ clock });
  return { ...engine, shared: true, close: async () => {} };
}

async function start(engine: Engine): Promise<ControlPlane> {
  const plane = await whileTimePasses(openControlPlane({ engine, pki, clock, random }));
  open.push(plane);
  return plane;
}

async function whileTimePasses<T>(work: Promise<T>): Promise<T> {
  let done = false;
  const finished = work.finally(() => {
    done = true;
  });
  while (!done) {
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(10);
  }
  return finished;
}

/** Lets everything go on until `good` holds, or a thousand turns have passed. */
async function turnsUntil(good: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let turn = 0; turn < 1000; turn++) {
    if (await good()) return true;
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(1);
  }
  return false;
}

const definition = (kind: string, group = "g.example.com"): KubeObject => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `${kind.toLowerCase()}s.${group}` },
  spec: {
    group,
    scope: "Namespaced",
    names: { plural: `${kind.toLowerCase()}s`, kind },
    versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
  },
});
const definitions = (plane: ControlPlane) => plane.client().resource(DEFINITIONS);
const serves = (plane: ControlPlane, group = "g.example.com") => plane.routes.current.at(group, "v1") !== undefined;
const established = async (plane: ControlPlane, name: string) => {
  const { status } = await definitions(plane).get(name);
  return (status.conditions ?? []).some(
    (one: { type: string; status: string }) => one.type === "Established" && one.status === "True",
  );
};

describe("definitions over one store", () => {
  it("are served by every server over it, whoever took them, and by one that starts later", async () => {
    const engine = shared();
    const [first, second] = [await start(engine), await start(engine)];
    await definitions(first).create(definition("Foo"));
    expect(await turnsUntil(() => serves(first) && serves(second))).toBe(true);
    expect(await turnsUntil(() => established(second, "foos.g.example.com"))).toBe(true);
    const foos = { group: "g.example.com", version: "v1", resource: "foos" };
    const foo = { apiVersion: "g.example.com/v1", kind: "Foo", metadata: { name: "a" } };
    await first.client().resource(foos, "default").create(foo);
    expect((await second.client().resource(foos, "default").get("a")).metadata.name).toBe("a");
    const third = await start(engine);
    expect(serves(third)).toBe(true);
    expect((await third.client().resource(foos, "default").get("a")).metadata.name).toBe("a");
    await definitions(second).delete("foos.g.example.com");
    expect(await turnsUntil(() => ![first, second, third].some((plane) => serves(plane)))).toBe(true);
  });

  it("are given their names once, whoever writes first", async () => {
    const engine = shared();
    const [first, second] = [await start(engine), await start(engine)];
    const rival = definition("Foo", "rival.example.com");
    const other = { ...rival, metadata: { name: "others.rival.example.com" }, spec: { ...rival["spec"] } };
    other.spec.names = { plural: "others", singular: "other", kind: "Foo" };
    await Promise.all([definitions(first).create(rival), definitions(second).create(other)]);
    const accepted = async () => {
      const names = ["foos.rival.example.com", "others.rival.example.com"];
      const found = await Promise.all(names.map((name) => established(first, name)));
      return found.filter(Boolean).length;
    };
    expect(await turnsUntil(async () => (await accepted()) > 0)).toBe(true);
    await turnsUntil(() => false);
    expect(await accepted()).toBe(1);
  });
});

it("a group-version that is built in keeps its APIService and serves no custom resource", async () => {
  const plane = await start(memoryEngine({ clock }));
  const apps = { ...definition("Foo", "apps"), metadata: { name: "foos.apps" } };
  await expect(definitions(plane).create(apps)).rejects.toMatchObject({ code: 422 });
  const group = "coordination.k8s.io";
  const lease = definition("Foo", group);
  lease.metadata.annotations = { "api-approved.kubernetes.io": "unapproved, a test" };
  await definitions(plane).create(lease);
  expect(await turnsUntil(() => established(plane, `foos.${group}`))).toBe(true);
  const service = await plane
    .client()
    .resource({ group: "apiregistration.k8s.io", version: "v1", resource: "apiservices" })
    .get(`v1.${group}`);
  expect(service["spec"].groupPriorityMinimum).not.toBe(1000);
  const foos = plane.client().resource({ group, version: "v1", resource: "foos" }, "default");
  await expect(foos.list()).rejects.toMatchObject({ code: 404 });
});
