/** The file of the sqlite engine: one append-only log of all changes, indexed by key; and what is refused as such a file. */
import { closeSync, mkdirSync, openSync, realpathSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Revision } from "../engine.ts";
import { StoreError } from "../errors.ts";

/** "TENO", in the place where SQLite files say whose they are. */
const APPLICATION = 0x54454e4f;
/** Raised when the tables change in a way older versions would misread. */
const FORMAT = 1;

/**
 * A row is a change and its rowid the revision, so that a write appends one row and one index entry. The current state of a key is its
 * last row; `gone` is in the index for the compare of compare-and-swap to need no look at the row. `value` stands last: what comes before
 * a long value is read without it.
 */
const TABLES = `
  CREATE TABLE log (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    gone INTEGER NOT NULL,
    expires INTEGER,
    value BLOB
  );
  CREATE UNIQUE INDEX log_by_key ON log (key, revision, gone);
  CREATE INDEX log_by_expiry ON log (expires) WHERE expires IS NOT NULL;
  CREATE TABLE compacted (only INTEGER PRIMARY KEY CHECK (only = 1), revision INTEGER NOT NULL);
  INSERT INTO compacted VALUES (1, 0);
`;

export interface StoreFile {
  readonly database: DatabaseSync;
  readonly head: Revision;
  readonly compacted: Revision;
  close(): void;
}

/** Opens or creates the store at `path`, alone. Throws StoreErrors that name the file. */
export function openStoreFile(path: string): StoreFile {
  try {
    mkdirSync(dirname(path), { recursive: true });
    createEmpty(path);
    // One lock however the file is reached.
    path = realpathSync(path);
    createEmpty(`${path}.lock`);
  } catch (error) {
    throw new StoreError("STORE_OPEN", `${path} cannot be opened as a store: ${(error as Error).message}`, {
      cause: error,
    });
  }
  const lock = takeLock(path);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    prepare(database, path);
    const compacted = integer(database, "SELECT revision AS n FROM compacted");
    // Compaction may have removed the last row, a removal: its revision was handed out all the same.
    const head = Math.max(integer(database, "SELECT max(revision) AS n FROM log"), compacted);
    const opened = database;
    return {
      database,
      head,
      compacted,
      close() {
        opened.close();
        lock.close();
      },
    };
  } catch (error) {
    try {
      database?.close();
    } catch {
      // The first error says more.
    }
    lock.close();
    throw sqliteError(error, path, "STORE_OPEN");
  }
}

/**
 * Secrets are in it: readable by its owner only; SQLite gives its side files the same mode. A file that exists must not be opened here,
 * not even for a moment: closing it would drop all locks this process holds on it (POSIX), SQLite's among them.
 */
function createEmpty(path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/**
 * The lock is an open transaction on a second, empty database: the system lets go of it however the process ends, and the store itself
 * stays readable for anybody who wants to look inside.
 */
function takeLock(path: string): DatabaseSync {
  const lock = new DatabaseSync(`${path}.lock`, { timeout: 0 });
  try {
    lock.exec("BEGIN EXCLUSIVE");
    return lock;
  } catch (error) {
    lock.close();
    if (primaryCode(error) === 5)
      throw new StoreError("STORE_LOCKED", `${path} is open in another process; a store has one owner at a time`);
    throw sqliteError(error, `${path}.lock`, "STORE_OPEN");
  }
}

function prepare(database: DatabaseSync, path: string): void {
  const application = integer(database, "PRAGMA application_id");
  const format = integer(database, "PRAGMA user_version");
  const tables = integer(database, "SELECT count(*) AS n FROM sqlite_master");
  const fresh = application === 0 && format === 0 && tables === 0;
  if (!fresh && application !== APPLICATION)
    throw new StoreError("STORE_FOREIGN", `${path} is an SQLite database of another program; it is left as it is`);
  if (!fresh && format !== FORMAT)
    throw new StoreError(
      "STORE_VERSION",
      `${path} was written in store format ${format}; this version knows format ${FORMAT} only`,
    );
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("PRAGMA synchronous = FULL");
  // Checkpoints sync the file itself: rarer than the default keeps them out of the 99th percentile.
  database.exec("PRAGMA wal_autocheckpoint = 4000");
  database.exec("PRAGMA journal_size_limit = 67108864");
  database.exec("PRAGMA cache_size = -32768");
  if (!fresh) return;
  database.exec(
    `BEGIN IMMEDIATE; ${TABLES} PRAGMA application_id = ${APPLICATION}; PRAGMA user_version = ${FORMAT}; COMMIT`,
  );
}

function integer(database: DatabaseSync, sql: string): number {
  const row = database.prepare(sql).get();
  return Number(Object.values(row ?? {})[0] ?? 0);
}

/** SQLite's primary result code; 0 when the error is not SQLite's. */
export function primaryCode(error: unknown): number {
  const code = (error as { errcode?: unknown } | undefined)?.errcode;
  return typeof code === "number" ? code & 0xff : 0;
}

/** What an operator is told; `code` for everything that has no code of its own. */
export function sqliteError(error: unknown, path: string, code: "STORE_OPEN" | "STORE_WRITE"): StoreError {
  if (error instanceof StoreError) return error;
  const said = error instanceof Error ? error.message : String(error);
  switch (primaryCode(error)) {
    case 26:
      return new StoreError("STORE_FOREIGN", `${path} is not an SQLite database; it is left as it is`, {
        cause: error,
      });
    case 11:
      return new StoreError("STORE_CORRUPT", `${path} is damaged (${said}); restore it from a copy`, { cause: error });
    case 13:
      return new StoreError("STORE_WRITE", `${path}: no space left for the write`, { cause: error });
    default:
      return new StoreError(code, `${path}: ${said}`, { cause: error });
  }
}
