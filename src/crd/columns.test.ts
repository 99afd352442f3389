import { describe, expect, it } from "vitest";
import type { KubeObject } from "../api/meta.ts";
import { columnsOf, goFloat, scaleColumns } from "./columns.ts";
import { selectableFields } from "./selectable-fields.ts";

const NOW = Date.parse("2026-01-02T00:00:00Z");
const object = (spec: object): KubeObject => ({
  apiVersion: "g.example.com/v1",
  kind: "Foo",
  metadata: { name: "n", creationTimestamp: "2026-01-01T00:00:00Z" },
  spec,
});
const cellOf = (type: string, value: unknown) =>
  columnsOf([{ name: "C", type, jsonPath: ".spec.value" }]).cells(object({ value }), NOW)[1];

describe("cells", () => {
  it.each([
    ["string", "x", "x"],
    ["string", 3, "3"],
    ["string", 1.5, "1.5"],
    ["string", 1e21, "1e+21"],
    ["string", 0.00001, "1e-05"],
    ["string", true, "true"],
    ["string", null, "<no value>"],
    ["string", { b: 1, a: [2] }, '{"a":[2],"b":1}'],
    ["string", undefined, null],
    ["integer", 3, 3],
    ["integer", 3.9, 3],
    ["integer", -3.9, -3],
    ["integer", "3", null],
    ["number", 1.5, 1.5],
    ["number", "1.5", null],
    ["boolean", false, false],
    ["boolean", "false", null],
    ["date", "2026-01-01T00:00:00Z", "24h"],
    ["date", "yesterday", "<invalid>"],
    ["date", "", "<unknown>"],
    ["date", 5, null],
  ])("%s of %j", (type, value, expected) => {
    expect(cellOf(type, value)).toEqual(expected);
  });

  it("keep whole numbers that are no doubles", () => {
    expect(cellOf("integer", 2n ** 60n)).toBe(2n ** 60n);
  });

  it("are the age alone without columns, and the name alone when a path is none", () => {
    const usual = columnsOf(undefined);
    expect(usual.columns.map(({ name }) => name)).toEqual(["Name", "Age"]);
    expect(usual.cells(object({}), NOW)).toEqual(["n", "24h"]);
    expect(columnsOf([{ name: "C", type: "string", jsonPath: ".a[" }]).cells(object({}), NOW)).toEqual(["n"]);
  });

  it("say what they show", () => {
    const [, plain, described] = columnsOf([
      { name: "A", type: "string", jsonPath: ".spec.a" },
      { name: "B", type: "number", jsonPath: ".spec.b", description: "The b.", format: "float", priority: 1 },
    ]).columns;
    expect(plain).toEqual({
      name: "A",
      type: "string",
      description: "Custom resource definition column (in JSONPath format): .spec.a",
    });
    expect(described).toEqual({ name: "B", type: "number", description: "The b.", format: "float", priority: 1 });
    const scale = scaleColumns({ specReplicasPath: ".spec.size", statusReplicasPath: ".status.size" });
    expect(scale.columns.map(({ name }) => name)).toEqual(["Name", "Desired", "Available", "Age"]);
  });
});

describe("selectable fields", () => {
  const read = (value: unknown) => selectableFields([{ jsonPath: ".spec.value" }])["spec.value"]!(object({ value }));

  it.each([
    ["x", "x"],
    [3, "3"],
    [false, "false"],
    [null, ""],
    [undefined, ""],
  ])("%j", (value, expected) => {
    expect(read(value)).toBe(expected);
  });
});

it.each([
  [1, "1"],
  [0, "0"],
  [1e-7, "1e-07"],
  [123456789, "123456789"],
])("Go prints %d as %s", (value, expected) => {
  expect(goFloat(value)).toBe(expected);
});
