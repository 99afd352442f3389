import { describe, expect, it } from "vitest";
import { generateName } from "./generate-name.ts";
import { goFloat, goQuote } from "./go-quote.ts";
import type { ObjectMeta } from "./meta.ts";
import {
  configMapKey,
  dns1035Label,
  dns1123Label,
  dns1123Subdomain,
  pathSegment,
  portName,
  qualifiedName,
} from "./names.ts";
import { validateObjectMeta, validateObjectMetaUpdate } from "./object-meta.ts";
import { compareResourceVersions, parseResourceVersion } from "./resource-version.ts";
import { seededRandom } from "./simulated.ts";
import type { FieldError } from "./status.ts";
import { compareVersions } from "./version-order.ts";

const lines = (errors: readonly FieldError[]) => errors.map(({ field, message }) => `${field}: ${message}`);
const rules = { namespaced: true, nameRule: dns1123Subdomain };
const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN = `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${LABEL}(\\.${LABEL})*')`;

describe("names", () => {
  it.each([
    [dns1123Subdomain, "a.b-c", []],
    [dns1123Subdomain, "A", [SUBDOMAIN]],
    [dns1123Subdomain, `${"a".repeat(254)}`, ["must be no more than 253 characters"]],
    [dns1123Label, "a.b", ["must not contain dots"]],
    [dns1123Label, "x".repeat(64), ["must be no more than 63 characters"]],
    [dns1035Label, "abc-1", []],
    [pathSegment, "system:x", []],
    [pathSegment, "..", ["may not be '..'"]],
    [pathSegment, "a/b%", ["may not contain '/'", "may not contain '%'"]],
    [qualifiedName, "example.com/A_b", []],
    [qualifiedName, "/a", ["prefix part must be non-empty"]],
    [portName, "a--b", ["must not contain consecutive hyphens"]],
    [configMapKey, "..x", ["must not start with '..'"]],
  ] as const)("%o %s", (rule, name, messages) => {
    expect(rule(name as string)).toEqual(messages);
  });

  it("a generateName may end with a dash", () => {
    expect([dns1123Subdomain("web-"), dns1123Subdomain("web-", true)]).toEqual([[SUBDOMAIN], []]);
  });

  it("generated names fit a label, say no words and follow the seed", () => {
    const name = generateName("a".repeat(100), seededRandom(1));
    expect(name).toMatch(/^a{58}[bcdfghjklmnpqrstvwxz2456789]{5}$/);
    expect(generateName("a".repeat(100), seededRandom(1))).toBe(name);
  });
});

describe("metadata on create", () => {
  it.each<[string, ObjectMeta, string[]]>([
    ["good", { name: "a", namespace: "b" }, []],
    [
      "nothing",
      {},
      ["metadata.name: Required value: name or generateName is required", "metadata.namespace: Required value"],
    ],
    ["bad name", { name: "A", namespace: "b" }, [`metadata.name: Invalid value: "A": ${SUBDOMAIN}`]],
    [
      "generation",
      { name: "a", namespace: "b", generation: -1 },
      ["metadata.generation: Invalid value: -1: must be greater than or equal to 0"],
    ],
    [
      "too many annotations",
      { name: "a", namespace: "b", annotations: { k: "é".repeat(131_072) } },
      ["metadata.annotations: Too long: may not be more than 262144 bytes"],
    ],
    ["enough annotations", { name: "a", namespace: "b", annotations: { kk: "é".repeat(131_071) } }, []],
    [
      "finalizers",
      { name: "a", namespace: "b", finalizers: ["orphan", "foregroundDeletion"] },
      [
        'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',
      ],
    ],
    [
      "owner",
      { name: "a", namespace: "b", ownerReferences: [{ apiVersion: "apps/v1", kind: "", name: "x", uid: "1" }] },
      ['metadata.ownerReferences.kind: Invalid value: "": must not be empty'],
    ],
    [
      "two controllers",
      {
        name: "a",
        namespace: "b",
        ownerReferences: ["1", "2"].map((uid) => ({ apiVersion: "v1", kind: "A", name: uid, uid, controller: true })),
      },
      [
        'metadata.ownerReferences: Invalid value: [{"apiVersion":"v1","kind":"A","name":"1","uid":"1","controller":true},{"apiVersion":"v1","kind":"A","name":"2","uid":"2","controller":true}]: Only one reference can have Controller set to true. Found "true" in references for A/1 and A/2',
      ],
    ],
    [
      "managed fields",
      { name: "a", namespace: "b", managedFields: [{ operation: "Set", manager: "a\u0007" }] },
      [
        'metadata.managedFields[0].operation: Invalid value: "Set": must be `Apply` or `Update`',
        'metadata.managedFields[0].manager: Invalid value: "a\\a": invalid character U+0007 (at position 1)',
      ],
    ],
  ])("%s", (_, meta, expected) => {
    expect(lines(validateObjectMeta(meta, rules))).toEqual(expected);
  });

  it("a cluster-scoped kind has no namespace", () => {
    expect(lines(validateObjectMeta({ name: "a", namespace: "b" }, { ...rules, namespaced: false }))).toEqual([
      "metadata.namespace: Forbidden: not allowed on this type",
    ]);
  });
});

describe("metadata on update", () => {
  const old: ObjectMeta = {
    name: "a",
    namespace: "b",
    uid: "1",
    resourceVersion: "5",
    generation: 2,
    creationTimestamp: "2026-01-01T00:00:00Z",
  };
  it.each<[string, ObjectMeta, ObjectMeta, string[]]>([
    ["same", old, old, []],
    ["name", { ...old, name: "x" }, old, ['metadata.name: Invalid value: "x": field is immutable']],
    [
      "created",
      { ...old, creationTimestamp: null },
      old,
      ["metadata.creationTimestamp: Invalid value: null: field is immutable"],
    ],
    ["generation", { ...old, generation: 1 }, old, ["metadata.generation: Invalid value: 1: must not be decremented"]],
    [
      "version",
      { ...old, resourceVersion: "" },
      old,
      ['metadata.resourceVersion: Invalid value: "": must be specified for an update'],
    ],
    [
      "finalizers of a dying object",
      { ...old, deletionTimestamp: "2026-01-02T00:00:00Z", finalizers: ["x/b", "x/a"] },
      { ...old, deletionTimestamp: "2026-01-02T00:00:00Z", finalizers: ["x/b"] },
      [
        'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"x/a"}',
      ],
    ],
  ])("%s", (_, meta, before, expected) => {
    expect(lines(validateObjectMetaUpdate(meta, before))).toEqual(expected);
  });
});

describe("small things", () => {
  it("orders versions as discovery does", () => {
    const versions = ["v1alpha1", "foo", "v2", "v1", "v1beta1", "v10", "v1beta2", "bar", "v2alpha1"];
    expect(versions.sort(compareVersions)).toEqual([
      "v10",
      "v2",
      "v1",
      "v1beta2",
      "v1beta1",
      "v2alpha1",
      "v1alpha1",
      "bar",
      "foo",
    ]);
  });

  it("compares resource versions of any length and refuses others", () => {
    expect(compareResourceVersions("9", "10")).toBeLessThan(0);
    expect(compareResourceVersions("9".repeat(60), `1${"0".repeat(60)}`)).toBeLessThan(0);
    for (const bad of ["", "0", "01", "x", "1 ", "-1"]) expect(compareResourceVersions(bad, "1")).toBeUndefined();
    expect([parseResourceVersion(""), parseResourceVersion("0"), parseResourceVersion("42")]).toEqual([
      undefined,
      0,
      42,
    ]);
    expect(parseResourceVersion("18446744073709551615")).toBe(Number.POSITIVE_INFINITY);
    for (const bad of ["x", "-1", " 1", "1e3", "18446744073709551616", "9".repeat(1000)]) {
      expect(() => parseResourceVersion(bad)).toThrow(expect.objectContaining({ code: 400 }));
    }
  });

  it.each([
    ['a"b\\', '"a\\"b\\\\"'],
    ["\u0007\n\u0001\u007f", '"\\a\\n\\x01\\x7f"'],
    ["é😀", '"é😀"'],
    ["\u00ad\u200b\ufeff", '"\\u00ad\\u200b\\ufeff"'],
  ])("quotes %j as Go does", (text, quoted) => {
    expect(goQuote(text)).toBe(quoted);
  });

  it("prints floats as Go's %v", () => {
    expect([1.5, 1e-5, 1e21, 1500000.5, 100000, -0].map(goFloat)).toEqual([
      "1.5",
      "1e-05",
      "1e+21",
      "1.5000005e+06",
      "100000",
      "-0",
    ]);
  });
});
