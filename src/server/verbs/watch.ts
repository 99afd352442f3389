/** WATCH: a cursor on the changes, pulled while the client takes bytes (spec: apiserver 4). */
import { setImmediate as nextTurn } from "node:timers/promises";
import { expired, methodNotSupported, type Status, StatusError } from "../../api/status.ts";
import { type Change, type Cursor, type Entry, ExpiredError, type Snapshot } from "../../store/state.ts";
import { decodeListOptions, type ListOptions } from "../list-options.ts";
import { negotiate } from "../representation/accept.ts";
import { withResourceVersion } from "../representation/canonical.ts";
import { inheritKnown, ObjectItem, StoredItem, storedItems } from "../representation/item.ts";
import { offerOf } from "../representation/respond.ts";
import { statusOf } from "../representation/status.ts";
import { includeObjectOf } from "../representation/table.ts";
import { type Call, contextOf, stateOf } from "./backend-context.ts";
import { readRevision } from "./read-revision.ts";
import { type Selection, selectionOf } from "./selection.ts";
import { viewFor } from "./snapshots.ts";
import { Frames } from "./watch-frames.ts";
import { WatchSink } from "./watch-sink.ts";
import { WatchTimers } from "./watch-timers.ts";

/** Changes pulled at a time. */
const PULL = 100;
/** After this many objects the initial events let other requests run. */
const SLICE = 1000;

interface Watch {
  readonly call: Call;
  readonly options: ListOptions;
  readonly selection: Selection;
  readonly frames: Frames;
  readonly sink: WatchSink;
  readonly timers: WatchTimers;
}

/** Whether the objects that exist now come first, as ADDED events. */
function wantsInitialEvents(options: ListOptions): boolean {
  const { sendInitialEvents, resourceVersion } = options;
  return sendInitialEvents ?? (resourceVersion === "" || resourceVersion === "0");
}

/** Whether a bookmark says where the initial events end: upstream treats a watch without a version, or from 0, as a watch list. */
function marksInitialEvents(options: ListOptions): boolean {
  return options.allowWatchBookmarks && wantsInitialEvents(options);
}

async function sendInitialEvents(watch: Watch, entries: Iterable<Entry>): Promise<void> {
  const { call, selection, frames, sink, timers } = watch;
  const send = async (batch: readonly Entry[]) => {
    const now = call.backing.clock.now();
    for (const item of await storedItems(call.endpoint, batch)) {
      if (!selection.matches(item)) continue;
      await sink.push(frames.event("ADDED", item, now));
      if (sink.closed) return;
    }
    await nextTurn();
  };
  let batch: Entry[] = [];
  for (const entry of entries) {
    if (batch.push(entry) < SLICE) continue;
    await send(batch);
    if (sink.closed || timers.over) return;
    batch = [];
  }
  if (batch.length > 0) await send(batch);
}

/** Items of the changes' entries, converted together where they are stored in another version. */
async function itemsOf(call: Call, changes: readonly Change[]): Promise<(entry: Entry) => StoredItem> {
  const { endpoint } = call;
  if (endpoint.definition.storage === undefined) return (entry) => new StoredItem(endpoint, entry);
  const entries = changes.flatMap(({ entry, previous }) => (previous === undefined ? [entry] : [entry, previous]));
  const items = new Map((await storedItems(endpoint, entries)).map((item) => [item.entry, item]));
  return (entry) => items.get(entry)!;
}

/** The object as it was before it stopped matching, with the revision of the change (spec: apiserver 4.2). */
function asItLeft(call: Call, previous: StoredItem, revision: number): StoredItem {
  const value = withResourceVersion(previous.bytes(), String(revision));
  return new StoredItem(call.endpoint, { key: previous.entry.key, revision, value, memo: undefined });
}

/** The frame that shows this change to this watcher; undefined when it concerns nothing the watcher sees. */
function frameOf(watch: Watch, change: Change, itemOf: (entry: Entry) => StoredItem, now: number) {
  const { call, selection, frames } = watch;
  const { entry, previous } = change;
  const before = previous !== undefined && selection.matches(itemOf(previous));
  if (change.type === "delete") {
    if (!before) return undefined;
    inheritKnown(entry, previous);
    return frames.shared("DELETED", itemOf(entry), entry, "", now);
  }
  const item = itemOf(entry);
  if (selection.matches(item)) return frames.shared(before ? "MODIFIED" : "ADDED", item, entry, "", now);
  if (!before) return undefined;
  const left = asItLeft(call, itemOf(previous), change.revision);
  return frames.shared("DELETED", left, entry, " left", now);
}

async function follow(watch: Watch, cursor: Cursor): Promise<void> {
  const { call, frames, sink, timers } = watch;
  const { clock } = call.backing;
  for (;;) {
    if (sink.closed || (timers.over && !call.backing.retired?.aborted)) return;
    const changes = cursor.next(PULL);
    if (changes.length > 0) {
      const itemOf = await itemsOf(call, changes);
      const now = clock.now();
      for (const change of changes) {
        const frame = frameOf(watch, change, itemOf, now);
        if (frame !== undefined) await sink.push(frame);
        if (sink.closed) return;
      }
      if (changes.length === PULL) await nextTurn();
      continue;
    }
    if (timers.bookmarkDue) {
      timers.bookmarkDue = false;
      await sink.push(frames.bookmark(String(cursor.revision), false));
    }
    await sink.flush();
    if (sink.closed || timers.over) return;
    cursor.onReady(() => timers.wake());
    await timers.next();
  }
}

const tooOld = (asked: string, oldest: number): Status =>
  expired(`too old resource version: ${asked} (${oldest})`).status;

async function watchStored(watch: Watch, initial: Snapshot | undefined): Promise<void> {
  const { call, options, selection, frames, sink } = watch;
  const { endpoint } = call;
  const prefix = endpoint.prefix(call.namespace !== "" ? call.namespace : (selection.namespace ?? ""));
  const after = initial?.revision ?? readRevision(options.resourceVersion, "watch")!;
  let cursor: Cursor;
  try {
    cursor = stateOf(call).cursor(prefix, Math.min(after, Number.MAX_SAFE_INTEGER));
  } catch (error) {
    if (!(error instanceof ExpiredError)) throw error;
    await sink.push(frames.error(tooOld(options.resourceVersion, error.oldest)));
    return;
  }
  try {
    if (initial !== undefined) {
      await sendInitialEvents(watch, initial.range(prefix));
      if (marksInitialEvents(options)) await sink.push(frames.bookmark(String(initial.revision), true));
    }
    await follow(watch, cursor);
  } catch (error) {
    // Overrun: the client was slower than the history is long. It resumes from what it saw, and is told if that is gone too.
    if (!(error instanceof ExpiredError)) throw error;
  } finally {
    cursor.close();
  }
}

/** A watch answered by a function: what exists first, then its events, filtered as upstream filters its own. */
async function watchVirtual(watch: Watch, initial: boolean): Promise<void> {
  const { call, options, selection, frames, sink, timers } = watch;
  const { endpoint } = call;
  const virtual = endpoint.virtual!;
  const context = contextOf(call, false);
  const { clock } = call.backing;
  const seen = new Set<string>();
  let query = options;
  if (initial && virtual.list !== undefined) {
    const answer = await virtual.list(context, { ...options, limit: 0, continue: "" });
    const objects = Array.isArray(answer) ? answer : answer.items;
    const resourceVersion = (Array.isArray(answer) ? undefined : answer.metadata.resourceVersion) ?? "";
    for (const object of objects) {
      const item = new ObjectItem(endpoint, object);
      if (!selection.matches(item)) continue;
      seen.add(`${item.namespace}/${item.name}`);
      await sink.push(frames.event("ADDED", item, clock.now()));
    }
    if (marksInitialEvents(options)) await sink.push(frames.bookmark(resourceVersion, true));
    query = { ...options, resourceVersion };
  }
  await sink.flush();
  const events = virtual.watch!(context, query)[Symbol.asyncIterator]();
  let last = "";
  /** Whether `pending` is: it may settle while bytes are written, when nothing waits to be woken. */
  let settled = false;
  const arrived = () => {
    settled = true;
    timers.wake();
  };
  const ask = () => {
    settled = false;
    const next = events.next();
    // A failure is read where it is awaited.
    next.then(arrived, arrived);
    return next;
  };
  let pending = ask();
  try {
    for (;;) {
      if (!settled) await timers.next();
      if (timers.over || sink.closed) return;
      if (timers.bookmarkDue) {
        timers.bookmarkDue = false;
        if (last !== "") await sink.push(frames.bookmark(last, false));
        await sink.flush();
      }
      if (!settled) continue;
      const { value: event, done } = await pending;
      if (done) return;
      if (event.type === "BOOKMARK") {
        last = event.resourceVersion;
        if (options.allowWatchBookmarks) {
          await sink.push(frames.bookmark(last, event.initialEventsEnd === true && marksInitialEvents(options)));
        }
      } else {
        const item = new ObjectItem(endpoint, event.object);
        last = item.resourceVersion;
        const key = `${item.namespace}/${item.name}`;
        const before = selection.empty ? event.type !== "ADDED" : seen.has(key);
        const matches = event.type !== "DELETED" && selection.matches(item);
        if (!selection.empty && matches) seen.add(key);
        else seen.delete(key);
        const type = matches ? (before ? "MODIFIED" : "ADDED") : before ? "DELETED" : undefined;
        if (type !== undefined) await sink.push(frames.event(type, item, clock.now()));
      }
      await sink.flush();
      pending = ask();
    }
  } finally {
    // Not awaited: a generator that waits for its next event would never return.
    events.return?.()?.catch(() => {});
  }
}

export async function watch(call: Call): Promise<void> {
  const { endpoint, exchange, backing } = call;
  const options = decodeListOptions(exchange.query, true);
  const offer = offerOf(endpoint, true);
  // A table of one row at a time cannot say where the initial events end.
  const representation = negotiate(exchange, { ...offer, table: offer.table && options.sendInitialEvents !== true });
  const selection = selectionOf(endpoint, options.labelSelector, options.fieldSelector, call.name);
  if (endpoint.virtual !== undefined && endpoint.virtual.watch === undefined) {
    throw methodNotSupported(endpoint.groupResource, "watch");
  }
  const initial = wantsInitialEvents(options);
  readRevision(options.resourceVersion, "watch");
  const include = representation.as === "Table" ? includeObjectOf(exchange) : "Metadata";
  const frames = new Frames(endpoint, representation, include);
  const snapshot =
    endpoint.virtual === undefined && initial ? await viewFor(call, options.resourceVersion, "watch") : undefined;
  const seconds =
    options.timeoutSeconds > 0
      ? options.timeoutSeconds
      : backing.minRequestTimeoutSeconds * (1 + backing.random.number());
  const sink = new WatchSink(exchange, backing.clock);
  const { retired } = backing;
  const signals = retired === undefined ? [exchange.signal] : [exchange.signal, retired];
  const timers = new WatchTimers(backing.clock, signals, seconds * 1000, options.allowWatchBookmarks);
  const state: Watch = { call, options, selection, frames, sink, timers };
  exchange.response.start(200, frames.contentType);
  try {
    await (endpoint.virtual === undefined ? watchStored(state, snapshot) : watchVirtual(state, initial));
    await sink.end();
  } catch (error) {
    if (!exchange.signal.aborted) await sink.push(frames.error(shown(error)));
    await sink.end();
    if (!(error instanceof StatusError) && !exchange.signal.aborted) throw error;
  } finally {
    timers.stop();
  }
}

/** A defect is reported to the operator, and to the client only as such. */
function shown(error: unknown): Status {
  return statusOf(error instanceof StatusError ? error : new StatusError(500, "InternalError", "the watch failed"));
}
