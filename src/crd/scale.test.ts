import { describe, expect, it } from "vitest";
import type { KubeObject } from "../api/meta.ts";
import { scaleErrors, scaleSubresource } from "./scale.ts";

const PATHS = {
  specReplicasPath: ".spec.replicas",
  statusReplicasPath: ".status.replicas",
  labelSelectorPath: ".status.selector",
};
const { projection } = scaleSubresource(PATHS, {}, new Map());
const parent = (more: object): KubeObject => ({ metadata: { name: "n", namespace: "ns", uid: "u" }, ...more });
const body = (replicas?: number): KubeObject => ({ metadata: {}, spec: replicas === undefined ? {} : { replicas } });

describe("reading", () => {
  it("takes what stands at the paths", () => {
    expect(projection!.get!(parent({ spec: { replicas: 3 }, status: { replicas: 2, selector: "a=b" } }))).toEqual({
      apiVersion: "autoscaling/v1",
      kind: "Scale",
      metadata: { name: "n", namespace: "ns", uid: "u" },
      spec: { replicas: 3 },
      status: { replicas: 2, selector: "a=b" },
    });
    expect(projection!.get!(parent({ spec: { replicas: 0 } }))).toMatchObject({ spec: {}, status: { replicas: 0 } });
  });

  it.each([
    [{}, 'Internal error occurred: the spec replicas field ".spec.replicas" does not exist'],
    [{ spec: { replicas: "3" } }, ".spec.replicas accessor error: 3 is of the type string, expected int64"],
    [{ spec: { replicas: null } }, ".spec.replicas accessor error: <nil> is of the type <nil>, expected int64"],
    [{ spec: [] }, ".spec.replicas accessor error: [] is of the type []interface {}, expected map[string]interface {}"],
  ])("fails on %j", (more, message) => {
    expect(() => projection!.get!(parent(more))).toThrow(expect.objectContaining({ code: 500, message }));
  });
});

describe("writing", () => {
  it("makes the way to the path", () => {
    const object = parent({});
    projection!.write(object, body(4));
    expect(object["spec"]).toEqual({ replicas: 4 });
    projection!.write(object, body());
    expect(object["spec"]).toEqual({ replicas: 0 });
  });

  it("refuses a patch that leaves the number open", () => {
    const old = projection!.read(parent({}));
    expect(() => projection!.write(parent({}), old)).toThrow(
      expect.objectContaining({ code: 400, message: 'the spec replicas field ".spec.replicas" cannot be empty' }),
    );
    expect(() => projection!.write(parent({ spec: 1 }), body(1))).toThrow(expect.objectContaining({ code: 500 }));
  });
});

describe("what stands at the paths", () => {
  const messages = (more: object, spec = true) =>
    scaleErrors(parent(more), PATHS, spec).map(({ field, message }) => `${field}: ${message}`);

  it.each([
    [{}, []],
    [{ spec: { replicas: 1 }, status: { replicas: 0, selector: "" } }, []],
    [{ spec: { replicas: -1 } }, [".spec.replicas: Invalid value: -1: should be a non-negative integer"]],
    [
      { spec: { replicas: 2147483648 } },
      [".spec.replicas: Invalid value: 2147483648: should be less than or equal to 2147483647"],
    ],
    [
      { status: { selector: 1 } },
      ['.status.selector: Invalid value: "": .status.selector accessor error: 1 is of the type int64, expected string'],
    ],
  ])("%j", (more, expected) => {
    expect(messages(more)).toEqual(expected);
  });

  it("is only the status through the status", () => {
    expect(messages({ spec: { replicas: -1 }, status: { replicas: -1 } }, false)).toEqual([
      ".status.replicas: Invalid value: -1: should be a non-negative integer",
    ]);
  });
});
