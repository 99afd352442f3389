/** Read, change, compare and swap, again when somebody was faster (spec: apiserver 2.9, 11.2). What changes nothing is not written. */
import type { KubeObject } from "../../api/meta.ts";
import { conflict } from "../../api/status.ts";
import type { Entry } from "../../store/state.ts";
import { sameButResourceVersion } from "../representation/canonical.ts";
import { type Item, knownOf, ObjectItem, storedItem, writtenItem } from "../representation/item.ts";
import { type Call, missing, stateOf } from "./backend-context.ts";
import { storeNew } from "./create.ts";
import { freshView } from "./snapshots.ts";

export interface Preconditions {
  readonly uid?: string;
  readonly resourceVersion?: string;
}

/** What a change decided: store this, remove it (answering with `object`), or leave things as they are. */
export type Decision =
  | { readonly action: "store"; readonly object: KubeObject }
  | { readonly action: "remove"; readonly object?: KubeObject }
  | { readonly action: "nothing" };

export interface UpdateOutcome {
  readonly item: Item;
  readonly outcome: "created" | "stored" | "unchanged" | "removed" | "nothing";
}

export interface UpdateRequest {
  readonly dryRun: boolean;
  readonly preconditions?: Preconditions | undefined;
  /** Calls `change` with undefined when the object does not exist, instead of throwing 404. */
  readonly mayCreate?: boolean;
}

/** Throws 409 with the texts of upstream's storage layer. */
export function checkPreconditions(
  call: Call,
  wanted: Preconditions | undefined,
  object: KubeObject | undefined,
): void {
  if (wanted === undefined) return;
  const { endpoint } = call;
  const refuse = (what: string, precondition: string, actual: string) =>
    conflict(
      endpoint.groupResource,
      call.name,
      `StorageError: invalid object, Code: 4, Key: ${endpoint.key(call.namespace, call.name)}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: ${what} in precondition: ${precondition}, ${what} in object meta: ${actual}`,
    );
  const { uid = "", resourceVersion = "" } = object?.metadata ?? {};
  if (wanted.uid !== undefined && wanted.uid !== uid) throw refuse("UID", wanted.uid, uid);
  if (wanted.resourceVersion !== undefined && wanted.resourceVersion !== resourceVersion) {
    throw refuse("ResourceVersion", wanted.resourceVersion, resourceVersion);
  }
}

/** `change` is called again, with the newer object, each time another write came first; it must not keep state between calls. It may change `old`. */
export async function guaranteedUpdate(
  call: Call,
  request: UpdateRequest,
  change: (old: KubeObject | undefined, entry: Entry | undefined) => Promise<Decision>,
): Promise<UpdateOutcome> {
  const { endpoint } = call;
  const state = stateOf(call);
  const key = endpoint.key(call.namespace, call.name);
  let entry = state.view().get(key);
  // Whether `entry` is known to be the latest. What is decided on an older one is decided again before it is refused.
  let latest = false;
  const refresh = async () => {
    latest = true;
    const before = entry?.revision;
    entry = (await freshView(call)).get(key);
    return entry?.revision !== before;
  };
  if (entry === undefined) await refresh();
  for (;;) {
    call.exchange.signal.throwIfAborted();
    const read: Entry | undefined = entry;
    let decision: Decision;
    try {
      if (read === undefined && !request.mayCreate) throw missing(call);
      const old = read && (await storedItem(endpoint, read)).object();
      checkPreconditions(call, request.preconditions, old);
      decision = await change(old, read);
    } catch (error) {
      if (latest || !(await refresh())) throw error;
      continue;
    }
    if (read === undefined) {
      if (decision.action !== "store") throw missing(call);
      return { item: await storeNew(call, decision.object, request.dryRun), outcome: "created" };
    }
    if (decision.action === "nothing") return { item: await storedItem(endpoint, read), outcome: "nothing" };
    if (decision.action === "remove") {
      const answer = (last: Item) => (decision.object === undefined ? last : new ObjectItem(endpoint, decision.object));
      if (request.dryRun) return { item: answer(await storedItem(endpoint, read)), outcome: "removed" };
      const result = await state.commit({ key, expected: read.revision, value: undefined });
      if (result.committed) return { item: answer(await storedItem(endpoint, result.entry)), outcome: "removed" };
      entry = result.current;
      latest = true;
      continue;
    }
    const { object } = decision;
    const value = await endpoint.encodeForStorage(object);
    if (sameButResourceVersion(value, read.value)) {
      if (!latest && (await refresh())) continue;
      return { item: await storedItem(endpoint, read), outcome: "unchanged" };
    }
    if (request.dryRun) {
      object.metadata.resourceVersion = String(read.revision);
      return { item: new ObjectItem(endpoint, object), outcome: "stored" };
    }
    const { ttlSeconds } = endpoint.definition;
    const result = await state.commit({
      key,
      expected: read.revision,
      value,
      memo: knownOf(endpoint, object),
      ...(ttlSeconds !== undefined && { ttlSeconds }),
    });
    if (result.committed) {
      return { item: await writtenItem(endpoint, result.entry, object), outcome: "stored" };
    }
    entry = result.current;
    latest = true;
  }
}
