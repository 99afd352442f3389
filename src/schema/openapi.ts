/** The OpenAPI v3 document of one group-version, as far as clients read it: `kubectl explain`, validation, and the probes of `kubectl apply` (spec: apiserver 7.4). */
import { apiVersionOf, type GroupVersion, type GroupVersionKind, type JSONValue } from "../api/meta.ts";
import { META, META_V1 } from "./meta-schemas.ts";
import type { Schema } from "./types.ts";

export interface OpenAPISubresource {
  readonly name: string;
  readonly verbs: readonly string[];
  /** When it is not the parent's. */
  readonly kind?: GroupVersionKind;
  readonly schemaName?: string;
}

export interface OpenAPIResource {
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
  /** The name of the kind's component schema. */
  readonly schemaName: string;
  /** The name of the list's; built from the kind's when no schema of that name is given. */
  readonly listSchemaName?: string;
  readonly subresources?: readonly OpenAPISubresource[];
  /** It takes strategic merge patches: kubectl sends what the document promises. Default false. */
  readonly strategicMerge?: boolean;
}

export interface OpenAPIDocument {
  openapi: "3.0.0";
  info: { title: string; version: string };
  paths: Record<string, JSONValue>;
  components: { schemas: Record<string, Schema> };
}

export interface OpenAPIOptions extends GroupVersion {
  readonly resources: readonly OpenAPIResource[];
  /** Component schemas by name; those of metadata are added where missing. */
  readonly schemas: Readonly<Record<string, Schema>>;
  /** The server's version, such as `v1.36.3`. */
  readonly serverVersion: string;
}

export function schemaRef(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

/** The component name of a kind that Kubernetes did not define: `com.example.stable.v1.CronTab`. */
export function schemaNameOf({ group, version, kind }: GroupVersionKind): string {
  return [...group.split(".").reverse(), version, kind].join(".");
}

/** A schema as published for an object: apiVersion, kind and metadata described, and the kind it belongs to named. */
export function objectSchema(gvk: GroupVersionKind, schema: Schema): Schema {
  return {
    ...schema,
    type: "object",
    properties: {
      ...META.typeMeta,
      ...schema.properties,
      metadata: { description: "Standard object metadata.", allOf: [schemaRef(`${META_V1}ObjectMeta`)], default: {} },
    },
    "x-kubernetes-group-version-kind": [{ group: gvk.group, version: gvk.version, kind: gvk.kind }],
  };
}

function listSchema(gvk: GroupVersionKind, itemSchema: string): Schema {
  return {
    description: `${gvk.kind}List is a list of ${gvk.kind}`,
    type: "object",
    required: ["items"],
    properties: {
      ...META.typeMeta,
      items: { type: "array", items: schemaRef(itemSchema), description: `List of ${gvk.kind}.` },
      metadata: { description: "Standard list metadata.", allOf: [schemaRef(`${META_V1}ListMeta`)], default: {} },
    },
    "x-kubernetes-group-version-kind": [{ group: gvk.group, version: gvk.version, kind: `${gvk.kind}List` }],
  };
}

/** Builds the document; nothing in it is shared with a later one but the schemas given. */
export function openAPIDocument(options: OpenAPIOptions): OpenAPIDocument {
  const { group, version, resources } = options;
  const base = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  const schemas: Record<string, Schema> = { ...META.schemas, ...options.schemas };
  const paths: Record<string, JSONValue> = {};
  const naming = namer(options);
  for (const resource of resources) {
    const gvk = { group, version, kind: resource.kind };
    const listName = resource.listSchemaName ?? `${resource.schemaName}List`;
    if (resource.verbs.includes("list") && !Object.hasOwn(schemas, listName)) {
      schemas[listName] = listSchema(gvk, resource.schemaName);
    }
    const place = resource.namespaced
      ? `${base}/namespaces/{namespace}/${resource.plural}`
      : `${base}/${resource.plural}`;
    const common = resource.namespaced ? [NAMESPACE] : [];
    const has = (verb: string) => resource.verbs.includes(verb);
    const operation = (verb: string, action: string, middle = resource.namespaced ? "Namespaced" : "", tail = "") =>
      describeOperation(options, naming(verb, middle + resource.kind + tail), action, gvk);
    const body = schemaRef(resource.schemaName);

    const collection: Record<string, JSONValue> = {};
    if (has("list")) {
      collection["get"] = {
        ...operation("list", "list"),
        parameters: LIST_PARAMETERS,
        ...answers(200, schemaRef(listName)),
      };
    }
    if (has("create")) {
      collection["post"] = {
        ...operation("create", "post"),
        parameters: WRITE_PARAMETERS,
        ...takes(body),
        ...answers(201, body),
      };
    }
    if (has("deletecollection")) {
      collection["delete"] = {
        ...operation("delete", "deletecollection", resource.namespaced ? "CollectionNamespaced" : "Collection"),
        parameters: [...LIST_PARAMETERS, ...DELETE_PARAMETERS],
        ...answers(200, schemaRef(`${META_V1}Status`)),
      };
    }
    if (Object.keys(collection).length > 0) paths[place] = { ...collection, parameters: [...common, PRETTY] };
    if (resource.namespaced && has("list")) {
      paths[`${base}/${resource.plural}`] = {
        get: { ...operation("list", "list", "", "ForAllNamespaces"), ...answers(200, schemaRef(listName)) },
        parameters: [...LIST_PARAMETERS, PRETTY],
      };
    }
    const itemVerbs = resource.verbs.filter((verb) => verb !== "create");
    const { strategicMerge = false } = resource;
    const item = itemOperations(itemVerbs, body, strategicMerge, (verb, action) => operation(verb, action));
    if (Object.keys(item).length > 0) {
      paths[`${place}/{name}`] = { ...item, parameters: [nameParameter(resource.kind), ...common, PRETTY] };
    }
    for (const subresource of resource.subresources ?? []) {
      const subKind = subresource.kind ?? gvk;
      const tail = subresource.name.charAt(0).toUpperCase() + subresource.name.slice(1);
      const schema =
        subresource.schemaName ?? (subresource.kind ? schemaNameOf(subresource.kind) : resource.schemaName);
      const known = Object.hasOwn(schemas, schema);
      const operations = itemOperations(
        subresource.verbs,
        known ? schemaRef(schema) : { type: "object" },
        strategicMerge,
        (verb, action) => {
          const middle = (resource.namespaced ? "Namespaced" : "") + resource.kind + tail;
          return describeOperation(options, naming(verb, middle), action, subKind);
        },
      );
      if (Object.keys(operations).length > 0) {
        paths[`${place}/{name}/${subresource.name}`] = {
          ...operations,
          parameters: [nameParameter(resource.kind), ...common, PRETTY],
        };
      }
    }
  }
  return {
    openapi: "3.0.0",
    info: { title: "Kubernetes", version: options.serverVersion },
    paths,
    components: { schemas },
  };
}

type Describe = (verb: string, action: string) => Record<string, JSONValue>;

function itemOperations(
  verbs: readonly string[],
  body: Schema,
  strategicMerge: boolean,
  describe: Describe,
): Record<string, JSONValue> {
  const patchTypes = strategicMerge ? [...PATCH_TYPES, STRATEGIC_MERGE_PATCH] : PATCH_TYPES;
  const operations: Record<string, JSONValue> = {};
  if (verbs.includes("get")) operations["get"] = { ...describe("read", "get"), ...answers(200, body) };
  if (verbs.includes("update")) {
    operations["put"] = {
      ...describe("replace", "put"),
      parameters: WRITE_PARAMETERS,
      ...takes(body),
      ...answers(200, body, 201),
    };
  }
  if (verbs.includes("create")) {
    operations["post"] = {
      ...describe("create", "post"),
      parameters: WRITE_PARAMETERS,
      ...takes(body),
      ...answers(201, body),
    };
  }
  if (verbs.includes("delete")) {
    operations["delete"] = {
      ...describe("delete", "delete"),
      parameters: DELETE_PARAMETERS,
      ...takes(schemaRef(`${META_V1}DeleteOptions`), false),
      ...answers(200, schemaRef(`${META_V1}Status`), 202),
    };
  }
  if (verbs.includes("patch")) {
    operations["patch"] = {
      ...describe("patch", "patch"),
      // kubectl asks whether these exist before it uses them.
      parameters: [...WRITE_PARAMETERS, FORCE],
      requestBody: {
        content: Object.fromEntries(patchTypes.map((type) => [type, { schema: schemaRef(`${META_V1}Patch`) }])),
        required: true,
      } as unknown as JSONValue,
      ...answers(200, body, 201),
    };
  }
  return operations;
}

const MEDIA_TYPES = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
const PATCH_TYPES = ["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"];
const STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json";

function answers(code: number, schema: Schema, also?: number): Record<string, JSONValue> {
  const content = Object.fromEntries(MEDIA_TYPES.map((type) => [type, { schema }]));
  const answer = (text: string) => ({ description: text, content }) as unknown as JSONValue;
  const responses: Record<string, JSONValue> = { [code]: answer(TEXTS[code]!) };
  if (also !== undefined) responses[also] = answer(TEXTS[also]!);
  responses["401"] = { description: "Unauthorized" };
  return { responses };
}

const TEXTS: Record<number, string> = { 200: "OK", 201: "Created", 202: "Accepted" };

function takes(schema: Schema, required = true): Record<string, JSONValue> {
  const requestBody: Record<string, unknown> = { content: { "*/*": { schema } } };
  if (required) requestBody["required"] = true;
  return { requestBody: requestBody as JSONValue };
}

function describeOperation(
  gv: GroupVersion,
  operationId: string,
  action: string,
  gvk: GroupVersionKind,
): Record<string, JSONValue> {
  const tag = camel(gv.group === "" ? "core" : shortGroup(gv.group), false);
  return {
    tags: [`${tag}_${gv.version}`],
    operationId,
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": { group: gvk.group, version: gvk.version, kind: gvk.kind },
  };
}

function shortGroup(group: string): string {
  return group.replace(/\.k8s\.io$/, "");
}

function camel(dotted: string, first = true): string {
  const parts = dotted.split(/[.-]/).map((part) => part.charAt(0).toUpperCase() + part.slice(1));
  const text = parts.join("");
  return first ? text : text.charAt(0).toLowerCase() + text.slice(1);
}

/** `list` + `StableExampleComV1` + `NamespacedCronTab`. */
function namer({ group, version }: GroupVersion): (verb: string, rest: string) => string {
  const middle = camel(group === "" ? "core" : shortGroup(group)) + camel(version);
  return (verb, rest) => verb + middle + rest;
}

const text = { type: "string", uniqueItems: true };
const flag = { type: "boolean", uniqueItems: true };
const count = { type: "integer", uniqueItems: true };

function query(name: string, schema: Record<string, JSONValue>, description: string): JSONValue {
  return { name, in: "query", description, schema };
}

const PRETTY = query("pretty", text, "If 'true', then the output is pretty printed.");
const FORCE = query("force", flag, "Take over fields that other managers own. Only for apply requests.");
const DRY_RUN = query(
  "dryRun",
  text,
  "When present, nothing is persisted. The only valid value is All: all stages are processed.",
);
const WRITE_PARAMETERS: JSONValue[] = [
  DRY_RUN,
  query("fieldManager", text, "The name of the actor that makes these changes: at most 128 printable characters."),
  query("fieldValidation", text, "What happens to unknown and duplicate fields: Ignore, Warn (the default) or Strict."),
];
const DELETE_PARAMETERS: JSONValue[] = [
  DRY_RUN,
  query("gracePeriodSeconds", count, "Seconds before the object is deleted; zero means at once."),
  query("orphanDependents", flag, "Deprecated: use propagationPolicy."),
  query("propagationPolicy", text, "Orphan, Background or Foreground: what happens to dependents."),
];
const LIST_PARAMETERS: JSONValue[] = [
  query("allowWatchBookmarks", flag, "Asks for events of type BOOKMARK."),
  query("continue", text, "The continue token of the previous page."),
  query("fieldSelector", text, "Restricts the objects by their fields."),
  query("labelSelector", text, "Restricts the objects by their labels."),
  query("limit", count, "The most objects to return in one page."),
  query("resourceVersion", text, "Which versions may be served."),
  query("resourceVersionMatch", text, "How resourceVersion applies to a list."),
  query("sendInitialEvents", flag, "Begins a watch with the current state."),
  query("timeoutSeconds", count, "How long the call may last."),
  query("watch", flag, "Streams changes instead of a list."),
];
const NAMESPACE: JSONValue = {
  name: "namespace",
  in: "path",
  description: "object name and auth scope, such as for teams and projects",
  required: true,
  schema: text,
};

function nameParameter(kind: string): JSONValue {
  return { name: "name", in: "path", description: `name of the ${kind}`, required: true, schema: text };
}

/** The address of a group-version's document below `/openapi/v3/`. */
export function openAPIPath(gv: GroupVersion): string {
  return gv.group === "" ? `api/${gv.version}` : `apis/${apiVersionOf(gv)}`;
}
