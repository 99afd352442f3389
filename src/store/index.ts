/** The store: a state in memory over an engine that makes it durable. Bytes and revisions; knows no Pod. */
export type { ChangedRow, CommitResult, Engine, Feed, Revision, Row, Write } from "./engine.ts";
export { type EtcdEngineOptions, etcdEngine } from "./engines/etcd.ts";
export { type MemoryEngineOptions, memoryEngine } from "./engines/memory.ts";
export { type SqliteEngineOptions, sqliteEngine } from "./engines/sqlite.ts";
export { StoreError, type StoreErrorCode } from "./errors.ts";
export { type History, openState, type StateOptions } from "./open-state.ts";
export {
  type Change,
  type Cursor,
  type Entry,
  ExpiredError,
  type Reading,
  type ReadStored,
  type Snapshot,
  type State,
  type StateCommit,
  type StateWrite,
} from "./state.ts";
