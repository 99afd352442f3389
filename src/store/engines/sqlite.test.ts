/** What only the sqlite engine promises: nothing acknowledged is lost with the process, and no file is opened that is not its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, it } from "vitest";
import { SimulatedClock } from "../../api/simulated.ts";
import { openState } from "../open-state.ts";
import { sqliteEngine } from "./sqlite.ts";

let folder: string;
let path: string;
const clock = new SimulatedClock();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tenon-sqlite-"));
  path = join(folder, "store.db");
});
afterEach(() => rmSync(folder, { recursive: true }));

const value = Buffer.from('{"metadata":{"resourceVersion":""}}');

/** Writes without end, sixteen at a time, and says of each write what was acknowledged (a write to a pipe is synchronous). */
const CHILD = `
  import { sqliteEngine } from ${JSON.stringify(new URL("./sqlite.ts", import.meta.url).href)};
  import { systemClock } from ${JSON.stringify(new URL("../../api/machine.ts", import.meta.url).href)};
  const [path, life] = process.argv.slice(1);
  const engine = sqliteEngine({ path, clock: systemClock });
  await engine.open();
  process.stdout.write("head " + (await engine.head()) + "\\n");
  for (let writer = 0; writer < 16; writer++) (async () => {
    for (let round = 0; ; round++) {
      const key = "/w/" + life + "/" + writer + "/" + round;
      const { revision } = await engine.commit({ key, expected: 0, value: Buffer.alloc(500 + round, 120) });
      process.stdout.write("wrote " + revision + " " + key + "\\n");
      if (round % 3 === 0) {
        const gone = await engine.commit({ key, expected: revision, value: undefined });
        process.stdout.write("removed " + gone.revision + " " + key + "\\n");
      }
      if (round % 10 === 9 && writer === 0) engine.compact(revision - 20);
    }
  })();
`;

it("kill -9 under load, five times: every acknowledged write is there, revisions go on above all of them", async () => {
  const wrote = new Map<string, number>();
  let highest = 0;
  for (let life = 0; life < 5; life++) {
    const child = spawn(process.execPath, ["--input-type=module", "-e", CHILD, path, String(life)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let complaint = "";
    child.stderr.on("data", (data) => {
      complaint += data;
    });
    let lines = 0;
    for await (const line of createInterface(child.stdout)) {
      const [what, number, key] = line.split(" ");
      const revision = Number(number);
      if (what === "head") expect(revision).toBeGreaterThanOrEqual(highest);
      else if (what === "wrote") wrote.set(key!, revision);
      else wrote.delete(key!);
      highest = Math.max(highest, revision);
      // What was acknowledged before the signal arrived is read to the end of the pipe.
      if (++lines === 150 + life * 40) child.kill("SIGKILL");
    }
    expect(complaint).toBe("");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    expect(child.signalCode).toBe("SIGKILL");

    const engine = sqliteEngine({ path, clock });
    await engine.open();
    expect(await engine.head()).toBeGreaterThanOrEqual(highest);
    const stored = new Map<string, number>();
    for await (const page of engine.scan("/w/")) for (const row of page.rows) stored.set(row.key, row.revision);
    for (const [key, revision] of wrote) {
      // A removal may have become durable without its acknowledgement getting out.
      const [, , , , round] = key.split("/");
      if (!stored.has(key) && Number(round) % 3 === 0) continue;
      expect([key, stored.get(key)]).toEqual([key, revision]);
    }
    const before = await engine.head();
    const next = await engine.commit({ key: `/w/after/${life}/x/1`, expected: 0, value });
    expect(next).toEqual({ committed: true, revision: before + 1 });
    wrote.set(`/w/after/${life}/x/1`, next.revision);
    highest = Math.max(highest, next.revision);
    await engine.close();
  }
  expect(wrote.size).toBeGreaterThan(200);
});

it("one owner at a time, in this process and in others; the lock goes with its process", async () => {
  const engine = sqliteEngine({ path, clock });
  await engine.open();
  const locked = { code: "STORE_LOCKED", message: expect.stringContaining(path) };
  await expect(sqliteEngine({ path, clock }).open()).rejects.toMatchObject(locked);
  const child = spawn(process.execPath, ["--input-type=module", "-e", CHILD, path, "0"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let complaint = "";
  child.stderr.on("data", (data) => {
    complaint += data;
  });
  const [code] = await once(child, "exit");
  expect(code).not.toBe(0);
  expect(complaint).toContain("STORE_LOCKED");
  await engine.close();
  await engine.open();
  expect(await engine.head()).toBe(0);
  await engine.close();
});

it("anybody may read the file while it is open, nobody but its owner by its mode", async () => {
  const engine = sqliteEngine({ path, clock });
  await engine.open();
  await engine.commit({ key: "/a", expected: 0, value });
  const reader = new DatabaseSync(path, { readOnly: true });
  expect(reader.prepare("SELECT revision, key FROM log").all()).toEqual([
    expect.objectContaining({ revision: 1, key: "/a" }),
  ]);
  reader.close();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(`${path}-wal`).mode & 0o777).toBe(0o600);
  await engine.close();
});

it.each([
  [
    "text",
    "STORE_FOREIGN",
    (file: string) => writeFileSync(file, "these are my notes, and they are long enough".repeat(40)),
  ],
  [
    "another program's database",
    "STORE_FOREIGN",
    (file: string) => {
      const other = new DatabaseSync(file);
      other.exec("CREATE TABLE songs (title TEXT)");
      other.close();
    },
  ],
  [
    "a format of the future",
    "STORE_VERSION",
    (file: string) => {
      const other = new DatabaseSync(file);
      other.exec(`PRAGMA application_id = ${0x54454e4f}; PRAGMA user_version = 7; CREATE TABLE log (x)`);
      other.close();
    },
  ],
])("refuses %s and leaves it as it is", async (_, code, make) => {
  make(path);
  const before = readFileSync(path);
  await expect(sqliteEngine({ path, clock }).open()).rejects.toMatchObject({
    code,
    message: expect.stringContaining(path),
  });
  expect(readFileSync(path).equals(before)).toBe(true);
});

it("refuses a damaged file, naming it", async () => {
  const engine = sqliteEngine({ path, clock });
  await engine.open();
  for (let index = 0; index < 50; index++)
    await engine.commit({ key: `/a/${index}`, expected: 0, value: Buffer.alloc(3_000, 65) });
  await engine.close();
  const bytes = readFileSync(path);
  // All but the first page, which says what the file is.
  bytes.fill(0xa5, 4_096);
  writeFileSync(path, bytes);
  await expect(openState(sqliteEngine({ path, clock }), { clock })).rejects.toMatchObject({
    code: "STORE_CORRUPT",
    message: expect.stringContaining(path),
  });
});

it("refuses a path that cannot be a file", async () => {
  writeFileSync(join(folder, "file"), "");
  const bad = join(folder, "file", "store.db");
  await expect(sqliteEngine({ path: bad, clock }).open()).rejects.toMatchObject({
    code: "STORE_OPEN",
    message: expect.stringContaining(bad),
  });
});

it("says when it takes no write any more, and still reads", async () => {
  const state = await openState(sqliteEngine({ path, clock }), { clock });
  await state.commit({ key: "/a", expected: 0, value });
  expect(state.trouble).toBeUndefined();
  const other = new DatabaseSync(path);
  other.exec("DROP TABLE log");
  other.close();
  await expect(state.commit({ key: "/b", expected: 0, value })).rejects.toMatchObject({ code: "STORE_WRITE" });
  expect(state.trouble).toMatchObject({ code: "STORE_WRITE", message: expect.stringContaining(path) });
  expect(await state.head()).toBe(1);
  expect(state.view().get("/a")?.revision).toBe(1);
  await state.close();
});

it("waits with what is in flight when it closes, and refuses what comes later", async () => {
  const engine = sqliteEngine({ path, clock });
  await engine.open();
  const writes = Array.from({ length: 100 }, (_, index) => engine.commit({ key: `/a/${index}`, expected: 0, value }));
  const closing = engine.close();
  expect((await Promise.all(writes)).every(({ committed }) => committed)).toBe(true);
  await closing;
  await expect(engine.commit({ key: "/b", expected: 0, value })).rejects.toMatchObject({ code: "STORE_CLOSED" });
  await expect(engine.head()).rejects.toMatchObject({ code: "STORE_CLOSED" });
  await engine.close();
});
