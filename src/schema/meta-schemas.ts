/** Schemas of what every object carries, for documents whose kinds come without tables. */
import type { Schema } from "./types.ts";

export const META_V1 = "io.k8s.apimachinery.pkg.apis.meta.v1.";

const string = (description: string): Schema => ({ type: "string", description });
const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${META_V1}${name}` });
const strings = (description: string): Schema => ({
  type: "object",
  description,
  additionalProperties: { type: "string" },
});

const typeMeta: Record<string, Schema> = {
  apiVersion: string("The version of the schema of this object: group and version, such as apps/v1."),
  kind: string("The kind of this object in CamelCase. Cannot be updated."),
};

const schemas: Record<string, Schema> = {
  Time: { type: "string", format: "date-time", description: "A time in RFC 3339 with seconds." },
  FieldsV1: { type: "object", description: "A set of fields as a trie." },
  Patch: { type: "object", description: "A patch in the format its media type names." },
  ListMeta: {
    type: "object",
    description: "The metadata of lists.",
    properties: {
      continue: string("The token of the next page."),
      remainingItemCount: { type: "integer", format: "int64", description: "How many items follow on later pages." },
      resourceVersion: string("The version of the list, to watch from."),
      selfLink: string("Deprecated and empty."),
    },
  },
  OwnerReference: {
    type: "object",
    description: "Names an object that owns this one, in the same namespace or cluster-scoped.",
    required: ["apiVersion", "kind", "name", "uid"],
    properties: {
      apiVersion: string("API version of the owner."),
      blockOwnerDeletion: {
        type: "boolean",
        description: "The owner cannot go in the foreground before this object is gone.",
      },
      controller: { type: "boolean", description: "This owner is the managing controller." },
      kind: string("Kind of the owner."),
      name: string("Name of the owner."),
      uid: string("UID of the owner."),
    },
    "x-kubernetes-map-type": "atomic",
  },
  ManagedFieldsEntry: {
    type: "object",
    description: "The fields one manager set, and how.",
    properties: {
      apiVersion: string("The version in which the fields are given."),
      fieldsType: string("FieldsV1."),
      fieldsV1: ref("FieldsV1"),
      manager: string("Who set the fields."),
      operation: string("Apply or Update."),
      subresource: string("The sub-resource through which the fields were set."),
      time: ref("Time"),
    },
  },
  ObjectMeta: {
    type: "object",
    description: "The metadata that every persisted object has.",
    properties: {
      annotations: strings("Unstructured data that tools keep with the object."),
      creationTimestamp: ref("Time"),
      deletionGracePeriodSeconds: {
        type: "integer",
        format: "int64",
        description: "Seconds of grace before removal. Read-only.",
      },
      deletionTimestamp: ref("Time"),
      finalizers: {
        type: "array",
        description: "Must be empty before the object is removed.",
        items: { type: "string" },
        "x-kubernetes-list-type": "set",
      },
      generateName: string("A prefix from which the server makes a unique name when none is given."),
      generation: {
        type: "integer",
        format: "int64",
        description: "Grows with every change of the desired state. Read-only.",
      },
      labels: strings("Keys and values by which objects are organised and selected."),
      managedFields: {
        type: "array",
        description: "Which manager set which fields.",
        items: ref("ManagedFieldsEntry"),
        "x-kubernetes-list-type": "atomic",
      },
      name: string("Unique within a namespace. Cannot be updated."),
      namespace: string("The space within which the name must be unique. Cannot be updated."),
      ownerReferences: {
        type: "array",
        description: "The objects this one depends on.",
        items: ref("OwnerReference"),
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["uid"],
      },
      resourceVersion: string("Changes with every write; opaque to clients. Read-only."),
      selfLink: string("Deprecated and empty."),
      uid: string("Unique in time and space. Read-only."),
    },
  },
  Preconditions: {
    type: "object",
    description: "Must hold before the operation is carried out.",
    properties: { resourceVersion: string("The expected version."), uid: string("The expected UID.") },
  },
  DeleteOptions: {
    type: "object",
    description: "Options of a delete.",
    properties: {
      ...typeMeta,
      dryRun: { type: "array", items: { type: "string" }, description: "All: nothing is persisted." },
      gracePeriodSeconds: { type: "integer", format: "int64", description: "Seconds before the object is deleted." },
      orphanDependents: { type: "boolean", description: "Deprecated: use propagationPolicy." },
      preconditions: ref("Preconditions"),
      propagationPolicy: string("Orphan, Background or Foreground."),
    },
  },
  StatusCause: {
    type: "object",
    description: "One reason of a failure.",
    properties: {
      field: string("The field at fault."),
      message: string("For humans."),
      reason: string("For machines."),
    },
  },
  StatusDetails: {
    type: "object",
    description: "What a Status is about.",
    properties: {
      causes: { type: "array", items: ref("StatusCause"), description: "More about the failure." },
      group: string("The group of the resource."),
      kind: string("The resource or kind."),
      name: string("The name of the object."),
      retryAfterSeconds: { type: "integer", format: "int32", description: "Seconds before a retry makes sense." },
      uid: string("The UID of the object."),
    },
  },
  Status: {
    type: "object",
    description: "The outcome of a call that returns no other object.",
    properties: {
      ...typeMeta,
      code: { type: "integer", format: "int32", description: "The HTTP status." },
      details: ref("StatusDetails"),
      message: string("For humans."),
      metadata: ref("ListMeta"),
      reason: string("For machines."),
      status: string("Success or Failure."),
    },
    "x-kubernetes-group-version-kind": [{ group: "", version: "v1", kind: "Status" }],
  },
};

export const META: { readonly typeMeta: Record<string, Schema>; readonly schemas: Record<string, Schema> } = {
  typeMeta,
  schemas: Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [META_V1 + name, schema])),
};
