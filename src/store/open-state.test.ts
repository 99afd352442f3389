import { describe, expect, it } from "vitest";
import { SimulatedClock } from "../api/simulated.ts";
import type { Engine } from "./engine.ts";
import { memoryEngine } from "./engines/memory.ts";
import { type History, openState } from "./open-state.ts";
import { type Change, ExpiredError } from "./state.ts";

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const object = (name: string, extra = "") =>
  Buffer.from(`{"kind":"Thing","metadata":{"name":"${name}","resourceVersion":""}${extra}}`);

async function open(history: Partial<History> = {}, first = 0) {
  const clock = new SimulatedClock();
  const troubles: unknown[] = [];
  const engine = memoryEngine({ clock, revision: first });
  const state = await openState(engine, { clock, history, onTrouble: (error) => troubles.push(error) });
  return { clock, engine, state, troubles };
}

const show = (changes: readonly Change[]) => changes.map(({ type, key, revision }) => `${type} ${key} ${revision}`);

describe("commit", () => {
  it("splices the revision into the slot, hands the memo through, and says what it lost against", async () => {
    const { state } = await open({}, 41);
    const memo = { parsed: true };
    const made = await state.commit({ key: "/a/x", expected: 0, value: object("x"), memo });
    expect(made.committed && text(made.entry.value)).toBe(
      '{"kind":"Thing","metadata":{"name":"x","resourceVersion":"42"}}',
    );
    expect(made.committed && made.entry.memo).toBe(memo);
    expect(state.view().get("/a/x")?.memo).toBe(memo);
    const lost = await state.commit({ key: "/a/x", expected: 7, value: object("y") });
    expect(lost).toEqual({ committed: false, current: state.view().get("/a/x") });
    expect(await state.commit({ key: "/a/none", expected: 7, value: object("y") })).toEqual({
      committed: false,
      current: undefined,
    });
    await state.close();
  });

  it("keeps bytes without a slot as they are", async () => {
    const { state } = await open();
    for (const value of ["k8s\0...", '{"kind":"X"}', '{"resourceVersion":"abc"}', 'k8s\0"resourceVersion":""', ""]) {
      const current = state.view().get("/a/x");
      await state.commit({ key: "/a/x", expected: current?.revision ?? 0, value: Buffer.from(value) });
      expect(text(state.view().get("/a/x")!.value)).toBe(value);
    }
    await state.close();
  });

  it("a delete shows the last state with the delete's revision", async () => {
    const { state } = await open();
    await state.commit({ key: "/a/x", expected: 0, value: object("x"), memo: 1 });
    const gone = await state.commit({ key: "/a/x", expected: 1, value: undefined, memo: 2 });
    expect(gone.committed && text(gone.entry.value)).toContain('"resourceVersion":"2"');
    expect(gone.committed && gone.entry.memo).toBe(2);
    expect(state.view().get("/a/x")).toBeUndefined();
    const [put, removed] = state.cursor("/a/", 0).next(10);
    expect(put).toMatchObject({ type: "put", previous: undefined });
    expect(removed).toMatchObject({ type: "delete", key: "/a/x", revision: 2 });
    expect(removed?.previous).toBe(put?.entry);
    expect(text(removed!.previous!.value)).toContain('"resourceVersion":"1"');
    expect(await state.commit({ key: "/a/x", expected: 0, value: undefined })).toEqual({
      committed: false,
      current: undefined,
    });
    await state.close();
  });

  it("is refused after close, and waiters are told", async () => {
    const { state } = await open();
    const waiting = expect(state.reached(99)).rejects.toMatchObject({ code: "STORE_CLOSED" });
    await state.close();
    await waiting;
    await expect(state.commit({ key: "/a/x", expected: 0, value: object("x") })).rejects.toMatchObject({
      code: "STORE_CLOSED",
    });
    await state.close();
  });
});

describe("reached", () => {
  it("resolves in any order of asking, and rejects when its signal aborts", async () => {
    const { state } = await open();
    const done: number[] = [];
    const waits = [3, 1, 2].map((revision) => state.reached(revision).then(() => done.push(revision)));
    const abort = new AbortController();
    const aborted = state.reached(2, abort.signal);
    abort.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    for (const name of ["a", "b", "c"]) await state.commit({ key: `/a/${name}`, expected: 0, value: object(name) });
    await Promise.all(waits);
    expect(done).toEqual([1, 2, 3]);
    expect(await state.head()).toBe(3);
    await state.close();
  });
});

describe("cursors", () => {
  it("only those with a matching prefix are woken, once", async () => {
    const { state } = await open();
    const woken: string[] = [];
    const cursors = ["/a/", "/a/x", "/b/", "", "/a/x/", "/a/xyz"].map((prefix) => {
      const cursor = state.cursor(prefix, 0);
      cursor.onReady(() => woken.push(prefix));
      return cursor;
    });
    await state.commit({ key: "/a/xy", expected: 0, value: object("xy") });
    await Promise.resolve();
    expect(woken.sort()).toEqual(["", "/a/", "/a/x"]);
    await state.commit({ key: "/a/xy", expected: 1, value: object("xy") });
    expect(woken.length).toBe(3);
    expect(cursors.map((cursor) => show(cursor.next(10)).length)).toEqual([2, 2, 0, 2, 0, 0]);
    expect(cursors.map((cursor) => cursor.revision)).toEqual([2, 2, 2, 2, 2, 2]);
    for (const cursor of cursors) cursor.close();
    expect(cursors[0]!.next(10)).toEqual([]);
    await state.close();
  });

  it("say which revision is safe for a bookmark", async () => {
    const { state } = await open();
    for (const key of ["/a/1", "/b/2", "/a/3", "/b/4"]) await state.commit({ key, expected: 0, value: object("x") });
    const cursor = state.cursor("/a/", 0);
    expect(cursor.revision).toBe(0);
    expect(show(cursor.next(1))).toEqual(["put /a/1 1"]);
    expect(cursor.revision).toBe(2);
    expect(show(cursor.next(1))).toEqual(["put /a/3 3"]);
    expect(cursor.revision).toBe(4);
    await state.close();
  });

  it("may start in the future and then skip what they need not see", async () => {
    const { state } = await open();
    const cursor = state.cursor("/a/", 2);
    expect(cursor.revision).toBe(2);
    for (const key of ["/a/1", "/a/2", "/a/3"]) await state.commit({ key, expected: 0, value: object("x") });
    expect(show(cursor.next(10))).toEqual(["put /a/3 3"]);
    await state.close();
  });

  it("expire when a change they did not read fell off, not when others did", async () => {
    const { state } = await open({ minChanges: 2, maxChanges: 2 });
    const busy = state.cursor("/a/", 0);
    const quiet = state.cursor("/b/", 0);
    for (const key of ["/a/1", "/a/2", "/a/3"]) await state.commit({ key, expected: 0, value: object("x") });
    expect(() => busy.next(10)).toThrow(ExpiredError);
    expect(busy.revision).toBe(0);
    expect(quiet.next(10)).toEqual([]);
    expect(quiet.revision).toBe(3);
    await state.commit({ key: "/b/1", expected: 0, value: object("x") });
    expect(show(quiet.next(10))).toEqual(["put /b/1 4"]);
    expect(() => state.cursor("/b/", 1)).toThrow(new ExpiredError(1, 2));
    await state.close();
  });
});

describe("history", () => {
  it("answers exact revisions within the window by the clock, then refuses them", async () => {
    const { state, clock } = await open({ milliseconds: 60_000 });
    for (let round = 1; round <= 5; round++) {
      await state.commit({ key: "/a/x", expected: round - 1, value: object("x", `,"round":${round}`) });
      await clock.advance(10_000);
    }
    for (let round = 1; round <= 5; round++)
      expect(text(state.at(round).get("/a/x")!.value)).toContain(`"round":${round}`);
    expect(state.at(0).get("/a/x")).toBeUndefined();
    expect(() => state.at(6)).toThrow(RangeError);
    await clock.advance(31_000);
    expect(() => state.at(2)).toThrow(new ExpiredError(2, 3));
    expect(state.at(3).revision).toBe(3);
    await clock.advance(100_000);
    expect(() => state.at(4)).toThrow(ExpiredError);
    expect(state.at(5).get("/a/x")?.revision).toBe(5);
    // Cursors live on what is kept in any case.
    expect(show(state.cursor("/a/", 4).next(10))).toEqual(["put /a/x 5"]);
    await state.close();
  });

  it("is replayed by a new state over the same engine: watches survive a restart", async () => {
    const { state, engine, clock } = await open();
    await state.commit({ key: "/a/x", expected: 0, value: object("x") });
    await state.commit({ key: "/a/x", expected: 1, value: object("x") });
    await state.close();
    const again = await openState(engine, { clock });
    expect(again.revision).toBe(2);
    expect(show(again.cursor("/a/", 1).next(10))).toEqual(["put /a/x 2"]);
    expect(again.cursor("/a/", 1).next(10)[0]?.previous?.revision).toBe(1);
    await again.close();
  });

  it("frees bytes of what left the window", async () => {
    const { state } = await open({ minChanges: 10, maxChanges: 10 });
    const padding = `,"padding":"${"x".repeat(10_000)}"`;
    for (let round = 0; round < 500; round++) {
      await state.commit({ key: `/a/${round % 7}`, expected: round < 7 ? 0 : round - 6, value: object("x", padding) });
    }
    for (const entry of state.view().range("/a/"))
      expect(text(entry.value)).toBe(
        text(object("x", padding)).replace('resourceVersion":""', `resourceVersion":"${entry.revision}"`),
      );
    await state.close();
  });
});

describe("a feed that breaks", () => {
  it("because its past was compacted: the state loads anew, and cursors expire instead of missing something", async () => {
    const { engine, clock } = await open();
    let feeds = 0;
    const troubles: unknown[] = [];
    const behind: Engine = {
      ...engine,
      // The first feed says nothing, and ends as one does that was disconnected while history was compacted.
      async feed(after, tell, signal) {
        if (feeds++ > 0) return engine.feed(after, tell, signal);
        await engine.commit({ key: "/a/x", expected: 0, value: object("x") });
        throw new ExpiredError(after, after + 1);
      },
    };
    const state = await openState(behind, { clock, onTrouble: (error) => troubles.push(error) });
    await state.reached(1);
    expect(state.view().get("/a/x")?.revision).toBe(1);
    expect(troubles).toEqual([new ExpiredError(0, 1)]);
    expect(() => state.cursor("/a/", 0)).toThrow(ExpiredError);
    await state.commit({ key: "/a/x", expected: 1, value: object("x") });
    expect(show(state.cursor("/a/", 1).next(10))).toEqual(["put /a/x 2"]);
    await state.close();
  });

  it("expires and wakes the cursors that were there before", async () => {
    const { engine, clock } = await open();
    const broken = Promise.withResolvers<void>();
    let feeds = 0;
    const state = await openState(
      { ...engine, feed: (after, tell, signal) => (feeds++ > 0 ? engine.feed(after, tell, signal) : broken.promise) },
      { clock },
    );
    const cursor = state.cursor("/a/", 0);
    const woken = new Promise<void>((resolve) => cursor.onReady(resolve));
    broken.reject(new ExpiredError(0, 1));
    await woken;
    expect(() => cursor.next(1)).toThrow(ExpiredError);
    expect(state.cursor("/a/", 0).next(1)).toEqual([]);
    await state.close();
  });

  it("for good: what is here is still read, writes are refused, and somebody is told", async () => {
    const { engine, clock } = await open();
    const broken = Promise.withResolvers<void>();
    const told = Promise.withResolvers<unknown>();
    const timersBefore = clock.waiting;
    const state = await openState({ ...engine, feed: () => broken.promise }, { clock, onTrouble: told.resolve });
    const waiting = expect(state.reached(5)).rejects.toMatchObject({ code: "STORE_CLOSED" });
    broken.reject(new Error("the disk is on fire"));
    expect(await told.promise).toEqual(new Error("the disk is on fire"));
    await waiting;
    expect(state.view().count("")).toBe(0);
    expect(state.trouble?.message).toContain("the disk is on fire");
    await expect(state.commit({ key: "/a/x", expected: 0, value: object("x") })).rejects.toMatchObject({
      message: expect.stringContaining("the disk is on fire"),
    });
    await state.close();
    expect(clock.waiting).toBe(timersBefore);
  });
});
