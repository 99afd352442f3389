/** What may stand in a CustomResourceDefinition, and what a change of it may not do: causes word for word. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CustomResourceDefinition } from "../../src/kinds/generated/types.ts";
import { eventually, story } from "../story.ts";
import { uniqueName } from "../target.ts";

const { target } = story();
const DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

interface Cause {
  readonly reason: string;
  readonly field: string;
  readonly message: string;
}

/** A line of the file that the kind's own tests replay. */
interface Recorded {
  readonly name: string;
  readonly definition: unknown;
  readonly errors?: readonly (readonly [string, string, string])[];
  readonly refused?: readonly [number, string];
  readonly stored?: { readonly spec: unknown; readonly status: unknown };
}

const file = join(import.meta.dirname, "../../src/kinds/apiextensions/testdata/definitions.jsonl");
const recorded = readFileSync(file, "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Recorded);

// biome-ignore lint/suspicious/noExplicitAny: whatever the server answered
function causesOf(json: any): string[] {
  return (json.details?.causes ?? [])
    .map(({ reason, field, message }: Cause) => `${field} ${reason} ${message}`)
    .sort();
}

describe("a new definition", () => {
  it.each(recorded)("$name", async ({ definition, errors, refused, stored }) => {
    const answer = await target.call("POST", `${DEFINITIONS}?dryRun=All&fieldValidation=Ignore`, { body: definition });
    const expected = (errors ?? []).map(([reason, field, message]) => `${field} ${reason} ${message}`).sort();
    if (stored !== undefined) {
      expect(answer.status, answer.text).toBe(201);
      const { spec, status } = answer.json;
      expect({ spec, status }).toEqual(stored);
    } else if (refused !== undefined) expect([answer.status, answer.json.message]).toEqual(refused);
    else {
      expect(answer.status).toBe(422);
      expect(causesOf(answer.json)).toEqual(expected);
    }
  });

  it("says which formats nobody checks", async () => {
    const body = definitionOf("odd", { type: "object", properties: { a: { type: "string", format: "odd" } } });
    const answer = await target.call("POST", `${DEFINITIONS}?dryRun=All`, { body });
    expect(answer.headers["warning"]).toBe('299 - "unrecognized format \\"odd\\""');
  });
});

function definitionOf(group: string, schema: unknown = { type: "object" }, spec: object = {}): unknown {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `foos.${group}.example.com` },
    spec: {
      group: `${group}.example.com`,
      scope: "Namespaced",
      names: { plural: "foos", kind: "Foo" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema } }],
      ...spec,
    },
  };
}

describe("a change of an established definition", () => {
  const group = uniqueName("held");
  const path = `${DEFINITIONS}/foos.${group}.example.com`;
  const rule = { rule: "self != 'q'" };
  const schema = {
    type: "object",
    properties: { a: { type: "string", maxLength: 5, "x-kubernetes-validations": [rule] } },
  };

  beforeAll(async () => {
    const made = await target.call("POST", DEFINITIONS, { body: definitionOf(group, schema) });
    expect(made.status, made.text).toBe(201);
    const established = ({ status }: CustomResourceDefinition) =>
      status?.conditions?.some((condition) => condition.type === "Established" && condition.status === "True") ?? false;
    const object = await eventually(async () => (await target.call("GET", path)).json, established);
    expect(established(object)).toBe(true);
  });
  afterAll(() => target.call("DELETE", path));

  const change = async (edit: (object: CustomResourceDefinition) => void, subresource = "") => {
    const object = (await target.call("GET", path)).json as CustomResourceDefinition;
    edit(object);
    return target.call("PUT", `${path}${subresource}?dryRun=All`, { body: object });
  };
  const rootOf = (object: CustomResourceDefinition) => object.spec.versions![0]!.schema!.openAPIV3Schema!;
  const webhook = (caBundle: string) => ({
    strategy: "Webhook",
    webhook: { clientConfig: { url: "https://a", caBundle: btoa(caBundle) }, conversionReviewVersions: ["v1"] },
  });
  const immutable = (field: string, value: string) =>
    `${field} FieldValueInvalid Invalid value: "${value}": field is immutable`;

  it.each<[string, (object: CustomResourceDefinition) => void, string[]]>([
    ["the scope", ({ spec }) => (spec.scope = "Cluster"), [immutable("spec.scope", "Cluster")]],
    ["the kind", ({ spec }) => (spec.names.kind = "Bar"), [immutable("spec.names.kind", "Bar")]],
    [
      "the version objects are stored in",
      ({ spec }) => (spec.versions![0]!.name = "v2"),
      [
        'status.storedVersions[0] FieldValueInvalid Invalid value: "v1": missing from spec.versions; v1 was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in v1 and removes v1 from status.storedVersions',
      ],
    ],
    [
      "to a schema that is not structural",
      (object) => (rootOf(object).properties = { a: {} }),
      [
        "spec.validation.openAPIV3Schema.properties[a].type FieldValueRequired Required value: must not be empty for specified object fields",
      ],
    ],
    [
      "to a rule that does not compile",
      (object) => (rootOf(object).properties!["a"]!["x-kubernetes-validations"] = [{ rule: "nope" }]),
      [
        'spec.validation.openAPIV3Schema.properties[a].x-kubernetes-validations[0].rule FieldValueInvalid Invalid value: {"Rule":"nope","Message":"","MessageExpression":"","Reason":null,"FieldPath":"","OptionalOldSelf":null}: compilation failed: ERROR: <input>:1:1: undeclared reference to \'nope\' (in container \'\')\n | nope\n | ^',
      ],
    ],
    [
      "to a webhook nobody could trust",
      ({ spec }) => (spec.conversion = webhook("foo")),
      [
        'spec.conversion.webhookClientConfig.caBundle FieldValueInvalid Invalid value: "Zm9v": unable to load root certificates: unable to parse bytes as PEM block',
      ],
    ],
    [
      "to keep unknown fields everywhere",
      ({ spec }) => (spec.preserveUnknownFields = true),
      [
        "spec.preserveUnknownFields FieldValueInvalid Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
      ],
    ],
  ])("may not touch %s", async (_, edit, causes) => {
    const answer = await change(edit);
    expect(answer.status, answer.text).toBe(422);
    expect(causesOf(answer.json)).toEqual(causes);
  });

  it("raises the generation with the specification only", async () => {
    const before = (await target.call("GET", path)).json.metadata.generation;
    const labelled = await change(({ metadata }) => (metadata.labels = { a: "b" }));
    expect(labelled.json.metadata.generation).toBe(before);
    const changed = await change(({ spec }) => (spec.versions![0]!.subresources = { status: {} }));
    expect(changed.json.metadata.generation).toBe(before + 1);
  });

  it("remembers every version that objects were stored in", async () => {
    const answer = await change(({ spec, status }) => {
      const [first] = spec.versions!;
      spec.versions = [
        { ...first!, storage: false },
        { ...first!, name: "v2" },
      ];
      status!.storedVersions = [];
    });
    expect(answer.json.status.storedVersions).toEqual(["v1", "v2"]);
  });

  it("needs a resourceVersion", async () => {
    const answer = await change(({ metadata }) => delete metadata.resourceVersion);
    expect(answer.status).toBe(422);
    expect(causesOf(answer.json)).toEqual([
      "metadata.resourceVersion FieldValueInvalid Invalid value: 0: must be specified for an update",
    ]);
  });

  it("through its status touches nothing but status and metadata", async () => {
    const answer = await change((object) => {
      object.spec.scope = "Cluster";
      object.metadata.labels = { a: "b" };
      object.status!.storedVersions = ["v1", "v7"];
    }, "/status");
    expect(answer.status, answer.text).toBe(200);
    expect(answer.json.spec.scope).toBe("Namespaced");
    expect(answer.json.metadata.labels).toEqual({ a: "b" });
    expect(answer.json.status.storedVersions).toEqual(["v1", "v7"]);
  });
});
