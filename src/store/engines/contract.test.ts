/** What every engine promises, and the state over it: one suite, run for each, so that no engine has a contract of its own. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { systemClock, systemRandom } from "../../api/machine.ts";
import { SimulatedClock } from "../../api/simulated.ts";
import type { ChangedRow, Engine, Feed, Revision, Row } from "../engine.ts";
import { openState, type StateOptions } from "../open-state.ts";
import { type Change, type Cursor, ExpiredError, type State } from "../state.ts";
import { etcdEngine } from "./etcd.ts";
import { startEtcdDouble } from "./etcd-double.test-support.ts";
import { missingEtcd, startEtcd } from "./etcd-process.test-support.ts";
import { memoryEngine } from "./memory.ts";
import { sqliteEngine } from "./sqlite.ts";

/** Somewhere a store lives, to be opened again and again. */
interface Place {
  /** All keys of a test start with it. */
  readonly root: string;
  /** A new engine over the same data; one is open at a time. */
  engine(): Engine;
  /** Whether somebody else would find the row were this process killed now. */
  isDurable(row: ChangedRow): boolean;
  remove(): Promise<void>;
}

interface Harness {
  readonly name: string;
  /** Runs of the property. */
  readonly runs: number;
  /** Whether times to live follow the injected clock. */
  readonly expires: boolean;
  /** Why it cannot run here. */
  missing(): string | undefined;
  start(): Promise<() => Promise<void>>;
  place(clock: SimulatedClock): Promise<Place>;
}

const harnesses: readonly Harness[] = [
  {
    name: "memory",
    runs: 200,
    expires: true,
    missing: () => undefined,
    start: async () => async () => {},
    async place(clock) {
      const engine = memoryEngine({ clock });
      return { root: "/root/", engine: () => engine, isDurable: () => true, remove: async () => {} };
    },
  },
  {
    name: "sqlite",
    runs: 15,
    expires: true,
    missing: () => undefined,
    start: async () => async () => {},
    async place(clock) {
      const folder = mkdtempSync(join(tmpdir(), "tenon-store-"));
      const path = join(folder, "store.db");
      return {
        root: "/root/",
        engine: () => sqliteEngine({ path, clock }),
        isDurable({ key, revision }) {
          // Another connection sees what is committed; FULL makes a commit a sync.
          const other = new DatabaseSync(path, { readOnly: true });
          const row = other.prepare("SELECT key FROM log WHERE revision = ?").get(revision);
          other.close();
          return row?.["key"] === key;
        },
        remove: async () => rmSync(folder, { recursive: true }),
      };
    },
  },
  {
    // On every machine, so that the one below is not the only proof; where both run, they agree.
    name: "etcd in this process",
    runs: 5,
    expires: false,
    missing: () => undefined,
    async start() {
      const etcd = await startEtcdDouble();
      doubleEndpoint = etcd.endpoint;
      return () => etcd.stop();
    },
    async place() {
      const root = `/double-${++etcdPlaces}/`;
      const options = { endpoints: [doubleEndpoint], scope: root, clock: systemClock, random: systemRandom };
      return { root, engine: () => etcdEngine(options), isDurable: () => true, remove: async () => {} };
    },
  },
  {
    name: "etcd",
    runs: 5,
    expires: false,
    missing: missingEtcd,
    async start() {
      const etcd = await startEtcd();
      etcdEndpoint = etcd.endpoint;
      return () => etcd.remove();
    },
    async place() {
      const root = `/test-${++etcdPlaces}/`;
      return {
        root,
        engine: () => etcdEngine({ endpoints: [etcdEndpoint], scope: root, clock: systemClock, random: systemRandom }),
        isDurable: () => true,
        remove: async () => {},
      };
    },
  },
];

let doubleEndpoint = "";
let etcdEndpoint = "";
let etcdPlaces = 0;

const text = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : Buffer.from(bytes).toString());
const object = (content: number | string) => Buffer.from(`{"metadata":{"resourceVersion":""},"content":"${content}"}`);
const content = (bytes: Uint8Array) => /"content":"([^"]*)"/.exec(text(bytes)!)![1]!;

/** Everything a cursor has until `revision`. */
async function drain(state: State, cursor: Cursor, revision: Revision): Promise<Change[]> {
  await state.reached(revision);
  const all: Change[] = [];
  for (;;) {
    const some = cursor.next(7);
    if (some.length === 0 && cursor.revision >= revision) return all;
    all.push(...some);
  }
}

async function scanAll(engine: Engine, prefix: string, at?: Revision): Promise<Row[]> {
  const rows: Row[] = [];
  const revisions = new Set<Revision>();
  for await (const page of engine.scan(prefix, at)) {
    rows.push(...page.rows);
    revisions.add(page.revision);
  }
  expect(revisions.size).toBe(1);
  return rows;
}

/** Follows until a feed has reached `until`, then stops. */
async function follow(engine: Engine, after: Revision, until: Revision): Promise<Feed[]> {
  const feeds: Feed[] = [];
  const abort = new AbortController();
  await engine.feed(
    after,
    (feed) => {
      feeds.push(feed);
      if (feed.revision >= until) abort.abort();
    },
    abort.signal,
  );
  return feeds;
}

for (const harness of harnesses) {
  const missing = harness.missing();
  if (missing !== undefined) {
    // Said and asserted, not hidden: the reason is that something outside the repository is absent.
    it(`${harness.name}: not run here: ${missing}`, () => expect(missing).not.toBe(""));
    continue;
  }

  describe(`engine ${harness.name}`, () => {
    let stop: () => Promise<void>;
    const cleanups: (() => Promise<void>)[] = [];

    beforeAll(async () => {
      stop = await harness.start();
    });
    afterAll(async () => {
      await stop();
    });
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    });

    async function place(): Promise<Place & { clock: SimulatedClock }> {
      const clock = new SimulatedClock();
      const made = await harness.place(clock);
      cleanups.push(() => made.remove());
      return { ...made, clock };
    }

    async function open(at: Place & { clock: SimulatedClock }, options: Partial<StateOptions> = {}): Promise<State> {
      const state = await openState(at.engine(), { clock: at.clock, ...options });
      cleanups.push(() => state.close());
      return state;
    }

    it("many writers of one key: no update is lost, revisions strictly increase", async () => {
      const at = await place();
      const state = await open(at);
      const key = `${at.root}things/counter`;
      const first = await state.commit({ key, expected: 0, value: object(0) });
      expect(first.committed).toBe(true);
      const revisions: Revision[] = [];
      const writers = Array.from({ length: 12 }, async () => {
        for (let done = 0; done < 10; ) {
          const entry = state.view().get(key)!;
          const next = Number(content(entry.value)) + 1;
          const result = await state.commit({ key, expected: entry.revision, value: object(next) });
          if (!result.committed) {
            expect(result.current!.revision).toBeGreaterThan(entry.revision);
            continue;
          }
          expect(content(result.entry.value)).toBe(String(next));
          revisions.push(result.revision);
          done++;
        }
      });
      await Promise.all(writers);
      expect(content(state.view().get(key)!.value)).toBe("120");
      expect(new Set(revisions).size).toBe(120);
      expect(revisions).toEqual(revisions.toSorted((a, b) => a - b));
    });

    it("many writers of many keys: everything is there, in one order for all readers", async () => {
      const at = await place();
      const state = await open(at);
      const start = state.revision;
      const cursors = [state.cursor(at.root, start), state.cursor(at.root, start)];
      await Promise.all(
        Array.from({ length: 40 }, async (_, writer) => {
          let expected = 0;
          for (let round = 0; round < 5; round++) {
            const result = await state.commit({
              key: `${at.root}things/${writer}`,
              expected,
              value: object(`${writer}.${round}`),
            });
            expect(result.committed).toBe(true);
            if (result.committed) expected = result.revision;
          }
        }),
      );
      expect(state.view().count(at.root)).toBe(40);
      const [one, two] = await Promise.all(cursors.map((cursor) => drain(state, cursor, state.revision)));
      expect(one!.length).toBe(200);
      const revisions = one!.map((change) => change.revision);
      expect(new Set(revisions).size).toBe(200);
      expect(revisions).toEqual(revisions.toSorted((a, b) => a - b));
      expect(two!.map(({ key, revision }) => [key, revision])).toEqual(
        one!.map(({ key, revision }) => [key, revision]),
      );
    });

    it("a list is one moment, also in pages, while somebody writes", async () => {
      const at = await place();
      const state = await open(at);
      // The writer raises a, then b, then c by one: at any moment a >= b >= c >= a - 1.
      const keys = ["a", "b", "c"].map((name) => `${at.root}pairs/${name}`);
      const expected = [0, 0, 0];
      let stopped = false;
      const writer = (async () => {
        for (let round = 1; !stopped; round++) {
          for (const [index, key] of keys.entries()) {
            const result = await state.commit({ key, expected: expected[index]!, value: object(round) });
            if (!result.committed) throw new Error("nobody else writes");
            expected[index] = result.revision;
          }
        }
      })();
      await state.reached(state.revision + 3);
      for (let list = 0; list < 20; list++) {
        const head = await state.head();
        await state.reached(head);
        const { revision } = state.view();
        expect(revision).toBeGreaterThanOrEqual(head);
        const values: number[] = [];
        let start: string | undefined;
        for (let page = 0; page < 3; page++) {
          const [entry] = state.at(revision).range(`${at.root}pairs/`, start);
          values.push(Number(content(entry!.value)));
          start = `${entry!.key}\0`;
          await state.reached(state.revision + 1);
        }
        expect([...state.at(revision).range(`${at.root}pairs/`, start)]).toEqual([]);
        const [a, b, c] = values as [number, number, number];
        expect(a >= b && b >= c && c >= a - 1, `${values}`).toBe(true);
      }
      stopped = true;
      await writer;
    });

    it("acknowledged writes are in every read that starts later", async () => {
      const at = await place();
      const writer = await open(at);
      for (let round = 0; round < 10; round++) {
        const key = `${at.root}things/${round}`;
        const result = await writer.commit({ key, expected: 0, value: object(round) });
        expect(result.committed && result.revision).toBeLessThanOrEqual(await writer.head());
        expect(writer.view().get(key)).toBe(result.committed && result.entry);
      }
    });

    it("nothing is fed before it is durable", async () => {
      const at = await place();
      const engine = at.engine();
      await engine.open();
      const abort = new AbortController();
      const seen: { revision: Revision; durable: boolean }[] = [];
      const following = engine.feed(
        await engine.head(),
        (feed) => {
          for (const row of feed.rows) seen.push({ revision: row.revision, durable: at.isDurable(row) });
        },
        abort.signal,
      );
      const results = await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          engine.commit({ key: `${at.root}things/${index}`, expected: 0, value: object(index) }),
        ),
      );
      const last = Math.max(...results.map(({ revision }) => revision));
      await follow(engine, last - 1, last);
      for (let turn = 0; turn < 1_000 && (seen.at(-1)?.revision ?? 0) < last; turn++) await engine.head();
      abort.abort();
      await following;
      expect(seen.length).toBe(50);
      expect(seen.filter(({ durable }) => !durable)).toEqual([]);
      await engine.close();
    });

    it("a watch goes on after a restart without gap or duplicate", async () => {
      const at = await place();
      let state = await open(at);
      const start = state.revision;
      const wrote: string[] = [];
      const saw: string[] = [];
      let last = start;
      const expected = new Map<string, Revision>();
      for (let restart = 0; restart < 3; restart++) {
        const cursor = state.cursor(at.root, last);
        for (let round = 0; round < 20; round++) {
          const key = `${at.root}things/${round % 6}`;
          const before = expected.get(key) ?? 0;
          const value = before > 0 && round % 4 === 3 ? undefined : object(round);
          const result = await state.commit({ key, expected: before, value });
          if (!result.committed) throw new Error("nobody else writes");
          expected.set(key, value === undefined ? 0 : result.revision);
          wrote.push(`${value === undefined ? "delete" : "put"} ${key} ${result.revision}`);
          // The last ones of each life are read in the next.
          if (round < 15)
            for (const change of cursor.next(100)) {
              saw.push(`${change.type} ${change.key} ${change.revision}`);
              last = change.revision;
            }
        }
        await state.close();
        state = await open(at);
        expect(state.revision).toBeGreaterThanOrEqual(last);
      }
      for (const change of await drain(state, state.cursor(at.root, last), state.revision)) {
        saw.push(`${change.type} ${change.key} ${change.revision}`);
        expect(text(change.entry.value)).toContain(`"resourceVersion":"${change.revision}"`);
      }
      expect(saw).toEqual(wrote);
    });

    it("compacted history is refused, what is younger is not", async () => {
      const at = await place();
      const engine = at.engine();
      await engine.open();
      const key = `${at.root}things/x`;
      const revisions: Revision[] = [];
      for (let round = 0; round < 6; round++) {
        const { revision } = await engine.commit({ key, expected: revisions.at(-1) ?? 0, value: object(round) });
        revisions.push(revision);
      }
      const gone = await engine.commit({ key: `${at.root}things/y`, expected: 0, value: object("y") });
      const removed = await engine.commit({
        key: `${at.root}things/y`,
        expected: gone.revision,
        value: undefined,
      });
      await engine.compact(revisions[3]!);
      await expect(scanAll(engine, at.root, revisions[2]!)).rejects.toThrow(ExpiredError);
      await expect(follow(engine, revisions[2]!, removed.revision)).rejects.toThrow(ExpiredError);
      expect((await scanAll(engine, at.root, revisions[3]!)).map(({ value }) => content(value))).toEqual(["3"]);
      const feeds = await follow(engine, revisions[3]!, removed.revision);
      expect(feeds.flatMap(({ rows }) => rows.map(({ revision }) => revision))).toEqual([
        ...revisions.slice(4),
        gone.revision,
        removed.revision,
      ]);
      await engine.compact(removed.revision);
      await engine.compact(removed.revision);
      expect((await scanAll(engine, at.root)).map(({ revision }) => revision)).toEqual([revisions[5]]);
      // The last change was a removal, and is forgotten; its revision is not.
      expect(await engine.head()).toBeGreaterThanOrEqual(removed.revision);
      await engine.close();
      const again = at.engine();
      await again.open();
      expect(await again.head()).toBeGreaterThanOrEqual(removed.revision);
      const next = await again.commit({ key: `${at.root}things/y`, expected: 0, value: object("z") });
      expect(next.committed && next.revision > removed.revision).toBe(true);
      await again.close();
    });

    it("scans in byte order of keys, by prefix, in any number of pages", async () => {
      const at = await place();
      const engine = at.engine();
      await engine.open();
      const names = ["b", "a", "a/b", "a-b", "a.b", "aa", "ä", "\ue000", "\u{1f600}", "ﬀ", "z", "A"];
      for (const name of names)
        await engine.commit({ key: `${at.root}order/${name}`, expected: 0, value: object("x") });
      await engine.commit({ key: `${at.root}orders/x`, expected: 0, value: object("x") });
      const found = (await scanAll(engine, `${at.root}order/`)).map(({ key }) => key.slice(`${at.root}order/`.length));
      expect(found).toEqual(names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
      await Promise.all(
        Array.from({ length: 2_100 }, (_, index) =>
          engine.commit({ key: `${at.root}many/${String(index).padStart(5, "0")}`, expected: 0, value: object(index) }),
        ),
      );
      const many = await scanAll(engine, `${at.root}many/`);
      expect(many.map(({ value }) => Number(content(value)))).toEqual(Array.from({ length: 2_100 }, (_, n) => n));
      expect(await scanAll(engine, `${at.root}nothing/`)).toEqual([]);
      await engine.close();
    });

    it("keeps any bytes, empty ones too", async () => {
      const at = await place();
      const engine = at.engine();
      await engine.open();
      const values = [Buffer.alloc(0), Buffer.from([0, 255, 128]), Buffer.alloc(1_200_000, 7)];
      for (const [index, value] of values.entries())
        expect((await engine.commit({ key: `${at.root}bytes/${index}`, expected: 0, value })).committed).toBe(true);
      const rows = await scanAll(engine, `${at.root}bytes/`);
      expect(rows.map(({ value }, index) => Buffer.compare(value, values[index]!))).toEqual([0, 0, 0]);
      await engine.close();
    });

    it("says the current revision when a write lost, and removes nothing that is not there", async () => {
      const at = await place();
      const engine = at.engine();
      await engine.open();
      const key = `${at.root}things/x`;
      const made = await engine.commit({ key, expected: 0, value: object(1) });
      const lost = { committed: false, revision: made.revision };
      expect(await engine.commit({ key, expected: 0, value: object(2) })).toEqual(lost);
      expect(await engine.commit({ key, expected: made.revision + 1, value: undefined })).toEqual(lost);
      expect(await engine.commit({ key: `${key}x`, expected: 5, value: object(2) })).toEqual({
        committed: false,
        revision: 0,
      });
      expect(await engine.commit({ key: `${key}x`, expected: 0, value: undefined })).toEqual({
        committed: false,
        revision: 0,
      });
      expect(await engine.commit({ key, expected: 0, value: undefined })).toEqual(lost);
      expect(await engine.head()).toBeGreaterThanOrEqual(made.revision);
      expect((await scanAll(engine, at.root)).length).toBe(1);
      await engine.close();
    });

    if (harness.expires) {
      it("removes rows when their time has come, also after a restart, unless written again", async () => {
        const at = await place();
        let state = await open(at);
        const key = (name: string) => `${at.root}events/${name}`;
        for (const [name, ttlSeconds] of [
          ["short", 10],
          ["renewed", 10],
          ["long", 60],
          ["forever", undefined],
        ] as const)
          await state.commit({ key: key(name), expected: 0, value: object(name), ttlSeconds });
        await state.commit({
          key: key("renewed"),
          expected: state.view().get(key("renewed"))!.revision,
          value: object("renewed"),
          ttlSeconds: 60,
        });
        const before = state.revision;
        const cursor = state.cursor(at.root, before);
        await at.clock.advance(9_000);
        expect(state.view().count(at.root)).toBe(4);
        await at.clock.advance(3_000);
        const [removed, ...more] = await drain(state, cursor, before + 1);
        expect(removed).toMatchObject({ type: "delete", key: key("short"), revision: before + 1 });
        expect(more).toEqual([]);
        await state.close();
        state = await open(at);
        expect(state.view().count(at.root)).toBe(3);
        await at.clock.advance(60_000);
        await state.reached(before + 3);
        expect([...state.view().range(at.root)].map((entry) => entry.key)).toEqual([key("forever")]);
      });
    }

    it("behaves as a list of all changes would (any operations, restarts and compactions)", async () => {
      type Operation =
        | { readonly kind: "put" | "delete"; readonly key: number; readonly stale: boolean }
        | { readonly kind: "restart" }
        | { readonly kind: "compact" };
      const operation: fc.Arbitrary<Operation> = fc.oneof(
        { weight: 8, arbitrary: fc.record({ kind: fc.constant("put" as const), key: fc.nat(5), stale: fc.boolean() }) },
        {
          weight: 4,
          arbitrary: fc.record({ kind: fc.constant("delete" as const), key: fc.nat(5), stale: fc.boolean() }),
        },
        { weight: 1, arbitrary: fc.constantFrom({ kind: "restart" as const }, { kind: "compact" as const }) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(operation, { maxLength: 40 }), async (operations) => {
          const at = await place();
          let state = await open(at);
          let floor = state.revision;
          const log: { key: string; revision: Revision; value: string | undefined }[] = [];
          const model = new Map<string, { revision: Revision; value: string }>();
          const keyOf = (key: number) => `${at.root}${key % 2 === 0 ? "even" : "odd"}/${key}`;
          for (const [round, step] of operations.entries()) {
            if (step.kind === "restart") {
              await state.close();
              state = await open(at);
            } else if (step.kind === "compact") {
              await state.close();
              const engine = at.engine();
              await engine.open();
              floor = await engine.head();
              await engine.compact(floor);
              await engine.close();
              state = await open(at);
            } else {
              const key = keyOf(step.key);
              const before = model.get(key);
              const expected = (before?.revision ?? 0) + (step.stale ? 1 : 0);
              const value = step.kind === "put" ? String(round) : undefined;
              const result = await state.commit({ key, expected, value: value === undefined ? value : object(value) });
              const should = !step.stale && (value !== undefined || before !== undefined);
              expect(result.committed).toBe(should);
              if (!result.committed) {
                expect(result.current?.revision).toBe(before?.revision);
                continue;
              }
              expect(result.revision).toBeGreaterThan(log.at(-1)?.revision ?? floor);
              log.push({ key, revision: result.revision, value });
              if (value === undefined) model.delete(key);
              else model.set(key, { revision: result.revision, value });
            }
          }
          const shown = (entries: Iterable<{ key: string; revision: Revision; value: Uint8Array }>) =>
            [...entries].map(({ key, revision, value }) => [key, revision, content(value)]);
          const sorted = (rows: Map<string, { revision: Revision; value: string }>) =>
            [...rows]
              .map(([key, { revision, value }]) => [key, revision, value])
              .sort(([a], [b]) => (a! < b! ? -1 : 1));
          expect(shown(state.view().range(at.root))).toEqual(sorted(model));
          expect(state.view().count(`${at.root}odd/`)).toBe(
            [...model.keys()].filter((key) => key.startsWith(`${at.root}odd/`)).length,
          );
          // Every revision that is kept reads as it was.
          const past = new Map<string, { revision: Revision; value: string }>();
          for (const { key, revision, value } of log) {
            if (value === undefined) past.delete(key);
            else past.set(key, { revision, value });
            if (revision >= floor) expect(shown(state.at(revision).range(at.root))).toEqual(sorted(past));
          }
          const changes = await drain(state, state.cursor(`${at.root}even/`, floor), state.revision);
          expect(changes.map(({ key, revision, type }) => [key, revision, type])).toEqual(
            log
              .filter(({ key, revision }) => revision > floor && key.startsWith(`${at.root}even/`))
              .map(({ key, revision, value }) => [key, revision, value === undefined ? "delete" : "put"]),
          );
          for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
        }),
        { numRuns: harness.runs },
      );
    });
  });
}
