/** One definition of a resource, served by functions, served from a store, or printed as a CustomResourceDefinition. */
import {
  apiVersionOf,
  type GroupVersion,
  type JSONObject,
  type KubeList,
  type KubeObject,
  type ObjectMeta,
} from "../api/meta.ts";
import { dns1035Label, dns1123Subdomain } from "../api/names.ts";
import { parseLabelSelector } from "../api/selectors.ts";
import { structuralCodec } from "../schema/codec.ts";
import { objectSchema, schemaNameOf } from "../schema/openapi.ts";
import type { StructuralSchema } from "../schema/structural.ts";
import type { Schema } from "../schema/types.ts";
import type { UserInfo } from "../server/identity.ts";
import type {
  RequestContext,
  ResourceDefinition,
  Strategy,
  Subresource,
  Verb,
  VirtualResource,
  WatchEvent,
} from "../server/resource.ts";
import type { ServedResource } from "../server/verbs/local-backend.ts";
import { type ColumnInput, columnsOf, selectableFields } from "./columns.ts";
import { customResourceDefinition, type ValidationRule } from "./crd.ts";
import { type ScalePaths, scaleSubresource } from "./scale.ts";
import { type Described, type SchemaInput, schemaOf } from "./schema-input.ts";
import type { Store } from "./store.ts";

/** An object of a defined resource. */
export type ResourceObject<Spec, Status> = KubeObject & { metadata: ObjectMeta; spec: Spec; status?: Status };

/** What an author returns: `apiVersion` and `kind` are filled in, and `metadata` needs only a name. */
export type Answer<T extends KubeObject> = Omit<T, "apiVersion" | "kind">;

export interface ResourceOptions<Spec extends SchemaInput, Status extends SchemaInput> {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** Default false: cluster-scoped. */
  readonly namespaced?: boolean;
  /** Default: the kind in lower case with an `s`. */
  readonly plural?: string;
  readonly singular?: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly description?: string;
  readonly spec: Spec;
  /** With a status schema the resource has a `status` sub-resource when it is stored. */
  readonly status?: Status;
  /**
   * The group-version the kind belongs to where it is not the resource's own: a path of one's own that speaks another server's kind, such as
   * a SubjectAccessReview of authorization.k8s.io/v1.
   */
  readonly kindOf?: GroupVersion;
  /** CEL rules over the whole object (`self.spec.…`); rules of one field stand in its schema. */
  readonly validations?: readonly ValidationRule[];
  /** A `scale` sub-resource: what `kubectl scale` and autoscalers read and write. */
  readonly scale?: ScalePaths;
  /** Paths that field selectors may name, such as `.spec.color`: strings, numbers and booleans. */
  readonly selectableFields?: readonly string[];
  /** Columns of `kubectl get`, between NAME and AGE: a title and a JSON path, or more about it. */
  readonly columns?: Readonly<Record<string, ColumnInput>>;
}

/** What a handler is told. */
export interface Asked {
  /** "" for a cluster-scoped resource, and for a list over all namespaces. */
  readonly namespace: string;
  /** "" in list and watch. */
  readonly name: string;
  readonly user: UserInfo;
  /** Aborts when the client is gone or the deadline passed. */
  readonly signal: AbortSignal;
  /** Adds a warning that `kubectl` prints. */
  warn(text: string): void;
}

export interface AskedForMany extends Asked {
  /** The label selector; what does not match is filtered out anyway. */
  readonly labels: { matches(labels: Readonly<Record<string, string>> | undefined): boolean; readonly text: string };
  /** The field selector as text. */
  readonly fields: string;
}

export interface AskedToWatch extends AskedForMany {
  /** The resourceVersion to continue after; "" or "0": begin with what exists. */
  readonly since: string;
}

export type Change<T extends KubeObject> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: Answer<T> }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string };

/**
 * A function for each verb that is to exist. Throw a StatusError (`notFound`, `invalid`, … of `tenon/api`) to refuse. `create`, `update` and
 * `delete` are never called for a dry run: it ends after validation, with the object as it was sent.
 */
export interface Handlers<T extends KubeObject> {
  /** undefined: there is none (404). */
  get?(asked: Asked): Promise<Answer<T> | undefined> | Answer<T> | undefined;
  list?(
    asked: AskedForMany,
  ):
    | Promise<readonly Answer<T>[] | { readonly items: readonly Answer<T>[]; readonly resourceVersion: string }>
    | readonly Answer<T>[]
    | { readonly items: readonly Answer<T>[]; readonly resourceVersion: string };
  watch?(asked: AskedToWatch): AsyncIterable<Change<T>>;
  create?(asked: Asked, object: T): Promise<Answer<T>> | Answer<T>;
  update?(asked: Asked, object: T, old: T | undefined): Promise<Answer<T>> | Answer<T>;
  delete?(asked: Asked): Promise<Answer<T> | undefined> | Answer<T> | undefined;
}

/** Something `createServer` can serve. */
export interface Served {
  /** Component schemas of its OpenAPI document, by name. */
  readonly schemas: Readonly<Record<string, Schema>>;
  readonly served: ServedResource;
  readonly store?: Store;
}

export interface ResourceType<T extends KubeObject = KubeObject> {
  readonly definition: ResourceDefinition<T>;
  /** Of the whole object, without what every object has: apiVersion, kind, metadata. */
  readonly schema: Schema;
  /** Served by functions. Discovery offers the verbs that have one. */
  serve(handlers: Handlers<T>): Served;
  /** Served from a store: all verbs, with `rules` around writes. */
  stored(store: Store, rules?: Strategy<T>): Served;
  /** The same resource as a CustomResourceDefinition. */
  toCRD(): KubeObject;
}

/** Throws a TypeError that names the field for names Kubernetes would not accept. */
export function defineResource<const Spec extends SchemaInput, const Status extends SchemaInput = Schema>(
  options: ResourceOptions<Spec, Status>,
): ResourceType<ResourceObject<Described<Spec>, Described<Status>>> {
  type T = ResourceObject<Described<Spec>, Described<Status>>;
  const { group, version, kind, kindOf } = options;
  const wire = { group, version, ...kindOf, kind };
  const singular = options.singular ?? kind.toLowerCase();
  const plural = options.plural ?? `${singular}s`;
  check("group", group, dns1123Subdomain(group, false), group.includes("."), "must have at least one dot");
  check("version", version, dns1035Label(version, false));
  check("kind", kind, dns1035Label(kind.toLowerCase(), false), /^[A-Z]/.test(kind), "must begin with a capital");
  check("plural", plural, dns1035Label(plural, false));

  const schema: Schema = {
    type: "object",
    ...(options.description !== undefined && { description: options.description }),
    properties: {
      spec: schemaOf(options.spec, "spec"),
      ...(options.status !== undefined && { status: schemaOf(options.status, "status") }),
    },
    ...(options.validations !== undefined && {
      "x-kubernetes-validations": options.validations.map((rule) => ({ ...rule })),
    }),
  };
  const codec = structuralCodec<T>(wire, schema);
  const { structure } = codec;
  const common = {
    group,
    version,
    kind,
    listKind: `${kind}List`,
    plural,
    singular,
    namespaced: options.namespaced ?? false,
    shortNames: options.shortNames ?? [],
    categories: options.categories ?? [],
    codec,
    nameRule: dns1123Subdomain,
    table: columnsOf<T>(options.columns ?? {}),
    storagePrefix: `/registry/${group}/${plural}/`,
    schemaName: schemaNameOf(wire),
    ...(options.selectableFields !== undefined && { fields: selectableFields<T>(options.selectableFields) }),
  };
  const schemas = { [common.schemaName]: objectSchema(wire, schema) };
  const apiVersion = apiVersionOf(wire);
  const named = (object: Answer<T>): T => ({ ...object, apiVersion, kind }) as T;

  const resource: ResourceType<T> = {
    schema,
    definition: { ...common, verbs: ALL_VERBS, strategy: {} },
    serve(handlers) {
      const definition = { ...common, verbs: verbsOf(handlers), strategy: validating<T>(structure) };
      return {
        schemas,
        served: {
          definition: definition as unknown as ResourceDefinition,
          virtual: virtualResource(handlers, named) as unknown as VirtualResource,
        },
      };
    },
    stored(store, rules = {}) {
      const definition: ResourceDefinition<T> = {
        ...common,
        verbs: ALL_VERBS,
        strategy: storedStrategy(rules, structure, options.status !== undefined),
        subresources: [
          ...(options.status !== undefined ? [statusSubresource(rules, structure)] : []),
          ...(options.scale !== undefined
            ? [scaleSubresource<T>(options.scale, storedStrategy(rules, structure, options.status !== undefined))]
            : []),
        ],
      };
      return {
        schemas,
        served: { definition: definition as unknown as ResourceDefinition },
        store,
      };
    },
    toCRD() {
      if (kindOf !== undefined) {
        throw new TypeError(
          `${kind} of ${kindOf.group}/${kindOf.version} is another server's kind: no definition can serve it`,
        );
      }
      return customResourceDefinition(common, schema, options);
    },
  };
  return resource;
}

const ALL_VERBS: readonly Verb[] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

function check(field: string, value: string, messages: readonly string[], also = true, text = ""): void {
  const problems = also ? messages : [...messages, text];
  if (problems.length > 0) throw new TypeError(`${field}: ${JSON.stringify(value)}: ${problems.join("; ")}`);
}

export function verbsOf<T extends KubeObject>(handlers: Handlers<T>): Verb[] {
  const verbs: Verb[] = [];
  if (handlers.create) verbs.push("create");
  if (handlers.delete) verbs.push("delete");
  if (handlers.get) verbs.push("get");
  if (handlers.list) verbs.push("list");
  if (handlers.update && handlers.get) verbs.push("patch");
  if (handlers.update) verbs.push("update");
  if (handlers.watch) verbs.push("watch");
  return verbs;
}

function asked(context: RequestContext): Asked {
  const { namespace, name, user, signal } = context;
  return { namespace, name, user, signal, warn: (text) => context.warn(text) };
}

function askedForMany(context: RequestContext, query: { labelSelector: string; fieldSelector: string }): AskedForMany {
  const selector = parseLabelSelector(query.labelSelector);
  return {
    ...asked(context),
    labels: { matches: (labels) => selector.matches(labels ?? {}), text: query.labelSelector },
    fields: query.fieldSelector,
  };
}

export function virtualResource<T extends KubeObject>(
  handlers: Handlers<T>,
  named: (object: Answer<T>) => T,
): VirtualResource<T> {
  const { get, list, watch, create, update, delete: remove } = handlers;
  const maybe = (object: Answer<T> | undefined) => (object === undefined ? undefined : named(object));
  return {
    ...(get && { get: async (context) => maybe(await get(asked(context))) }),
    ...(list && {
      async list(context, query): Promise<KubeList<T>> {
        const answer = await list(askedForMany(context, query));
        const { items, resourceVersion } = "items" in answer ? answer : { items: answer, resourceVersion: "" };
        return { apiVersion: "", kind: "", metadata: { resourceVersion }, items: items.map(named) };
      },
    }),
    ...(watch && {
      async *watch(context, query): AsyncIterable<WatchEvent> {
        for await (const change of watch({ ...askedForMany(context, query), since: query.resourceVersion })) {
          yield change.type === "BOOKMARK" ? change : { type: change.type, object: named(change.object) };
        }
      },
    }),
    ...(create && {
      create: async (context, object) => (context.dryRun ? object : named(await create(asked(context), object))),
    }),
    ...(update && {
      update: async (context, object, old) =>
        context.dryRun ? object : named(await update(asked(context), object, old)),
    }),
    ...(remove && {
      delete: async (context) =>
        context.dryRun ? maybe(await get?.(asked(context))) : maybe(await remove(asked(context))),
    }),
  };
}

/** The schema's own checks and rules, around the author's; what was wrong before an update and did not change may stay. */
function validating<T extends KubeObject>(structure: StructuralSchema, rules: Strategy<T> = {}): Strategy<T> {
  return {
    ...rules,
    validate: (object, context) => [
      ...structure.validate(asJSON(object)),
      ...(rules.validate?.(object, context) ?? []),
    ],
    validateUpdate: (object, old, context) => [
      ...structure.validateUpdate(asJSON(object), asJSON(old)),
      ...(rules.validateUpdate?.(object, old, context) ?? []),
    ],
    validateRules: async (object, old, errors, context) => [
      ...((await structure.validateRules(object, old, errors, (text) => context.warn(text))) ?? []),
      ...((await rules.validateRules?.(object, old, errors, context)) ?? []),
    ],
  };
}

const asJSON = (object: KubeObject) => object as unknown as JSONObject;

/** As custom resources behave: a status belongs to its sub-resource, and the generation counts changes beside metadata and status. */
function storedStrategy<T extends KubeObject>(
  rules: Strategy<T>,
  structure: StructuralSchema,
  hasStatus: boolean,
): Strategy<T> {
  return {
    allowUnconditionalUpdate: false,
    ...validating(structure, rules),
    prepareForCreate(object, context) {
      if (hasStatus) delete (object as KubeObject)["status"];
      object.metadata.generation = 1;
      rules.prepareForCreate?.(object, context);
    },
    prepareForUpdate(object, old, context) {
      if (hasStatus) keepStatus(object, old);
      const changed = JSON.stringify(object["spec"]) !== JSON.stringify(old["spec"]);
      object.metadata.generation = (old.metadata.generation ?? 1) + (changed ? 1 : 0);
      rules.prepareForUpdate?.(object, old, context);
    },
  };
}

function keepStatus(object: KubeObject, old: KubeObject): void {
  if (old["status"] === undefined) delete object["status"];
  else object["status"] = old["status"];
}

function statusSubresource<T extends KubeObject>(rules: Strategy<T>, structure: StructuralSchema): Subresource<T> {
  return {
    name: "status",
    verbs: ["get", "patch", "update"],
    strategy: {
      allowUnconditionalUpdate: false,
      resetFields: [["metadata"], ["spec"]],
      validateUpdate: (object, old, context) => [
        ...structure.validateStatusUpdate(asJSON(object), asJSON(old)),
        ...(rules.validateUpdate?.(object, old, context) ?? []),
      ],
      validateRules: (object, old, errors, context) => structure.validateRules(object, old, errors, context.warn),
      prepareForUpdate(object, old) {
        const written: KubeObject = object;
        const { status } = written;
        for (const field of Object.keys(written)) delete written[field];
        Object.assign(written, old, status === undefined ? {} : { status });
        if (status === undefined) delete written["status"];
      },
    },
  };
}
