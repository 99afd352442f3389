import { expect, it } from "vitest";
import { fieldElement, fieldSetOf } from "./field-set.ts";
import { keyOf, type Owner, type Owners } from "./managed.ts";
import { ownersInParent, ownersInScale } from "./scale-owners.ts";

const at = (...names: readonly string[]) => names.map(fieldElement);
/** v1 and v2 keep their replicas in different places, v3 has no scale. */
const PATHS = new Map([
  ["x/v1", at("spec", "size")],
  ["x/v2", at("spec", "count")],
  ["x/v3", undefined],
]);
type Sketch = readonly [who: string, apiVersion: string, ...fields: string[]];

function owned(...sketches: readonly Sketch[]): Owners {
  const owners = sketches.map(([who, apiVersion, ...fields]): Owner => {
    const [manager = "", operation = "", subresource = ""] = who.split(" ");
    const paths = fields.map((field) => at(...field.split(".")));
    return {
      manager,
      operation: operation as "Apply",
      subresource,
      apiVersion,
      fields: fieldSetOf(...paths),
      time: "t",
    };
  });
  return new Map(owners.map((owner) => [keyOf(owner), owner]));
}

const shown = (owners: Owners) =>
  [...owners.values()].map(({ manager, operation, subresource, apiVersion, fields, time }) =>
    [manager, operation, subresource, apiVersion, JSON.stringify(fields.toFieldsV1()), time ?? "-"].join(" "),
  );

const SIZE = '{"f:spec":{"f:size":{}}}';
const OTHER = '{"f:spec":{"f:other":{}}}';

it("shows the owners of the replicas, wherever their version keeps them", () => {
  const parent = owned(
    ["a Apply", "x/v1", "spec.size", "spec.other"],
    ["b Update", "x/v2", "spec.count"],
    ["c Update", "x/v2", "spec.size"],
    ["d Update", "x/v3", "spec.size"],
    ["e Update", "x/v9", "spec.size"],
  );
  const replicas = '{"f:spec":{"f:replicas":{}}}';
  expect(shown(ownersInScale(parent, PATHS))).toEqual([
    `a Apply  autoscaling/v1 ${replicas} t`,
    `b Update  autoscaling/v1 ${replicas} t`,
  ]);
});

it("takes the parent's field from whom the Scale was taken, and gives it in the version written through", () => {
  const parent = owned(["a Apply", "x/v1", "spec.size", "spec.other"], ["b Update", "x/v2", "spec.count"]);
  const scale = owned(["m Apply scale", "autoscaling/v1", "spec.replicas"]);
  expect(shown(ownersInParent(parent, scale, PATHS, "x/v1"))).toEqual([
    `a Apply  x/v1 ${OTHER} t`,
    `m Apply scale x/v1 ${SIZE} -`,
  ]);
});

it("keeps who still owns it as they are, updaters too", () => {
  const parent = owned(["a Apply", "x/v1", "spec.size"], ["b Update", "x/v2", "spec.count", "spec.other"]);
  const scale = ownersInScale(parent, PATHS);
  expect(shown(ownersInParent(parent, scale, PATHS, "x/v1"))).toEqual(shown(parent));
});

it("leaves versions without a scale alone, forgets those nobody knows, and what else is said of a Scale", () => {
  const parent = owned(["d Update", "x/v3", "spec.size"], ["e Update", "x/v9", "spec.size"]);
  const scale = owned(["m Apply scale", "autoscaling/v1", "metadata.labels"]);
  expect(shown(ownersInParent(parent, scale, PATHS, "x/v1"))).toEqual([`d Update  x/v3 ${SIZE} t`]);
});
