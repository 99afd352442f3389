/** LIST: cached bytes of everything that matches, page by page of one snapshot (spec: apiserver 2.11, 2.12). */
import { setImmediate as nextTurn } from "node:timers/promises";
import { compareUTF8 } from "../../api/json/index.ts";
import type { KubeObject } from "../../api/meta.ts";
import { badRequest, expired, methodNotSupported } from "../../api/status.ts";
import { type Entry, ExpiredError, type Snapshot } from "../../store/state.ts";
import { decodeListOptions, type ListOptions } from "../list-options.ts";
import { ObjectItem, StoredItem, storedItems } from "../representation/item.ts";
import type { ListHead } from "../representation/protobuf.ts";
import { negotiateFor, sendList } from "../representation/respond.ts";
import { type Call, contextOf, stateOf } from "./backend-context.ts";
import { type ContinueToken, decodeContinue, encodeContinue, encodeContinueAt } from "./continue-token.ts";
import { readRevision } from "./read-revision.ts";
import { type Selection, selectionOf } from "./selection.ts";
import { freshView, viewFor, waitFor } from "./snapshots.ts";

/** After this many entries a list lets other requests run. */
const SLICE = 2000;
/** Items are handed to the encoder in batches of this many. */
const BATCH = 500;

const EXPIRED_LIST = "The resourceVersion for the provided list is too old.";
const EXPIRED_CONTINUE =
  "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";

interface Reading {
  readonly snapshot: Snapshot;
  /** The first key to look at, when the list is continued. */
  readonly start: string | undefined;
  /** 0: no limit. */
  readonly limit: number;
}

function snapshotAt(call: Call, revision: number, onExpired: () => Error): Snapshot {
  try {
    return stateOf(call).at(revision);
  } catch (error) {
    throw error instanceof ExpiredError ? onExpired() : error;
  }
}

async function continued(call: Call, token: ContinueToken, limit: number): Promise<Reading> {
  const start = call.endpoint.definition.storagePrefix + token.start;
  if (token.revision < 0) return { snapshot: await freshView(call), start, limit };
  await waitFor(call, stateOf(call), token.revision, String(token.revision));
  const tooOld = () => expired(EXPIRED_CONTINUE, encodeContinueAt(-1, token.start));
  return { snapshot: snapshotAt(call, token.revision, tooOld), start, limit };
}

/** Which snapshot a list reads and from where (the table in spec: apiserver 2.11). */
async function readingOf(call: Call, options: ListOptions): Promise<Reading> {
  const { resourceVersion, resourceVersionMatch: match, limit } = options;
  if (options.continue !== "") {
    const token = decodeContinue(options.continue);
    if (resourceVersion !== "" && resourceVersion !== "0") {
      throw badRequest("specifying resource version is not allowed when using continue");
    }
    return continued(call, token, limit);
  }
  const revision = readRevision(resourceVersion, "list");
  const exact = match === "Exact" || (match === "" && limit > 0 && revision !== undefined && revision > 0);
  if (exact && revision !== undefined) {
    await waitFor(call, stateOf(call), revision, resourceVersion);
    return { snapshot: snapshotAt(call, revision, () => expired(EXPIRED_LIST)), start: undefined, limit };
  }
  // Any state will do: the whole list at once, as upstream's cache answers.
  return {
    snapshot: await viewFor(call, resourceVersion, "list"),
    start: undefined,
    limit: revision === 0 ? 0 : limit,
  };
}

interface Page {
  readonly entries: readonly Entry[];
  /** The last key when there are more. */
  readonly more: string | undefined;
  /** How many match beyond this page; known only without selectors. */
  readonly remaining: number | undefined;
}

function countFrom(snapshot: Snapshot, prefix: string, after: string): number {
  let count = 0;
  for (const _ of snapshot.range(prefix, `${after}\0`)) count++;
  return count;
}

/** Up to `limit` matching entries; yields to other requests while it looks through many. */
async function collect(call: Call, { snapshot, start, limit }: Reading, selection: Selection): Promise<Page> {
  const { endpoint } = call;
  const namespace = call.namespace !== "" ? call.namespace : (selection.namespace ?? "");
  const prefix = endpoint.prefix(namespace);
  const entries: Entry[] = [];
  if (selection.name !== undefined && (namespace !== "" || !endpoint.definition.namespaced)) {
    const entry = selection.name.includes("/") ? undefined : snapshot.get(prefix + selection.name);
    const wanted = entry !== undefined && (start === undefined || compareUTF8(entry.key, start) >= 0);
    if (wanted && selection.matches(new StoredItem(endpoint, entry))) entries.push(entry);
    return { entries, more: undefined, remaining: undefined };
  }
  let looked = 0;
  for (const entry of snapshot.range(prefix, start)) {
    if (limit > 0 && entries.length === limit) {
      const more = entries[limit - 1]!.key;
      if (!selection.empty) return { entries, more, remaining: undefined };
      const remaining = start === undefined ? snapshot.count(prefix) - limit : countFrom(snapshot, prefix, more);
      return { entries, more, remaining };
    }
    if (selection.empty) entries.push(entry);
    else {
      // Entries of another version must be converted before their fields can be read.
      const [item] =
        endpoint.definition.storage === undefined
          ? [new StoredItem(endpoint, entry)]
          : await storedItems(endpoint, [entry]);
      if (selection.matches(item!)) entries.push(entry);
    }
    if (++looked % SLICE === 0) {
      await nextTurn();
      call.exchange.signal.throwIfAborted();
    }
  }
  return { entries, more: undefined, remaining: undefined };
}

async function* batchesOf(call: Call, entries: readonly Entry[]) {
  for (let at = 0; at < entries.length; at += BATCH) {
    yield await storedItems(call.endpoint, entries.slice(at, at + BATCH));
    if (at % SLICE === 0 && at > 0) await nextTurn();
  }
}

/** One page of matching entries and what the list says of itself. */
export async function pageOf(
  call: Call,
  options: ListOptions,
  selection: Selection,
): Promise<{ head: ListHead; entries: readonly Entry[] }> {
  const reading = await readingOf(call, options);
  const page = await collect(call, reading, selection);
  const { storagePrefix } = call.endpoint.definition;
  const head: ListHead = {
    resourceVersion: String(reading.snapshot.revision),
    ...(page.more !== undefined && {
      continue: encodeContinue(reading.snapshot.revision, page.more.slice(storagePrefix.length)),
    }),
    ...(page.remaining !== undefined && { remainingItemCount: page.remaining }),
  };
  return { head, entries: page.entries };
}

const orderKey = ({ metadata: { namespace, name = "" } }: KubeObject) => (namespace ? `${namespace}/${name}` : name);

/** Functions may answer unfiltered and unpaged: selectors and pages are applied here. */
async function listVirtual(call: Call, options: ListOptions, selection: Selection) {
  const { endpoint } = call;
  if (endpoint.virtual?.list === undefined) throw methodNotSupported(endpoint.groupResource, "list");
  const answer = await endpoint.virtual.list(contextOf(call, false), options);
  const objects = Array.isArray(answer) ? answer : answer.items;
  const resourceVersion = (Array.isArray(answer) ? undefined : answer.metadata.resourceVersion) ?? "";
  let items = objects.map((object) => new ObjectItem(endpoint, object)).filter((item) => selection.matches(item));
  const given = Array.isArray(answer) ? undefined : answer.metadata.continue;
  if (given) return { head: { ...(answer as { metadata: ListHead }).metadata, resourceVersion }, batches: [items] };
  if (options.limit <= 0 && options.continue === "") return { head: { resourceVersion }, batches: [items] };
  const start = options.continue === "" ? undefined : decodeContinue(options.continue).start;
  items = items
    .map((item) => ({ item, key: orderKey(item.object()) }))
    .sort((a, b) => compareUTF8(a.key, b.key))
    .filter(({ key }) => start === undefined || compareUTF8(key, start) >= 0)
    .map(({ item }) => item);
  const total = items.length;
  if (options.limit <= 0 || total <= options.limit) return { head: { resourceVersion }, batches: [items] };
  items = items.slice(0, options.limit);
  const head: ListHead = {
    resourceVersion,
    continue: encodeContinue(-1, orderKey(items.at(-1)!.object())),
    ...(selection.empty && { remainingItemCount: total - items.length }),
  };
  return { head, batches: [items] };
}

export async function list(call: Call): Promise<void> {
  const { endpoint, exchange } = call;
  const representation = negotiateFor(exchange, endpoint);
  const options = decodeListOptions(exchange.query, false);
  const selection = selectionOf(endpoint, options.labelSelector, options.fieldSelector);
  const now = call.backing.clock.now();
  if (endpoint.virtual !== undefined) {
    const { head, batches } = await listVirtual(call, options, selection);
    return sendList(exchange, representation, endpoint, head, batches, now);
  }
  const { head, entries } = await pageOf(call, options, selection);
  await sendList(exchange, representation, endpoint, head, batchesOf(call, entries), now);
}
