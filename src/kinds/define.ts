/** What all built-in kinds share: how a definition is put together, and the rules every status sub-resource follows. */
import type { KubeObject } from "../api/meta.ts";
import { validateBuiltinFinalizers } from "../api/object-meta.ts";
import type { FieldError } from "../api/status.ts";
import type { RequestContext, ResourceDefinition, Strategy, Subresource, Verb } from "../server/resource.ts";
import type { ClusterAddresses } from "./core/service-addresses.ts";
import { deepCopy } from "./semantic.ts";
import { codecFor } from "./tables.ts";

/** What a stored kind answers to. */
export const ALL_VERBS: readonly Verb[] = [
  "create",
  "delete",
  "deletecollection",
  "get",
  "list",
  "patch",
  "update",
  "watch",
];
/** What `status` and `scale` answer to. */
export const STATUS_VERBS: readonly Verb[] = ["get", "patch", "update"];

/** Answers a create-only sub-resource with the object to send back. */
export type SubresourceCreate<T extends KubeObject = KubeObject> = (
  context: RequestContext,
  parent: T,
  body: KubeObject,
) => Promise<KubeObject> | KubeObject;

/** What the definitions need from other rooms; a sub-resource whose function is missing is not listed. */
export interface KindDeps {
  /** Endpoints and EndpointSlices may name loopback addresses: a cluster on one machine. Default false, as upstream. */
  readonly allowLoopbackEndpoints?: boolean;
  /** Cluster addresses of Services. */
  readonly addresses: ClusterAddresses;
  /** `serviceaccounts/token`: signs a token; the body is checked already. */
  readonly createToken?: SubresourceCreate;
}

/** A definition whose regular parts follow from its kind. */
export type KindSketch<T extends KubeObject> = Omit<
  ResourceDefinition<T>,
  "listKind" | "plural" | "singular" | "verbs" | "codec" | "storagePrefix"
> &
  Partial<Pick<ResourceDefinition<T>, "listKind" | "plural" | "singular" | "verbs" | "storagePrefix">> & {
    /** Finalizers without a domain are accepted (kinds whose validation is not core's). */
    readonly plainFinalizers?: boolean;
  };

export function defineKind<T extends KubeObject>(sketch: KindSketch<T>): ResourceDefinition<T> {
  const { plainFinalizers, ...rest } = sketch;
  const singular = rest.singular ?? rest.kind.toLowerCase();
  const plural = rest.plural ?? `${singular}s`;
  const { group, version, kind } = rest;
  return {
    ...rest,
    listKind: rest.listKind ?? `${kind}List`,
    singular,
    plural,
    verbs: rest.verbs ?? ALL_VERBS,
    codec: codecFor<T>({ group, version, kind }),
    storagePrefix: rest.storagePrefix ?? `/registry/${plural}/`,
    strategy: plainFinalizers ? rest.strategy : checkingFinalizers(rest.strategy),
    subresources: rest.subresources?.map((sub) =>
      sub.strategy === undefined || plainFinalizers ? sub : { ...sub, strategy: checkingFinalizers(sub.strategy) },
    ),
  };
}

function finalizerErrors(object: KubeObject): FieldError[] {
  return (object.metadata.finalizers ?? []).flatMap((name, index) =>
    validateBuiltinFinalizers([name], `metadata.finalizers[${index}]`),
  );
}

function checkingFinalizers<T extends KubeObject>(strategy: Strategy<T>): Strategy<T> {
  return {
    ...strategy,
    validate: (object, context) => [...finalizerErrors(object), ...(strategy.validate?.(object, context) ?? [])],
    validateUpdate: (object, old, context) => [
      ...finalizerErrors(object),
      ...(strategy.validateUpdate?.(object, old, context) ?? []),
    ],
  };
}

/** Takes a field from the stored object: whoever writes may not change it here. */
export function keep<T extends KubeObject>(object: T, old: T, field: string): void {
  const value = (old as KubeObject)[field];
  if (value === undefined) delete (object as KubeObject)[field];
  else (object as KubeObject)[field] = deepCopy(value);
}

/** Takes a part of the metadata from the stored object. */
export function keepMeta(
  object: KubeObject,
  old: KubeObject,
  field: "labels" | "annotations" | "finalizers" | "ownerReferences",
): void {
  const value = old.metadata[field];
  if (value === undefined) delete object.metadata[field];
  else (object.metadata as Record<string, unknown>)[field] = deepCopy(value);
}

/** `status`: everything but what `prepareForUpdate` leaves alone is taken from the stored object. */
export function statusSubresource<T extends KubeObject>(strategy: Strategy<T>): Subresource<T> {
  return { name: "status", verbs: STATUS_VERBS, strategy };
}

/** `status` of kinds whose metadata cannot be written through it. */
export function statusOnly<T extends KubeObject>(
  strategy: Strategy<T>,
  validate: (object: T) => FieldError[],
): Subresource<T> {
  return statusSubresource<T>({
    ...(strategy.setDefaults && { setDefaults: strategy.setDefaults }),
    prepareForUpdate(object, old) {
      keep(object, old, "spec");
      for (const field of ["labels", "annotations", "finalizers", "ownerReferences"] as const)
        keepMeta(object, old, field);
    },
    validateUpdate: validate,
  });
}
