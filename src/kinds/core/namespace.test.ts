import { describe, expect, test } from "vitest";
import {
  decoded,
  printedRow,
  rehearsalContext,
  rehearseCreate,
  rehearseUpdate,
  subStrategy,
} from "../rehearse.test-support.ts";
import { namespaces } from "./namespace.ts";

const definition = namespaces();

describe("create", () => {
  test("adds the label with the name, the finalizer and the phase", () => {
    const { object, errors } = rehearseCreate(definition, {
      metadata: { name: "a" },
      status: { phase: "Terminating" },
    });
    expect(errors).toEqual([]);
    expect(object.metadata.labels).toEqual({ "kubernetes.io/metadata.name": "a" });
    expect(object.spec.finalizers).toEqual(["kubernetes"]);
    expect(object.status).toEqual({ phase: "Active" });
  });

  test("keeps other finalizers and refuses unknown ones", () => {
    const kept = rehearseCreate(definition, { metadata: { name: "a" }, spec: { finalizers: ["a.b/c"] } });
    expect(kept.object.spec.finalizers).toEqual(["a.b/c", "kubernetes"]);
    expect(rehearseCreate(definition, { metadata: { name: "a" }, spec: { finalizers: ["foo"] } }).errors).toEqual([
      'spec.finalizers: Invalid value: "foo": name is neither a standard finalizer name nor is it fully qualified',
    ]);
    expect(rehearseCreate(definition, { metadata: { name: "a", finalizers: ["foo"] } }).errors).toEqual([
      'metadata.finalizers[0]: Invalid value: "foo": name is neither a standard finalizer name nor is it fully qualified',
    ]);
  });
});

describe("delete has two steps", () => {
  const begin = definition.strategy.beginDelete!;
  test("the first marks it", () => {
    const { object } = rehearseCreate(definition, { metadata: { name: "a" } });
    expect(begin(object, rehearsalContext(5_000))).toBe(true);
    expect(object.metadata.deletionTimestamp).toBe("1970-01-01T00:00:05Z");
    expect(object.status?.phase).toBe("Terminating");
  });

  test("the second waits for the finalizers in the spec", () => {
    const { object } = rehearseCreate(definition, { metadata: { name: "a" } });
    begin(object, rehearsalContext());
    expect(begin(object, rehearsalContext(9_000))).toBe(true);
    expect(object.metadata.deletionTimestamp).toBe("1970-01-01T00:00:00Z");
    object.spec.finalizers = [];
    expect(begin(object, rehearsalContext())).toBe(false);
  });

  test("it goes when both lists of finalizers are empty", () => {
    const gone = definition.strategy.shouldDeleteOnUpdate!;
    const { object } = rehearseCreate(definition, { metadata: { name: "a" } });
    expect(gone(object, object)).toBe(false);
    begin(object, rehearsalContext());
    expect(gone(object, object)).toBe(false);
    object.spec.finalizers = [];
    expect(gone(object, object)).toBe(true);
    object.metadata.finalizers = ["a.b/c"];
    expect(gone(object, object)).toBe(false);
  });
});

describe("update", () => {
  const stored = rehearseCreate(definition, { metadata: { name: "a" } }).object;

  test("leaves finalizers and status alone, and the label comes back", () => {
    const { object } = rehearseUpdate(definition, stored, (changed) => {
      changed.spec = { finalizers: [] };
      changed.status = { phase: "Terminating" };
      changed.metadata.labels = { x: "y" };
    });
    expect(object.spec).toEqual({ finalizers: ["kubernetes"] });
    expect(object.status).toEqual({ phase: "Active" });
    expect(object.metadata.labels).toEqual({ x: "y", "kubernetes.io/metadata.name": "a" });
  });

  test("finalize changes the finalizers only", () => {
    const { object, errors } = rehearseUpdate(
      definition,
      stored,
      (changed) => {
        changed.spec = { finalizers: [] };
        changed.status = { phase: "Terminating" };
      },
      subStrategy(definition, "finalize"),
    );
    expect(errors).toEqual([]);
    expect(object.spec).toEqual({ finalizers: [] });
    expect(object.status).toEqual({ phase: "Active" });
  });

  test.each([
    [
      undefined,
      "Terminating",
      ["status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty"],
    ],
    [
      "2026-01-01T00:00:00Z",
      "Active",
      ["status.Phase: Invalid value: \"Active\": may only be 'Terminating' if `deletionTimestamp` is not empty"],
    ],
    ["2026-01-01T00:00:00Z", "Terminating", []],
  ])("status with deletionTimestamp %s and phase %s", (deletionTimestamp, phase, errors) => {
    const outcome = rehearseUpdate(
      definition,
      { ...stored, metadata: { ...stored.metadata, deletionTimestamp } },
      (changed) => {
        changed.status = { phase };
        changed.spec = {};
      },
      subStrategy(definition, "status"),
    );
    expect(outcome.errors).toEqual(errors);
    expect(outcome.object.spec).toEqual(stored.spec);
  });
});

test("columns and fields", () => {
  const object = decoded(definition, { metadata: { name: "a", creationTimestamp: "1970-01-01T00:00:00Z" } });
  expect(printedRow(definition, object, 45_000)).toEqual({ Name: "a", Status: "Active", Age: "45s" });
  expect(definition.fields!["status.phase"]!(object)).toBe("Active");
});
