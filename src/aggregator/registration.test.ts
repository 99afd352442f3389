import { describe, expect, it } from "vitest";
import { SimulatedClock } from "../api/simulated.ts";
import { listerRegistry, type ResourceClient } from "../client/index.ts";
import type { APIService } from "../kinds/generated/types.ts";
import { AUTOMANAGED, autoRegistration } from "./registration.ts";

const FOO = { group: "foo.example", version: "v1" };
const NAME = "v1.foo.example";
let version = 0;

function stored(label: string | undefined, groupPriorityMinimum = 1000): APIService {
  return {
    metadata: {
      name: NAME,
      uid: "u",
      resourceVersion: String(++version),
      ...(label !== undefined && { labels: { [AUTOMANAGED]: label } }),
    },
    spec: { group: FOO.group, version: FOO.version, groupPriorityMinimum, versionPriority: 100 },
    status: { conditions: [{ type: "Available", status: "True" }] },
  };
}

async function setup(existing: APIService[], desired: "none" | "onstart" | "true") {
  const clock = new SimulatedClock();
  const registry = listerRegistry<APIService>(() => {});
  registry.replace(existing);
  const calls: string[] = [];
  const client = {
    async create(object: APIService) {
      calls.push(`create ${object.metadata.labels![AUTOMANAGED]}`);
      const created = { ...object, metadata: { ...object.metadata, uid: "new", resourceVersion: String(++version) } };
      registry.apply("ADDED", created);
      return created;
    },
    async update(object: APIService) {
      calls.push(`update ${object.spec.groupPriorityMinimum}`);
      registry.apply("MODIFIED", { ...object, metadata: { ...object.metadata, resourceVersion: String(++version) } });
      return object;
    },
    async delete(name: string, options: { preconditions?: { uid?: string } }) {
      calls.push(`delete ${options.preconditions?.uid}`);
      registry.apply("DELETED", registry.get(name)!);
    },
  } as unknown as ResourceClient<APIService>; // only the verbs that are used
  const registration = autoRegistration({ clock, apiServices: registry, client });
  if (desired === "onstart") registration.onStart(FOO, { group: 1000, version: 100 });
  if (desired === "true") registration.always(FOO);
  await registration.start();
  await clock.advance(0);
  return { clock, registry, registration, calls };
}

describe("decision table (spec: aggregation 6.2)", () => {
  it.each<[string, APIService[], "none" | "onstart" | "true", string[]]>([
    ["nothing, nothing wanted", [], "none", []],
    ["nothing, built-in wanted", [], "onstart", ["create onstart"]],
    ["nothing, definition wanted", [], "true", ["create true"]],
    ["a user's own, nothing wanted", [stored(undefined)], "none", []],
    ["a user's own beats a definition", [stored(undefined, 5)], "true", []],
    ["another label", [stored("no", 5)], "onstart", []],
    ["onstart, no longer served", [stored("onstart")], "none", ["delete u"]],
    ["onstart, as wanted", [stored("onstart")], "onstart", []],
    ["onstart, edited", [stored("onstart", 5)], "onstart", ["update 1000"]],
    ["onstart, now a definition, edited", [stored("onstart", 5)], "true", ["update 1000"]],
    ["true, definition gone", [stored("true")], "none", ["delete u"]],
    ["true, as wanted", [stored("true")], "true", []],
    ["true, edited", [stored("true", 5)], "true", ["update 1000"]],
    ["true, now a built-in, edited", [stored("true", 5)], "onstart", ["update 1000"]],
  ])("%s", async (_, existing, desired, expected) => {
    const { calls, registration } = await setup(existing, desired);
    expect(calls).toEqual(expected);
    await registration.stop();
  });

  it("a built-in's is restored only by a restart, a definition's at once (cases 86, 87)", async () => {
    const builtin = await setup([], "onstart");
    builtin.registry.apply("DELETED", builtin.registry.get(NAME)!);
    await builtin.clock.advance(60_000);
    expect(builtin.calls).toEqual(["create onstart"]);
    const definition = await setup([], "true");
    definition.registry.apply("DELETED", definition.registry.get(NAME)!);
    await definition.clock.advance(0);
    expect(definition.calls).toEqual(["create true", "create true"]);
    definition.registry.apply("MODIFIED", stored("true", 7));
    await definition.clock.advance(0);
    expect(definition.calls.at(-1)).toBe("update 1000");
    definition.registration.never(FOO);
    await definition.clock.advance(0);
    expect(definition.calls.at(-1)).toMatch(/^delete /);
  });

  it("a built-in is missing until it was seen available once", async () => {
    const { registry, registration, clock } = await setup([], "onstart");
    expect(registration.missing()).toEqual([NAME]);
    registry.apply("MODIFIED", stored("onstart"));
    expect(registration.missing()).toEqual([]);
    registry.apply("DELETED", registry.get(NAME)!);
    await clock.advance(0);
    expect(registration.missing()).toEqual([]);
  });
});
