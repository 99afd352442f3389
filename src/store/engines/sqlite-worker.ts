/** The writer thread of the sqlite engine: all SQL runs here, so that a sync never stalls the loop that answers requests. */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import type { Revision } from "../engine.ts";
import { StoreError } from "../errors.ts";
import { openStoreFile, primaryCode, type StoreFile, sqliteError } from "./sqlite-file.ts";
import { type CommitRequest, pack, type RawRow, type Reply, type Request } from "./sqlite-messages.ts";

/** Writes of one transaction at most: what waits behind it waits longer than a sync otherwise. */
const GROUP = 4_096;
/** Rows and bytes of a page at most. */
const PAGE_ROWS = 1_000;
const PAGE_BYTES = 4 * 1024 * 1024;
/** Log rows compacted in one transaction: writes go between two of them. */
const COMPACT_ROWS = 500;

if (parentPort !== null) serve(parentPort, (workerData as { path: string }).path);

function serve(port: MessagePort, path: string): void {
  const reply = (message: Reply, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
  let file: StoreFile;
  try {
    file = openStoreFile(path);
  } catch (error) {
    const { code, message } = sqliteError(error, path, "STORE_OPEN");
    reply({ type: "failed", ids: [], code, message, final: true });
    return;
  }
  const writer = openWriter(file, path);
  reply({ type: "opened", head: file.head, compacted: file.compacted, expiring: writer.expiring() });

  port.on("message", (first: Request) => {
    // Everything that came while the last transaction was syncing goes into the next one.
    const requests = [first];
    for (let more = receiveMessageOnPort(port); more !== undefined; more = receiveMessageOnPort(port))
      requests.push(more.message as Request);
    for (let index = 0; index < requests.length; ) {
      const group: CommitRequest[] = [];
      let writes = 0;
      for (; writes < GROUP; index++) {
        const request = requests[index];
        if (request?.type !== "commit") break;
        group.push(request);
        writes += request.keys.length;
      }
      if (group.length > 0)
        attempt(
          group.map(({ id }) => id),
          () => reply(writer.commit(group)),
        );
      else {
        const request = requests[index++] as Exclude<Request, CommitRequest>;
        attempt([request.id], () => answer(request));
      }
    }
  });

  function attempt(ids: readonly number[], action: () => void): void {
    try {
      action();
    } catch (error) {
      const { code, message } = sqliteError(error, path, "STORE_WRITE");
      reply({ type: "failed", ids, code, message, final: writer.broken });
    }
  }

  function answer(request: Exclude<Request, CommitRequest>): void {
    const { id } = request;
    const { compacted } = writer;
    if (request.type === "compact") {
      if (writer.compactSome(request.revision)) reply({ type: "compacted", id, compacted: writer.compacted });
      else setImmediate(() => attempt([id], () => answer(request)));
    } else if (request.type === "close") {
      file.close();
      reply({ type: "closed", id });
      port.close();
    } else if ((request.type === "scan" ? request.at : request.after) < compacted) {
      reply({ type: "expired", id, compacted });
    } else if (request.type === "scan") {
      const { rows, next } = writer.scan(request.prefix, request.from, request.at);
      const packed = pack(rows);
      reply({ type: "page", id, rows: packed, next }, [packed.bytes]);
    } else {
      const rows = writer.changes(request.after, request.upTo);
      const packed = pack(rows);
      const last = rows.at(-1)?.revision;
      reply({ type: "page", id, rows: packed, next: last === undefined ? undefined : String(last) }, [packed.bytes]);
    }
  }
}

function openWriter(file: StoreFile, path: string) {
  const { database } = file;
  const current = database.prepare("SELECT revision, gone FROM log WHERE key = ? ORDER BY revision DESC LIMIT 1");
  const insert = database.prepare("INSERT INTO log (revision, key, gone, expires, value) VALUES (?, ?, ?, ?, ?)");
  const keys = database.prepare(
    `SELECT key, max(revision) AS revision, gone FROM log INDEXED BY log_by_key
      WHERE key >= ? AND revision <= ? GROUP BY key ORDER BY key`,
  );
  const valueAt = database.prepare("SELECT value FROM log WHERE revision = ?");
  const changed = database.prepare(
    "SELECT revision, key, value FROM log WHERE revision > ? AND revision <= ? ORDER BY revision",
  );
  const expiring = database.prepare("SELECT key, revision, expires AS at FROM log WHERE expires IS NOT NULL");
  const window = database.prepare(
    "SELECT revision, key, gone FROM log WHERE revision > ? AND revision <= ? ORDER BY revision LIMIT ?",
  );
  const forgetOlder = database.prepare("DELETE FROM log WHERE key = ? AND revision < ?");
  const forget = database.prepare("DELETE FROM log WHERE revision = ?");
  const setCompacted = database.prepare("UPDATE compacted SET revision = ?");
  let head = file.head;
  let compacted = file.compacted;
  /** Set by a transaction of which nobody knows whether it is on the disk: nothing may be built on it. */
  let broken: StoreError | undefined;

  function transaction<T>(action: () => T): T {
    if (broken !== undefined) throw broken;
    database.exec("BEGIN IMMEDIATE");
    try {
      const result = action();
      database.exec("COMMIT");
      return result;
    } catch (error) {
      try {
        if (database.isTransaction) database.exec("ROLLBACK");
      } catch {
        // The first error says more.
      }
      // A full disk is found before anything is promised; after any other failure only reading the file again tells what is in it.
      if (primaryCode(error) !== 13) {
        const { message } = sqliteError(error, path, "STORE_WRITE");
        broken = new StoreError("STORE_WRITE", `${message}; nothing more is written until the store is opened again`);
      }
      throw error;
    }
  }

  return {
    get broken(): boolean {
      return broken !== undefined;
    },

    get compacted(): Revision {
      return compacted;
    },

    expiring() {
      return expiring.all() as unknown as { key: string; revision: Revision; at: number }[];
    },

    commit(group: readonly CommitRequest[]): Reply {
      let revision = head;
      const results = transaction(() =>
        group.map((request) => {
          let at = 0;
          return request.keys.map((key, index) => {
            const length = request.lengths[index]!;
            const value = length < 0 ? null : new Uint8Array(request.bytes, at, length);
            at += Math.max(0, length);
            const row = current.get(key) as { revision: Revision; gone: number } | undefined;
            const now = row === undefined || row.gone === 1 ? 0 : row.revision;
            if (now !== request.expected[index] || (value === null && now === 0)) return -now;
            insert.run(++revision, key, value === null ? 1 : 0, request.expires[index] || null, value);
            return revision;
          });
        }),
      );
      head = revision;
      return { type: "committed", ids: group.map(({ id }) => id), results };
    },

    scan(prefix: string, from: string, at: Revision): { rows: RawRow[]; next: string | undefined } {
      const rows: RawRow[] = [];
      let bytes = 0;
      let seen = 0;
      for (const found of keys.iterate(from, at)) {
        const { key, revision, gone } = found as unknown as { key: string; revision: Revision; gone: number };
        if (!key.startsWith(prefix)) return { rows, next: undefined };
        // Removed keys count too: a page is bounded work.
        if (rows.length === PAGE_ROWS || bytes >= PAGE_BYTES || ++seen > 10 * PAGE_ROWS) return { rows, next: key };
        if (gone === 1) continue;
        const { value } = valueAt.get(revision) as { value: Uint8Array };
        bytes += value.length;
        rows.push({ key, revision, value });
      }
      return { rows, next: undefined };
    },

    changes(after: Revision, upTo: Revision): RawRow[] {
      const rows: RawRow[] = [];
      let bytes = 0;
      for (const found of changed.iterate(after, upTo)) {
        const row = found as unknown as RawRow;
        rows.push(row);
        bytes += row.value?.length ?? 0;
        if (rows.length === PAGE_ROWS || bytes >= PAGE_BYTES) break;
      }
      return rows;
    },

    /** Forgets what was superseded at or before `revision`, some rows of it; true when all is done. */
    compactSome(revision: Revision): boolean {
      const target = Math.min(revision, head);
      if (target <= compacted) return true;
      const upTo = transaction(() => {
        const rows = window.all(compacted, target, COMPACT_ROWS) as unknown as {
          revision: Revision;
          key: string;
          gone: number;
        }[];
        for (const row of rows) {
          forgetOlder.run(row.key, row.revision);
          if (row.gone === 1) forget.run(row.revision);
        }
        const reached = rows.length < COMPACT_ROWS ? target : rows.at(-1)!.revision;
        setCompacted.run(reached);
        return reached;
      });
      compacted = upTo;
      return compacted >= target;
    },
  };
}
