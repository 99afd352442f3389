/** Who owns whom: every object by its uid, and for each the objects that name it as an owner, known or not. */
import type { KubeObject, OwnerReference } from "../../api/meta.ts";
import { FINALIZER_FOREGROUND, FINALIZER_ORPHAN } from "../../api/object-meta.ts";
import type { DiscoveredResource } from "../../client/discovery.ts";

export interface Node {
  readonly resource: DiscoveredResource;
  /** `group/version`, as owner references have it. */
  readonly apiVersion: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  owners: readonly OwnerReference[];
  beingDeleted: boolean;
  /** It goes when its dependents are gone. */
  deletingDependents: boolean;
}

/** What a change asks to be looked at. */
export interface GraphEvents {
  /** It may have to be deleted, or may have become free to go. */
  examine(node: Node): void;
  /** It is deleted and leaves its dependents behind. */
  orphan(node: Node): void;
  /** It names an owner that lives in another namespace. */
  foreignOwner(node: Node, owner: OwnerReference): void;
  /** It is gone for good, and has dependents. */
  gone(node: Node): void;
}

const hasFinalizer = (object: KubeObject, finalizer: string) => (object.metadata.finalizers ?? []).includes(finalizer);
const waitsWith = (object: KubeObject | undefined, finalizer: string): boolean =>
  Boolean(object?.metadata.deletionTimestamp) && hasFinalizer(object!, finalizer);

export function isDeletingDependents(object: KubeObject): boolean {
  return waitsWith(object, FINALIZER_FOREGROUND);
}

function sameReference(a: OwnerReference, b: OwnerReference): boolean {
  return (
    a.apiVersion === b.apiVersion &&
    a.kind === b.kind &&
    a.name === b.name &&
    a.uid === b.uid &&
    Boolean(a.controller) === Boolean(b.controller) &&
    Boolean(a.blockOwnerDeletion) === Boolean(b.blockOwnerDeletion)
  );
}

export class OwnerGraph {
  readonly #nodes = new Map<string, Node>();
  readonly #dependents = new Map<string, Set<Node>>();
  readonly #events: GraphEvents;

  constructor(events: GraphEvents) {
    this.#events = events;
  }

  get size(): number {
    return this.#nodes.size;
  }

  get(uid: string): Node | undefined {
    return this.#nodes.get(uid);
  }

  dependentsOf(uid: string): readonly Node[] {
    return [...(this.#dependents.get(uid) ?? [])];
  }

  hasDependents(uid: string): boolean {
    return this.#dependents.has(uid);
  }

  /** Dependents the owner has to wait for. */
  blocking(uid: string): readonly Node[] {
    return this.dependentsOf(uid).filter(({ owners }) =>
      owners.some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true),
    );
  }

  /** An object as it is now; `old`: as it was seen before. */
  observe(resource: DiscoveredResource, apiVersion: string, object: KubeObject, old?: KubeObject): void {
    const { uid = "", name = "", namespace = "", ownerReferences: owners = [] } = object.metadata;
    const known = this.#nodes.get(uid);
    const beingDeleted = Boolean(object.metadata.deletionTimestamp);
    const node: Node = known ?? {
      resource,
      apiVersion,
      namespace,
      name,
      uid,
      owners: [],
      beingDeleted,
      deletingDependents: false,
    };
    if (known === undefined) {
      this.#nodes.set(uid, node);
      for (const dependent of this.#dependents.get(uid) ?? []) this.#check(dependent, node);
    }
    node.beingDeleted ||= beingDeleted;
    this.#own(node, owners);
    if (waitsWith(object, FINALIZER_ORPHAN) && !(known && waitsWith(old, FINALIZER_ORPHAN))) {
      this.#events.orphan(node);
      return;
    }
    if (isDeletingDependents(object) && !(known && waitsWith(old, FINALIZER_FOREGROUND))) {
      node.deletingDependents = true;
      for (const dependent of this.#dependents.get(uid) ?? []) this.#events.examine(dependent);
      this.#events.examine(node);
    }
  }

  /** The object is gone: its dependents may follow, and its owners may have waited for it. */
  remove(uid: string): void {
    const node = this.#nodes.get(uid);
    if (node === undefined) return;
    this.#nodes.delete(uid);
    for (const owner of node.owners) this.#disown(node, owner.uid);
    const dependents = this.#dependents.get(uid);
    if (dependents !== undefined) {
      this.#events.gone(node);
      for (const dependent of dependents) this.#events.examine(dependent);
    }
    for (const owner of node.owners) {
      const waiting = this.#nodes.get(owner.uid);
      if (waiting?.deletingDependents) this.#events.examine(waiting);
    }
  }

  #own(node: Node, owners: readonly OwnerReference[]): void {
    const before = new Map(node.owners.map((owner) => [owner.uid, owner]));
    const now = new Map(owners.map((owner) => [owner.uid, owner]));
    node.owners = owners;
    for (const [uid, old] of before) {
      const reference = now.get(uid);
      if (reference === undefined) this.#disown(node, uid);
      // An owner may have been waiting for just this.
      const freed = old.blockOwnerDeletion === true && reference?.blockOwnerDeletion !== true;
      const waiting = freed ? this.#nodes.get(uid) : undefined;
      if (waiting?.deletingDependents) this.#events.examine(waiting);
    }
    for (const [uid, reference] of now) {
      const old = before.get(uid);
      if (old !== undefined && sameReference(old, reference)) continue;
      const dependents = this.#dependents.get(uid);
      if (dependents === undefined) this.#dependents.set(uid, new Set([node]));
      else dependents.add(node);
      const owner = this.#nodes.get(uid);
      if (owner === undefined) this.#events.examine(node);
      else this.#check(node, owner);
    }
  }

  /** A reference must fit the owner it names: what it says is what is looked up. */
  #check(node: Node, owner: Node): void {
    const reference = node.owners.find(({ uid }) => uid === owner.uid);
    if (reference === undefined) return;
    const foreign = owner.namespace !== "" && owner.namespace !== node.namespace;
    if (foreign) this.#events.foreignOwner(node, reference);
    const named =
      reference.apiVersion === owner.apiVersion &&
      reference.kind === owner.resource.kind &&
      reference.name === owner.name;
    if (foreign || !named || owner.deletingDependents) this.#events.examine(node);
  }

  #disown(node: Node, uid: string): void {
    const dependents = this.#dependents.get(uid);
    if (dependents?.delete(node) && dependents.size === 0) this.#dependents.delete(uid);
  }
}
