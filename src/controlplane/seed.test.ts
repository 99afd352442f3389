import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubeObject } from "../api/meta.ts";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { memoryPKI, type PKI } from "../auth/pki/pki.ts";
import { builtinResources, reviewResources } from "../kinds/index.ts";
import type { Engine } from "../store/engine.ts";
import { memoryEngine } from "../store/engines/memory.ts";
import { openState } from "../store/open-state.ts";
import type { Entry, State } from "../store/state.ts";
import { type BootstrapSeeds, bootstrapObjects, bootstrapSeeds } from "./bootstrap-objects.ts";
import { openControlPlane } from "./control-plane.ts";
import { grewFrom, plantSeeds } from "./seed.ts";

const START = Date.UTC(2026, 0, 1);
const clock = new SimulatedClock(START);
const random = seededRandom(1);
const definitions = builtinResources();
const served = [
  ...new Map(
    [...definitions, ...reviewResources()].map(({ group, version }) => [`${group}/${version}`, { group, version }]),
  ).values(),
];
const seeds = bootstrapSeeds(definitions, served);
const all = [...seeds.namespaces, ...seeds.services, ...seeds.policy, ...seeds.apiServices];

let pki: PKI;
beforeAll(async () => {
  pki = await memoryPKI({ clock, random });
});

const parse = (entry: Entry | undefined) => JSON.parse(Buffer.from(entry!.value).toString()) as KubeObject;
const open = (engine: Engine) => openControlPlane({ engine, pki, clock, random });
const revise = async (state: State, key: string, change: (object: KubeObject) => void) => {
  const entry = state.view().get(key)!;
  const object = parse(entry);
  change(object);
  object.metadata.resourceVersion = "";
  await state.commit({ key, expected: entry.revision, value: Buffer.from(JSON.stringify(object)) });
};

describe("objects of every cluster", () => {
  it("are byte for byte what a create through the API stores", async () => {
    const plane = await open(memoryEngine({ clock }));
    const client = plane.client();
    const wanted = bootstrapObjects(served);
    let compared = 0;
    for (const part of Object.keys(wanted) as (keyof BootstrapSeeds)[]) {
      for (const [index, object] of wanted[part].entries()) {
        const { key } = seeds[part][index]!;
        const planted = plane.state.view().get(key)!;
        const before = Buffer.from(planted.value).toString();
        await plane.state.commit({ key, expected: planted.revision, value: undefined });
        const [group = "", version = ""] = object.apiVersion!.includes("/")
          ? object.apiVersion!.split("/")
          : ["", "v1"];
        const { plural } = definitions.find((one) => one.kind === object.kind && one.group === group)!;
        await client.resource({ group, version, resource: plural }, object.metadata.namespace).create(object);
        const created = plane.state.view().get(key);
        const [old, made] = [parse(planted).metadata, parse(created).metadata];
        expect(made.uid).not.toBe(old.uid);
        const after = Buffer.from(created!.value)
          .toString()
          .replace(`"uid":"${made.uid}"`, `"uid":"${old.uid}"`)
          .replace(`"resourceVersion":"${made.resourceVersion}"`, `"resourceVersion":"${old.resourceVersion}"`);
        expect(after, key).toBe(before);
        compared++;
      }
    }
    expect(compared).toBe(all.length);
    expect(compared).toBeGreaterThan(100);
    await plane.close();
  });

  it("have a uid of their own, the time of the start and no trace of a stand-in", async () => {
    const state = await openState(memoryEngine({ clock }), { clock });
    expect(await plantSeeds(state, all, clock, random)).toEqual([]);
    const objects = [...state.view().range("/registry/")].map(parse);
    expect(objects).toHaveLength(all.length);
    expect(new Set(objects.map(({ metadata }) => metadata.uid)).size).toBe(all.length);
    for (const object of objects) {
      expect(object.metadata.uid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(object.metadata.creationTimestamp).toBe("2026-01-01T00:00:00Z");
      expect(JSON.stringify(object)).not.toMatch(/5eed5eed|1970-/);
    }
    await state.close();
  });

  it("are left alone where they are already, and named where they were changed", async () => {
    const state = await openState(memoryEngine({ clock }), { clock });
    await plantSeeds(state, all, clock, random);
    const { revision } = state;
    expect(await plantSeeds(state, all, clock, random)).toEqual([]);
    expect(state.revision).toBe(revision);

    const [first, second] = seeds.policy;
    await revise(state, first!.key, (role) => {
      role.metadata.labels = { mine: "yes" };
    });
    await state.commit({ key: second!.key, expected: state.view().get(second!.key)!.revision, value: undefined });
    expect(await plantSeeds(state, all, clock, random)).toEqual([first]);
    expect(state.view().get(second!.key)).toBeDefined();
    expect(parse(state.view().get(first!.key)).metadata.labels).toEqual({ mine: "yes" });
    await state.close();
  });

  it("differ by a byte at any place but the holes", async () => {
    const state = await openState(memoryEngine({ clock }), { clock });
    const [seed] = seeds.apiServices;
    await plantSeeds(state, [seed!], clock, random);
    const bytes = state.view().get(seed!.key)!.value;
    expect(grewFrom(seed!, bytes)).toBe(true);
    expect(grewFrom(seed!, bytes.subarray(0, -1))).toBe(false);
    expect(grewFrom(seed!, Buffer.concat([bytes, Buffer.from(" ")]))).toBe(false);
    expect(grewFrom(seed!, new Uint8Array(0))).toBe(false);
    const { uid, creationTimestamp, resourceVersion } = parse(state.view().get(seed!.key)).metadata;
    const text = Buffer.from(bytes).toString();
    const variable = new Set<number>();
    for (const value of [uid!, creationTimestamp!, resourceVersion!].map((one) => `"${one}"`)) {
      for (let at = text.indexOf(value); at >= 0; at = text.indexOf(value, at + 1)) {
        for (let offset = 1; offset < value.length - 1; offset++) variable.add(at + offset);
      }
    }
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1;
      expect(grewFrom(seed!, changed), `${at}: ${text.slice(at, at + 10)}`).toBe(variable.has(at));
    }
    await state.close();
  });
});

describe("a start over a store with a past", () => {
  it("gives back what is missing, adds what is lacking, and keeps what others added", async () => {
    const engine = memoryEngine({ clock });
    const first = await open(engine);
    const role = "/registry/clusterroles/system:discovery";
    const binding = "/registry/clusterrolebindings/system:discovery";
    const uid = parse(first.state.view().get(binding)).metadata.uid;
    await revise(first.state, role, (object) => {
      object.metadata.labels = { mine: "yes" };
      object["rules"] = [{ verbs: ["get"], nonResourceURLs: ["/mine"] }];
    });
    await first.state.commit({
      key: "/registry/namespaces/kube-public",
      expected: first.state.view().get("/registry/namespaces/kube-public")!.revision,
      value: undefined,
    });
    await first.close();

    const second = await open(engine);
    const view = second.state.view();
    const found = parse(view.get(role));
    expect(found.metadata.labels).toEqual({ mine: "yes", "kubernetes.io/bootstrapping": "rbac-defaults" });
    expect(found["rules"]).toContainEqual({ verbs: ["get"], nonResourceURLs: ["/mine"] });
    expect(JSON.stringify(found["rules"])).toContain("/openapi/*");
    expect(view.get("/registry/namespaces/kube-public")).toBeDefined();
    expect(parse(view.get(binding)).metadata.uid).toBe(uid);
    await second.close();
  });

  it("writes nothing when nothing is missing", async () => {
    const engine = memoryEngine({ clock });
    const first = await open(engine);
    const revision = first.state.revision;
    await first.close();
    const second = await open(engine);
    expect(second.state.revision).toBe(revision);
    await second.close();
  });
});

describe("the default policy", () => {
  it("has its gathered rules from the first moment", async () => {
    const plane = await open(memoryEngine({ clock }));
    const rules = (name: string) =>
      parse(plane.state.view().get(`/registry/clusterroles/${name}`))["rules"] as unknown[];
    for (const name of ["view", "edit", "admin"]) {
      for (const rule of rules(`system:aggregate-to-${name}`)) expect(rules(name)).toContainEqual(rule);
    }
    // What gathers is gathered too: an admin may all that an editor may.
    for (const rule of [...rules("edit"), ...rules("view")]) expect(rules("admin")).toContainEqual(rule);
    await plane.close();
  });
});

afterAll(() => {
  expect(clock.now()).toBe(START);
});
