/** What a state over etcd does when etcd is killed, hangs, changes its leader, is full, or forgets what is still needed: with a real one. */
import { afterEach, describe, expect, it } from "vitest";
import { systemClock, systemRandom } from "../../api/machine.ts";
import type { Engine } from "../engine.ts";
import { StoreError } from "../errors.ts";
import { openState } from "../open-state.ts";
import type { State } from "../state.ts";
import { etcdEngine } from "./etcd.ts";
import { Compactor } from "./etcd-compactor.ts";
import { EtcdConnection } from "./etcd-connection.ts";
import { type EtcdProcess, missingEtcd, startEtcdCluster } from "./etcd-process.test-support.ts";

const missing = missingEtcd();
if (missing !== undefined) it(`not run here: ${missing}`, () => expect(missing).not.toBe(""));

const object = (content: number | string) => Buffer.from(`{"metadata":{"resourceVersion":""},"content":"${content}"}`);
const machine = { clock: systemClock, random: systemRandom };

describe.skipIf(missing !== undefined)("etcd with faults", () => {
  const cleanups: (() => Promise<void> | void)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  async function cluster(size: number, flags: readonly string[] = []): Promise<EtcdProcess[]> {
    const members = await startEtcdCluster(size, flags);
    cleanups.push(async () => void (await Promise.all(members.map((one) => one.remove()))));
    return members;
  }
  const engineOf = (members: readonly EtcdProcess[]): Engine =>
    etcdEngine({ endpoints: members.map(({ endpoint }) => endpoint), ...machine });
  async function open(members: readonly EtcdProcess[], troubles: unknown[] = []): Promise<State> {
    const state = await openState(engineOf(members), {
      clock: systemClock,
      onTrouble: (error) => troubles.push(error),
    });
    cleanups.push(() => state.close());
    return state;
  }

  /** Writes new keys until told to stop; what was acknowledged, with the revision it was told. */
  function writing(state: State, writers: number) {
    const acknowledged = new Map<string, number>();
    const failures: StoreError[] = [];
    let stopped = false;
    const running = Promise.all(
      Array.from({ length: writers }, async (_, writer) => {
        for (let round = 0; !stopped; round++) {
          const key = `/registry/load/${writer}/${String(round).padStart(5, "0")}`;
          try {
            const result = await state.commit({ key, expected: 0, value: object(key) });
            if (result.committed) acknowledged.set(key, result.revision);
          } catch (error) {
            if (!(error instanceof StoreError)) throw error;
            failures.push(error);
            await systemClock.sleep(20);
          }
        }
      }),
    );
    return {
      acknowledged,
      failures,
      async more(count: number) {
        const wanted = acknowledged.size + count;
        while (acknowledged.size < wanted) await Promise.race([systemClock.sleep(10), running]);
      },
      async stop() {
        stopped = true;
        await running;
      },
    };
  }

  /** All keys that ever came, by a cursor that is read to the end. */
  function allSeen(state: State): () => Set<string> {
    const cursor = state.cursor("/registry/load/", state.revision);
    const seen = new Set<string>();
    return () => {
      for (let some = cursor.next(1_000); some.length > 0; some = cursor.next(1_000)) {
        for (const { key } of some) {
          expect(seen.has(key), `${key} came twice`).toBe(false);
          seen.add(key);
        }
      }
      return seen;
    };
  }

  async function nothingLost(members: readonly EtcdProcess[], acknowledged: ReadonlyMap<string, number>) {
    const fresh = await open(members);
    for (const [key, revision] of acknowledged) expect(fresh.view().get(key)?.revision, key).toBe(revision);
  }

  it("killed twice under load: what failed says whether it may have been done, what was acknowledged is there", async () => {
    const members = await cluster(1);
    const state = await open(members);
    const seen = allSeen(state);
    const load = writing(state, 8);
    for (let kill = 0; kill < 2; kill++) {
      await load.more(50);
      await members[0]!.kill();
      await systemClock.sleep(200);
      await members[0]!.restart();
    }
    await load.more(50);
    await load.stop();
    for (const { code } of load.failures) expect(["STORE_TIMEOUT", "STORE_UNAVAILABLE"]).toContain(code);
    await state.reached(await state.head());
    const known = seen();
    for (const key of load.acknowledged.keys()) expect(known.has(key), key).toBe(true);
    await nothingLost(members, load.acknowledged);
  }, 60_000);

  it("paused: reads fail in time and say so; afterwards all goes on by itself", async () => {
    const members = await cluster(1);
    const state = await open(members);
    members[0]!.pause();
    cleanups.push(() => members[0]!.resume());
    const [read, write] = await Promise.allSettled([
      state.head(),
      state.commit({ key: "/registry/load/x", expected: 0, value: object(1) }),
    ]);
    expect(read).toMatchObject({ status: "rejected", reason: { code: "STORE_UNAVAILABLE" } });
    expect(write).toMatchObject({ status: "rejected", reason: { code: "STORE_TIMEOUT" } });
    members[0]!.resume();
    const head = await state.head();
    await state.reached(head);
    // Whether the write happened is now known, and there is one answer to it.
    const again = await state.commit({ key: "/registry/load/x", expected: 0, value: object(1) });
    expect(state.view().get("/registry/load/x")).toBeDefined();
    if (!again.committed) expect(again.current).toBe(state.view().get("/registry/load/x"));
  }, 60_000);

  it("of three members any may die or hang, the leader too: writes and watches go on through the others", async () => {
    const members = await cluster(3);
    const state = await open(members);
    const seen = allSeen(state);
    const load = writing(state, 6);
    await load.more(30);
    await members[0]!.kill();
    await load.more(30);
    await members[0]!.restart();
    members[1]!.pause();
    await load.more(30);
    members[1]!.resume();
    await members[2]!.kill();
    await load.more(30);
    await members[2]!.restart();
    await load.stop();
    await state.reached(await state.head());
    const known = seen();
    for (const key of load.acknowledged.keys()) expect(known.has(key), key).toBe(true);
    await nothingLost(members, load.acknowledged);
  }, 120_000);

  it("compacted while it was cut off: it starts anew, cursors end with Expired, nothing is missing", async () => {
    const members = await cluster(1);
    const troubles: unknown[] = [];
    const state = await open(members, troubles);
    await state.commit({ key: "/registry/load/gone", expected: 0, value: object("gone") });
    const cursor = state.cursor("/registry/load/", state.revision);
    // Another server writes and compacts while this one's watch is down: that is made by a member that forgets it.
    const other = engineOf(members);
    await members[0]!.kill();
    await members[0]!.restart();
    await other.open();
    cleanups.push(() => other.close());
    const gone = state.view().get("/registry/load/gone")!;
    await other.commit({ key: "/registry/load/gone", expected: gone.revision, value: undefined });
    for (let round = 0; round < 20; round++)
      await other.commit({ key: `/registry/load/${round}`, expected: 0, value: object(round) });
    await other.compact(await other.head());
    await state.reached(await state.head());
    expect(state.view().get("/registry/load/gone")).toBeUndefined();
    expect(state.view().count("/registry/load/")).toBe(20);
    // Either the watch was back before the compaction, or the cursor says that it is not whole; never a silent gap.
    const read = () => cursor.next(100).length;
    if (troubles.length > 0) expect(read).toThrow("is compacted");
    else expect(read()).toBe(21);
  }, 60_000);

  it("full: writes are refused with etcd's words, reads go on", async () => {
    // A quota that a few writes exceed.
    const members = await cluster(1, ["--quota-backend-bytes", String(2 * 1024 * 1024)]);
    const state = await open(members);
    const value = Buffer.from(`{"metadata":{"resourceVersion":""},"content":"${"x".repeat(500_000)}"}`);
    let refused: unknown;
    for (let round = 0; round < 40 && refused === undefined; round++) {
      await state.commit({ key: `/registry/load/${round}`, expected: 0, value }).catch((error: unknown) => {
        refused = error;
      });
    }
    expect(refused).toMatchObject({ code: "STORE_REFUSED", said: "etcdserver: mvcc: database space exceeded" });
    await state.reached(await state.head());
    expect(state.view().get("/registry/load/0")).toBeDefined();
    const first = state.view().get("/registry/load/0")!;
    await expect(
      state.commit({
        key: first.key,
        expected: first.revision,
        value: Buffer.from(`{"metadata":{"resourceVersion":""}}`),
      }),
    ).rejects.toMatchObject({ code: "STORE_REFUSED" });
  }, 60_000);

  it("a value above its limit is refused in its words, and nothing else suffers", async () => {
    const members = await cluster(1);
    const state = await open(members);
    const value = Buffer.from(`{"metadata":{"resourceVersion":""},"content":"${"x".repeat(2_000_000)}"}`);
    await expect(state.commit({ key: "/registry/load/big", expected: 0, value })).rejects.toMatchObject({
      code: "STORE_REFUSED",
      said: "etcdserver: request is too large",
    });
    const small = await state.commit({ key: "/registry/load/small", expected: 0, value: object(1) });
    expect(small.committed).toBe(true);
  });

  it("nobody there: opening fails in time and names the address", async () => {
    const engine = etcdEngine({ endpoints: ["127.0.0.1:1"], ...machine });
    await expect(openState(engine, { clock: systemClock })).rejects.toThrow(
      /etcd at 127\.0\.0\.1:1 did not answer KV\/Range/,
    );
  }, 30_000);

  it("an Event's lease is shared, and one that is lost is replaced", async () => {
    const members = await cluster(1);
    const state = await open(members);
    const commit = (name: string) =>
      state.commit({ key: `/registry/events/${name}`, expected: 0, value: object(name), ttlSeconds: 3600 });
    await Promise.all([commit("a"), commit("b")]);
    const connection = new EtcdConnection({ endpoints: [members[0]!.endpoint], ...machine });
    await connection.open();
    cleanups.push(() => connection.close());
    // LeaseLeases: one for both.
    const leases = await connection.call("Lease/LeaseLeases", new Uint8Array(0), "read");
    const ids = leaseIds(leases);
    expect(ids).toHaveLength(1);
    await connection.call("Lease/LeaseRevoke", ids[0]!, "write");
    const after = await commit("c");
    expect(after.committed).toBe(true);
    await state.reached(await state.head());
    expect([...state.view().range("/registry/events/")].map(({ key }) => key)).toEqual(["/registry/events/c"]);
  });

  it("of several compactors one compacts each turn, to what it saw the turn before", async () => {
    const members = await cluster(1);
    const engine = engineOf(members);
    await engine.open();
    cleanups.push(() => engine.close());
    const connection = new EtcdConnection({ endpoints: [members[0]!.endpoint], ...machine });
    await connection.open();
    cleanups.push(() => connection.close());
    const compactors = Array.from({ length: 3 }, () => new Compactor(connection));
    const put = () => engine.commit({ key: `/registry/load/${Math.random()}`, expected: 0, value: object(1) });
    const turns: (number | undefined)[][] = [];
    for (let turn = 0; turn < 4; turn++) {
      await put();
      turns.push(await Promise.all(compactors.map((one) => one.turn())));
    }
    // The first turn only looks; then each compacts once, and never further than the turn before.
    expect(turns[0]).toEqual([undefined, undefined, undefined]);
    for (const turn of turns.slice(2)) expect(turn.filter((revision) => revision !== undefined)).toHaveLength(1);
    const done = turns.flat().filter((revision) => revision !== undefined);
    expect(done).toEqual(done.toSorted((a, b) => a - b));
    expect(await engine.oldest!()).toBe(done.at(-1));
  });
});

/** Ids of a LeaseLeasesResponse, each as the bytes of a request that names it: `{ID = 1}`. */
function leaseIds(bytes: Buffer): Uint8Array[] {
  const ids: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const field = bytes[at]! >> 3;
    const length = bytes[at + 1]!;
    const body = bytes.subarray(at + 2, at + 2 + length);
    // LeaseStatus{ID = 1} in field 2.
    if (field === 2) ids.push(body);
    at += 2 + length;
  }
  return ids;
}
