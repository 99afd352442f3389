/**
 * An etcd in this process, for tests on machines without one: revisions, transactions, paged ranges, leases, compaction, and a watch that fragments and
 * answers for its progress. It can hang, forget connections, refuse and pretend to be old; it has no disk, no quorum and no authentication.
 */

import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import { compareKeys } from "../key-order.ts";

interface Version {
  readonly key: string;
  readonly value: Uint8Array | undefined;
  readonly revision: number;
  readonly version: number;
  readonly lease: bigint;
}

interface Watcher {
  readonly stream: ServerDuplexStream<Uint8Array, Uint8Array>;
  readonly from: string;
  readonly to: string | undefined;
  next: number;
}

export interface EtcdDouble {
  readonly endpoint: string;
  revision(): number;
  /** How often each method was called. */
  readonly calls: ReadonlyMap<string, number>;
  /** What `Maintenance/Status` says; default 3.6.0. */
  version: string;
  /** Answers are kept back until it is false again. */
  hanging: boolean;
  /** Watches hear of nothing meanwhile. */
  deaf: boolean;
  /** Events in one part of a response; default: all. */
  fragment: number;
  /** The next calls of a method fail with this; `done`: after they took effect. */
  fail(method: string, failure: { code: number; details: string; done?: boolean }): void;
  /** As a write by another client. */
  put(key: string, value: string): void;
  delete(key: string): void;
  compact(revision: number): void;
  revokeLeases(): void;
  /** Ends all watch streams, as a member that restarts does. */
  dropWatches(): void;
  /** Forgets all watches without a word: their streams stay open and silent. */
  forgetWatches(): void;
  stop(): Promise<void>;
}

const text = new TextDecoder();
const bytesOf = new TextEncoder();
const keep = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const method = (path: string, stream: boolean) => ({
  path: `/etcdserverpb.${path}`,
  requestStream: stream,
  responseStream: stream,
  requestSerialize: keep,
  requestDeserialize: (bytes: Buffer) => bytes as Uint8Array,
  responseSerialize: keep,
  responseDeserialize: (bytes: Buffer) => bytes as Uint8Array,
});

/** Fields of a message: varints as numbers, everything else as bytes; the last of each wins, but for `many`. */
function fields(bytes: Uint8Array): { numbers: Map<number, number>; parts: Map<number, Uint8Array[]> } {
  const numbers = new Map<number, number>();
  const parts = new Map<number, Uint8Array[]>();
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type === 0) numbers.set(field, Number(reader.int64()));
    else parts.set(field, [...(parts.get(field) ?? []), reader.bytes()]);
  }
  return { numbers, parts };
}
const keyIn = (bytes: Uint8Array | undefined) => (bytes === undefined ? undefined : text.decode(bytes));

/** With `tls` (PEM) it wants a certificate of `ca` from its clients. */
export async function startEtcdDouble(tls?: { ca: string; certificate: string; key: string }): Promise<EtcdDouble> {
  let revision = 1;
  let compacted = 0;
  let leases = 0n;
  const live = new Set<bigint>();
  const log: Version[] = [];
  const current = new Map<string, Version>();
  const watchers = new Set<Watcher>();
  const calls = new Map<string, number>();
  const failures = new Map<string, { code: number; details: string; done?: boolean }[]>();
  const held: (() => void)[] = [];
  let hanging = false;
  let deaf = false;

  const within = (key: string, from: string, to: string | undefined) =>
    to === undefined ? key === from : compareKeys(key, from) >= 0 && (to === "\0" || compareKeys(key, to) < 0);
  const header = (writer: BinaryWriter) => writer.uint32(10).fork().uint32(24).int64(revision).join();
  function pair(writer: BinaryWriter, field: number, version: Version): void {
    writer.uint32((field << 3) | 2).fork();
    writer.uint32(10).bytes(bytesOf.encode(version.key)).uint32(24).int64(version.revision);
    writer.uint32(32).int64(version.version);
    if (version.value !== undefined) writer.uint32(42).bytes(version.value);
    writer.join();
  }
  function write(key: string, value: Uint8Array | undefined, lease = 0n): void {
    const before = current.get(key);
    if (value === undefined && before === undefined) return;
    revision++;
    const version = { key, value, revision, version: value === undefined ? 0 : (before?.version ?? 0) + 1, lease };
    log.push(version);
    if (value === undefined) current.delete(key);
    else current.set(key, version);
    for (const watcher of watchers) serveWatch(watcher);
  }

  function range(bytes: Uint8Array): Uint8Array {
    const { numbers, parts } = fields(bytes);
    const from = keyIn(parts.get(1)?.[0]) ?? "";
    const to = keyIn(parts.get(2)?.[0]);
    const at = numbers.get(4) ?? 0;
    if (at !== 0 && at < compacted)
      throw { code: status.OUT_OF_RANGE, details: "etcdserver: mvcc: required revision has been compacted" };
    let versions = current;
    if (at !== 0) {
      versions = new Map();
      for (const version of log) {
        if (version.revision > at) break;
        if (version.value === undefined) versions.delete(version.key);
        else versions.set(version.key, version);
      }
    }
    const found = [...versions.values()]
      .filter(({ key }) => within(key, from, to))
      .sort((a, b) => compareKeys(a.key, b.key));
    const limit = numbers.get(3) || found.length;
    const writer = new BinaryWriter();
    header(writer);
    if (!numbers.get(9)) for (const version of found.slice(0, limit)) pair(writer, 2, version);
    if (found.length > limit) writer.uint32(24).bool(true);
    return writer.finish();
  }

  function apply(operation: Uint8Array): void {
    const { parts } = fields(operation);
    const put = parts.get(2)?.[0];
    if (put !== undefined) {
      const { numbers, parts: given } = fields(put);
      const lease = BigInt(numbers.get(3) ?? 0);
      if (lease !== 0n && !live.has(lease))
        throw { code: status.NOT_FOUND, details: "etcdserver: requested lease not found" };
      write(keyIn(given.get(1)![0])!, Uint8Array.from(given.get(2)?.[0] ?? []), lease);
    }
    const remove = parts.get(3)?.[0];
    if (remove !== undefined) write(keyIn(fields(remove).parts.get(1)![0])!, undefined);
  }

  function transaction(bytes: Uint8Array): Uint8Array {
    const { parts } = fields(bytes);
    const holds = (parts.get(1) ?? []).every((compare) => {
      const { numbers, parts: given } = fields(compare);
      const found = current.get(keyIn(given.get(3)![0])!);
      const mod = numbers.get(2) === 2;
      return mod ? (found?.revision ?? 0) === (numbers.get(6) ?? 0) : (found?.version ?? 0) === (numbers.get(4) ?? 0);
    });
    const writer = new BinaryWriter();
    const answers: Uint8Array[] = [];
    for (const operation of parts.get(holds ? 2 : 3) ?? []) {
      const asked = fields(operation).parts.get(1)?.[0];
      if (asked === undefined) apply(operation);
      else answers.push(range(asked));
    }
    header(writer);
    if (holds) writer.uint32(16).bool(true);
    for (const answer of answers) writer.uint32(26).fork().uint32(10).bytes(answer).join();
    return writer.finish();
  }

  /** One response for each revision range that is new, in parts when it must be. */
  function serveWatch(watcher: Watcher): void {
    if (deaf || hanging) return;
    const events = log.filter((one) => one.revision >= watcher.next && within(one.key, watcher.from, watcher.to));
    watcher.next = revision + 1;
    const size = double.fragment;
    for (let from = 0; from < events.length; from += size) {
      const writer = new BinaryWriter();
      header(writer);
      if (from + size < events.length) writer.uint32(56).bool(true);
      for (const event of events.slice(from, from + size)) {
        writer.uint32(90).fork();
        if (event.value === undefined) writer.uint32(8).int32(1);
        pair(writer, 2, event);
        writer.join();
      }
      watcher.stream.write(writer.finish());
    }
  }

  function watch(stream: ServerDuplexStream<Uint8Array, Uint8Array>): void {
    const own = new Set<Watcher>();
    const close = () => {
      for (const watcher of own) watchers.delete(watcher);
    };
    stream.on("error", close);
    stream.on("close", close);
    stream.on("end", () => stream.end());
    stream.on("data", (bytes: Uint8Array) => {
      const { parts } = fields(bytes);
      const create = parts.get(1)?.[0];
      if (create === undefined) {
        // Progress: only of what is not behind.
        if (
          hanging ||
          deaf ||
          ![...own].some((one) => watchers.has(one)) ||
          [...own].some(({ next }) => next <= revision)
        )
          return;
        stream.write(header(new BinaryWriter()).finish());
        return;
      }
      const { numbers, parts: given } = fields(create);
      const start = numbers.get(3) ?? revision + 1;
      stream.write(header(new BinaryWriter()).uint32(24).bool(true).finish());
      if (start < compacted) {
        stream.write(header(new BinaryWriter()).uint32(32).bool(true).uint32(40).int64(compacted).finish());
        return;
      }
      const watcher = { stream, from: keyIn(given.get(1)?.[0]) ?? "", to: keyIn(given.get(2)?.[0]), next: start };
      own.add(watcher);
      watchers.add(watcher);
      serveWatch(watcher);
    });
  }

  const answer =
    (name: string, work: (bytes: Uint8Array) => Uint8Array) =>
    (call: ServerUnaryCall<Uint8Array, Uint8Array>, callback: sendUnaryData<Uint8Array>) => {
      calls.set(name, (calls.get(name) ?? 0) + 1);
      const reply = () => {
        const failure = failures.get(name)?.shift();
        try {
          const result = failure === undefined || failure.done ? work(call.request) : new Uint8Array(0);
          callback(failure ?? null, result);
        } catch (error) {
          callback(error as { code: number; details: string });
        }
      };
      if (hanging) held.push(reply);
      else reply();
    };
  const compact = (to: number) => {
    if (to <= compacted)
      throw { code: status.OUT_OF_RANGE, details: "etcdserver: mvcc: required revision has been compacted" };
    compacted = to;
  };

  const server = new Server();
  const unary: Record<string, (bytes: Uint8Array) => Uint8Array> = {
    "KV/Range": range,
    "KV/Txn": transaction,
    "KV/Put": (bytes) => {
      apply(new BinaryWriter().uint32(18).bytes(bytes).finish());
      return header(new BinaryWriter()).finish();
    },
    "KV/Compact": (bytes) => {
      compact(fields(bytes).numbers.get(1) ?? 0);
      return header(new BinaryWriter()).finish();
    },
    "Lease/LeaseGrant": () => {
      live.add(++leases);
      return header(new BinaryWriter()).uint32(16).int64(Number(leases)).finish();
    },
    "Maintenance/Status": () => header(new BinaryWriter()).uint32(18).string(double.version).finish(),
  };
  for (const [name, work] of Object.entries(unary))
    server.addService({ [name]: method(name, false) }, { [name]: answer(name, work) });
  server.addService({ Watch: method("Watch/Watch", true) }, { Watch: watch });
  const credentials =
    tls === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(
          Buffer.from(tls.ca),
          [{ private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.certificate) }],
          true,
        );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  const catchUp = () => {
    for (const watcher of watchers) serveWatch(watcher);
  };
  const double: EtcdDouble = {
    endpoint: `127.0.0.1:${port}`,
    revision: () => revision,
    calls,
    version: "3.6.0",
    get hanging() {
      return hanging;
    },
    set hanging(value) {
      hanging = value;
      if (value) return;
      for (const reply of held.splice(0)) reply();
      catchUp();
    },
    get deaf() {
      return deaf;
    },
    set deaf(value) {
      deaf = value;
      if (!value) catchUp();
    },
    fragment: Number.MAX_SAFE_INTEGER,
    fail(name, failure) {
      failures.set(name, [...(failures.get(name) ?? []), failure]);
    },
    put: (key, value) => write(key, bytesOf.encode(value)),
    delete: (key) => write(key, undefined),
    compact,
    revokeLeases() {
      live.clear();
      for (const { key, lease } of [...current.values()]) if (lease !== 0n) write(key, undefined);
    },
    dropWatches() {
      for (const { stream } of [...watchers]) {
        stream.emit("error", { code: status.UNAVAILABLE, details: "etcdserver: server stopped" });
      }
      watchers.clear();
    },
    forgetWatches: () => watchers.clear(),
    stop: async () => server.forceShutdown(),
  };
  return double;
}
