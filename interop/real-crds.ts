/**
 * Installs the definitions in a folder of manifests, makes an object of each with no more than its schema requires, and prints what became of them.
 *
 *     node interop/real-crds.ts FOLDER [--kubeconfig FILE] [--keep]
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadAll } from "js-yaml";
import { conditionOf, DEFINITIONS } from "./crd.ts";
import { eventually } from "./story.ts";
import { openTarget, uniqueName } from "./target.ts";

interface SchemaSketch {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, SchemaSketch>>;
  readonly required?: readonly string[];
  readonly items?: SchemaSketch;
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly minItems?: number;
  readonly minLength?: number;
  readonly format?: string;
}

interface DefinitionManifest {
  readonly kind?: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly group: string;
    readonly scope: string;
    readonly names: { readonly kind: string; readonly plural: string };
    readonly versions: readonly {
      readonly name: string;
      readonly served: boolean;
      readonly schema?: { readonly openAPIV3Schema?: SchemaSketch };
    }[];
  };
}

function* filesOf(path: string): Generator<string> {
  if (!statSync(path).isDirectory()) return yield path;
  for (const name of readdirSync(path).sort()) {
    const inner = join(path, name);
    if (statSync(inner).isDirectory() || /\.(ya?ml|json)$/.test(name)) yield* filesOf(inner);
  }
}

/** The least that the schema asks for; rules in CEL and patterns may ask for more. */
function least(schema: SchemaSketch): unknown {
  if (schema.default !== undefined) return schema.default;
  if (schema.enum !== undefined) return schema.enum[0];
  switch (schema.type) {
    case "object":
      return Object.fromEntries(
        (schema.required ?? []).map((name) => [name, least(schema.properties?.[name] ?? { type: "string" })]),
      );
    case "array":
      return Array.from({ length: schema.minItems ?? 0 }, () => least(schema.items ?? {}));
    case "integer":
    case "number":
      return schema.minimum ?? 1;
    case "boolean":
      return true;
    default:
      if (schema.format === "date-time") return "2026-01-01T00:00:00Z";
      return "x".repeat(Math.max(1, schema.minLength ?? 1));
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { kubeconfig: { type: "string" }, keep: { type: "boolean", default: false } },
});
const [folder] = positionals;
const kubeconfig = values.kubeconfig ?? process.env["KUBECONFIG"];
if (folder === undefined || kubeconfig === undefined) {
  console.error("real-crds.ts FOLDER --kubeconfig FILE [--keep]");
  process.exit(1);
}
const target = openTarget(kubeconfig);
const namespace = uniqueName("real");
await target.call("POST", "/api/v1/namespaces", { body: { metadata: { name: namespace } } });

async function verdict(manifest: DefinitionManifest): Promise<string> {
  const { metadata, spec } = manifest;
  const path = `${DEFINITIONS}/${metadata.name}`;
  const made = await target.call("POST", DEFINITIONS, { body: manifest });
  if (made.status !== 201) return `refused ${made.status}: ${made.json.message}`;
  try {
    const { json } = await eventually(
      () => target.call("GET", path),
      (answer) => conditionOf(answer.json, "Established")?.status === "True",
    );
    // biome-ignore lint/suspicious/noExplicitAny: read from an answer
    const conditions = json.status.conditions.map((one: any) => `${one.type}=${one.status}`).sort();
    const objects: string[] = [];
    for (const { name: version, served, schema } of spec.versions) {
      if (!served) continue;
      const where = spec.scope === "Namespaced" ? `namespaces/${namespace}/` : "";
      const base = `/apis/${spec.group}/${version}/${where}${spec.names.plural}`;
      await eventually(
        () => target.call("GET", base),
        (answer) => answer.status === 200,
      );
      const body = {
        ...(least({ ...schema?.openAPIV3Schema, default: undefined }) as object),
        apiVersion: `${spec.group}/${version}`,
        kind: spec.names.kind,
        metadata: { name: `sample-${version}` },
      };
      const object = await target.call("POST", base, { body });
      const table = await target.call("GET", base, {
        headers: { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" },
      });
      // biome-ignore lint/suspicious/noExplicitAny: as above
      const columns = table.json.columnDefinitions?.map((one: any) => one.name).join(",");
      const { metadata: _, ...content } = object.json;
      const outcome = object.status === 201 ? JSON.stringify(sorted(content)) : sortedMessage(object.json.message);
      objects.push(`  ${version} ${object.status} ${outcome}\n  ${version} columns ${columns}`);
    }
    return [`established ${conditions.join(" ")}`, ...objects].join("\n");
  } finally {
    if (!values.keep) {
      await target.call("DELETE", path);
      await eventually(
        () => target.call("GET", path),
        (answer) => answer.status === 404,
      );
    }
  }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, inner]) => [name, sorted(inner)]),
  );
}

/** Several errors come in no order from a real server. */
function sortedMessage(message: string): string {
  const list = /^(.*? is invalid: )\[(.*)\]$/s.exec(message);
  return list === null
    ? message
    : `${list[1]}[${list[2]!
        .split(/, (?=[\w.[\]<>]+: )/)
        .sort()
        .join(", ")}]`;
}

let failed = 0;
for (const file of filesOf(folder)) {
  for (const document of loadAll(readFileSync(file, "utf8")) as (DefinitionManifest | null)[]) {
    if (document?.kind !== "CustomResourceDefinition") continue;
    const text = await verdict(document);
    if (!text.startsWith("established")) failed++;
    console.log(`${document.metadata.name}: ${text}`);
  }
}
await target.call("DELETE", `/api/v1/namespaces/${namespace}`);
console.log(failed === 0 ? "all were established" : `${failed} were not established`);
process.exit(failed === 0 ? 0 : 1);
