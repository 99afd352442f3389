import { expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { definitionBytes, digest } from "./digest.test-support.ts";
import { CompiledForms, Serving } from "./serving.ts";

const GIVEN = { status: { acceptedNames: { plural: "foos", singular: "foo", kind: "Foo", listKind: "FooList" } } };
const common = { clock: new SimulatedClock(), random: seededRandom(1) };

it("compiles once, when somebody asks, and again after a release", () => {
  const serving = new Serving(digest(GIVEN));
  let reads = 0;
  const read = () => {
    reads++;
    return definitionBytes(GIVEN);
  };
  const first = serving.backend("v1", common, read);
  expect(serving.backend("v1", common, read)).toBe(first);
  expect(reads).toBe(1);
  serving.release();
  expect(serving.backend("v1", common, read)).not.toBe(first);
  expect(reads).toBe(2);
  expect(new Serving(digest(GIVEN)).backend("v1", common, () => undefined)).toBeUndefined();
});

it("fits what has the same spec and names", () => {
  const serving = new Serving(digest(GIVEN));
  expect(serving.fits(digest({ ...GIVEN, metadata: { labels: { a: "b" }, generation: 5 } }))).toBe(true);
  expect(serving.fits(digest({ ...GIVEN, spec: { scope: "Cluster" } }))).toBe(false);
  expect(serving.fits(digest({ ...GIVEN, metadata: { uid: "other" } }))).toBe(false);
  expect(
    serving.fits(digest({ status: { acceptedNames: { ...GIVEN.status.acceptedNames, shortNames: ["f"] } } })),
  ).toBe(false);
});

it("keeps compiled forms within a budget, those used last", () => {
  const servings = [0, 1, 2].map(() => new Serving(digest(GIVEN)));
  const { size } = servings[0]!.digest;
  const forms = new CompiledForms(2 * size);
  const use = (serving: Serving) => {
    serving.backend("v1", common, () => definitionBytes(GIVEN));
    forms.used(serving);
  };
  use(servings[0]!);
  use(servings[1]!);
  use(servings[0]!);
  use(servings[2]!);
  expect(servings.map((serving) => serving.compiled)).toEqual([true, false, true]);
  forms.drop(servings[0]!);
  use(servings[1]!);
  expect(servings.map((serving) => serving.compiled)).toEqual([true, true, true]);
});
