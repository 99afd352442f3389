/** The engine over etcd against an etcd in this process: faults in the order a test wants them, on every machine. The contract holds for it too (contract.test.ts). */
import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock, systemRandom } from "../../api/machine.ts";
import type { Engine } from "../engine.ts";
import { openState } from "../open-state.ts";
import type { State } from "../state.ts";
import { etcdEngine, progressIsSafe } from "./etcd.ts";
import { meaningOf } from "./etcd-connection.ts";
import { type EtcdDouble, startEtcdDouble } from "./etcd-double.test-support.ts";

const object = (content: number | string) => Buffer.from(`{"metadata":{"resourceVersion":""},"content":"${content}"}`);
const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function double(): Promise<EtcdDouble> {
  const made = await startEtcdDouble();
  cleanups.push(() => made.stop());
  return made;
}
const engineOf = (...members: EtcdDouble[]): Engine =>
  etcdEngine({ endpoints: members.map(({ endpoint }) => endpoint), clock: systemClock, random: systemRandom });
async function open(engine: Engine, troubles: unknown[] = []): Promise<State> {
  const state = await openState(engine, { clock: systemClock, onTrouble: (error) => troubles.push(error) });
  cleanups.push(() => state.close());
  return state;
}
const fresh = async (state: State) => state.reached(await state.head());
const commit = (state: State, name: string, ttlSeconds?: number) =>
  state.commit({ key: `/registry/a/${name}`, expected: 0, value: object(name), ...(ttlSeconds && { ttlSeconds }) });
const keys = (state: State) => [...state.view().range("/registry/")].map(({ key }) => key);

describe("reading", () => {
  it("takes the parts of one response as one: nothing is fed before all are there", async () => {
    const etcd = await double();
    const state = await open(engineOf(etcd));
    etcd.fragment = 2;
    etcd.deaf = true;
    for (let index = 0; index < 7; index++) etcd.put(`/registry/a/${index}`, object(index).toString());
    const cursor = state.cursor("/registry/", state.revision);
    etcd.deaf = false;
    await fresh(state);
    expect(cursor.next(100).map(({ key }) => key)).toEqual(
      Array.from({ length: 7 }, (_, index) => `/registry/a/${index}`),
    );
    expect(state.revision).toBe(etcd.revision());
  });

  it("learns of revisions that are none of its keys', by asking for progress", async () => {
    const etcd = await double();
    const state = await open(engineOf(etcd));
    for (let index = 0; index < 3; index++) etcd.put("/elsewhere", "x");
    await fresh(state);
    expect(state.revision).toBe(etcd.revision());
    expect(etcd.calls.get("KV/Put")).toBeUndefined();
  });

  it.each(["3.4.30", "3.5.12", "what"])(
    "does not believe the progress of %s: an event of its own is behind all others",
    async (version) => {
      const etcd = await double();
      etcd.version = version;
      const state = await open(engineOf(etcd));
      etcd.put("/elsewhere", "x");
      const head = await state.head();
      await state.reached(head);
      expect(state.revision).toBeGreaterThan(head);
      expect(etcd.calls.get("KV/Put")).toBe(1);
      // Nobody sees it.
      expect(keys(state)).toEqual([]);
      etcd.put("/registry/a/x", object(1).toString());
      await fresh(state);
      expect(etcd.calls.get("KV/Put")).toBe(1);
    },
  );

  it("keys that are no text, and keys elsewhere, are nobody's", async () => {
    const etcd = await double();
    etcd.put("/registryx", "x");
    etcd.put("/registr", "x");
    etcd.put("/registry/a/x", object(1).toString());
    expect(keys(await open(engineOf(etcd)))).toEqual(["/registry/a/x"]);
  });
});

describe("losing the watch", () => {
  it("goes on where it was, without gap or duplicate", async () => {
    const etcd = await double();
    const state = await open(engineOf(etcd));
    const cursor = state.cursor("/registry/", state.revision);
    for (let round = 0; round < 3; round++) {
      await commit(state, `${round}`);
      etcd.dropWatches();
      etcd.put(`/registry/a/between-${round}`, object(round).toString());
    }
    await fresh(state);
    expect(cursor.next(100).map(({ key }) => key.slice(12))).toEqual([
      "0",
      "between-0",
      "1",
      "between-1",
      "2",
      "between-2",
    ]);
  });

  it("a stream that stays open and says nothing is given up: a write that waits for its event sees it by another", async () => {
    const etcd = await double();
    const state = await open(engineOf(etcd));
    await commit(state, "before");
    etcd.forgetWatches();
    const cursor = state.cursor("/registry/", state.revision);
    expect((await commit(state, "after")).committed).toBe(true);
    expect(cursor.next(10).map(({ key }) => key)).toEqual(["/registry/a/after"]);
  });

  it("when what it missed is compacted, everything is read anew and cursors say that they are not whole", async () => {
    const etcd = await double();
    const troubles: unknown[] = [];
    const state = await open(engineOf(etcd), troubles);
    await commit(state, "gone");
    await commit(state, "stays");
    const cursor = state.cursor("/registry/", state.revision);
    etcd.deaf = true;
    etcd.delete("/registry/a/gone");
    etcd.put("/registry/a/new", object(1).toString());
    etcd.compact(etcd.revision());
    etcd.dropWatches();
    etcd.deaf = false;
    await fresh(state);
    expect(keys(state)).toEqual(["/registry/a/new", "/registry/a/stays"]);
    expect(() => cursor.next(10)).toThrow("is compacted");
    expect(String(troubles[0])).toContain("is compacted");
    // A page of a list that began before is refused, not continued in another moment.
    expect(() => state.at(2)).toThrow("is compacted");
    expect((await commit(state, "after")).committed).toBe(true);
  });

  it("compaction alone takes nothing from a client that is reading pages", async () => {
    const etcd = await double();
    const state = await open(engineOf(etcd));
    for (const name of ["a", "b", "c"]) await commit(state, name);
    const { revision } = state.view();
    await commit(state, "d");
    etcd.compact(etcd.revision());
    await fresh(state);
    expect([...state.at(revision).range("/registry/a/", "/registry/a/b")].map(({ key }) => key)).toEqual([
      "/registry/a/b",
      "/registry/a/c",
    ]);
  });
});

describe("writing", () => {
  const details = "etcdserver: request timed out";

  it("a write that was not done is sent again, one that may have been is not", async () => {
    const etcd = await double();
    const state = await open(engineOf(etcd));
    etcd.fail("KV/Txn", { code: status.UNAVAILABLE, details: "etcdserver: no leader" });
    expect((await commit(state, "again")).committed).toBe(true);
    expect(etcd.calls.get("KV/Txn")).toBe(2);
    etcd.fail("KV/Txn", { code: status.UNAVAILABLE, details, done: true });
    await expect(commit(state, "maybe")).rejects.toMatchObject({ code: "STORE_TIMEOUT", said: details });
    expect(etcd.calls.get("KV/Txn")).toBe(3);
    await fresh(state);
    expect(keys(state)).toEqual(["/registry/a/again", "/registry/a/maybe"]);
  });

  it.each([
    [status.RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"],
    [status.PERMISSION_DENIED, "etcdserver: permission denied"],
    [status.INVALID_ARGUMENT, "etcdserver: request is too large"],
    [status.INVALID_ARGUMENT, "etcdserver: user name is empty"],
  ])("what is refused (%i, %s) is told in etcd's words, at once", async (code, said) => {
    const etcd = await double();
    const state = await open(engineOf(etcd));
    etcd.fail("KV/Txn", { code, details: said });
    await expect(commit(state, "x")).rejects.toMatchObject({ code: "STORE_REFUSED", said });
    expect(etcd.calls.get("KV/Txn")).toBe(1);
    etcd.fail("KV/Range", { code, details: said });
    await expect(state.head()).rejects.toMatchObject({ code: "STORE_REFUSED", said });
  });

  it("Events share a lease, and get another when it is lost", async () => {
    const etcd = await double();
    const state = await open(engineOf(etcd));
    await Promise.all([commit(state, "a", 3600), commit(state, "b", 3600)]);
    await commit(state, "other", 60);
    expect(etcd.calls.get("Lease/LeaseGrant")).toBe(2);
    etcd.revokeLeases();
    await fresh(state);
    expect(keys(state)).toEqual([]);
    expect((await commit(state, "c", 3600)).committed).toBe(true);
    expect(etcd.calls.get("Lease/LeaseGrant")).toBe(3);
  });
});

describe("members", () => {
  it("a read goes to the next one when one refuses connections, and so does the watch", async () => {
    const etcd = await double();
    const gone = await double();
    await gone.stop();
    const state = await open(engineOf(gone, etcd));
    expect((await commit(state, "x")).committed).toBe(true);
    etcd.put("/registry/a/y", object(1).toString());
    await fresh(state);
    expect(keys(state)).toEqual(["/registry/a/x", "/registry/a/y"]);
  });
});

describe("the meaning of errors", () => {
  it.each<[number | undefined, string, string, string]>([
    [14, "No connection established. Last error: connect ECONNREFUSED", "STORE_UNAVAILABLE", "STORE_UNAVAILABLE"],
    [14, "etcdserver: no leader", "STORE_UNAVAILABLE", "STORE_UNAVAILABLE"],
    [8, "etcdserver: too many requests", "STORE_UNAVAILABLE", "STORE_UNAVAILABLE"],
    [14, "etcdserver: leader changed", "STORE_UNAVAILABLE", "STORE_TIMEOUT"],
    [14, "Connection dropped", "STORE_UNAVAILABLE", "STORE_TIMEOUT"],
    [4, "Deadline exceeded", "STORE_UNAVAILABLE", "STORE_TIMEOUT"],
    [13, "Received RST_STREAM with code 2", "STORE_UNAVAILABLE", "STORE_TIMEOUT"],
    [undefined, "read ECONNRESET", "STORE_UNAVAILABLE", "STORE_TIMEOUT"],
    [7, "etcdserver: permission denied", "STORE_REFUSED", "STORE_REFUSED"],
    [11, "etcdserver: mvcc: required revision has been compacted", "STORE_REFUSED", "STORE_REFUSED"],
  ])("%s %s", (code, said, read, write) => {
    expect(meaningOf(code, said, "read")).toBe(read);
    expect(meaningOf(code, said, "write")).toBe(write);
  });

  it.each([
    ["3.4.30", false],
    ["3.4.31", true],
    ["3.5.0", false],
    ["3.5.12", false],
    ["3.5.13", true],
    ["3.6.0-rc.1", true],
    ["3.3.27", false],
    ["4.0.0", true],
    ["", false],
  ])("progress of %s is believed: %s", (version, safe) => expect(progressIsSafe(version)).toBe(safe));
});
