/** Calls and streams to the members of one etcd cluster: deadlines, another member when one does not answer, and what an error means for who called. */
import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import type { Client, ClientDuplexStream, Metadata, ServiceError } from "@grpc/grpc-js";
import type { Clock, Random } from "../../api/clock.ts";
import { StoreError, type StoreErrorCode } from "../errors.ts";

export interface EtcdConnectionOptions {
  /** `host:port`, the first is tried first. */
  readonly endpoints: readonly string[];
  /** PEM; absent: without TLS. `ca` absent: the system's. */
  readonly tls?: { readonly ca?: Buffer; readonly certificate?: Buffer; readonly key?: Buffer };
  readonly clock: Clock;
  readonly random: Random;
}

/** `read`: may be repeated. `write`: only when it is certain that it was not done. */
type Effect = "read" | "write";

/** A call that takes longer is given up, milliseconds; attempts included. A write given up is a riddle, so it gets more time. */
const DEADLINE = { read: 10_000, write: 30_000 } as const;
/** With others to ask, one member gets no longer than this for a read. */
const ATTEMPT = 3_000;
const PAUSE_FIRST = 50;
const PAUSE_MOST = 1_000;
/** Of grpc-js, which waits up to two minutes by default before it dials again. */
const REDIAL_MOST = 1_000;
/** Not more often than etcd permits (`--grpc-keepalive-min-time`, 5 s). */
const KEEPALIVE = 10_000;
const KEEPALIVE_PATIENCE = 5_000;

// gRPC's numbers, said here so that the library is loaded only when something connects.
const DEADLINE_EXCEEDED = 4;
const RESOURCE_EXHAUSTED = 8;
const UNAVAILABLE = 14;

/** What etcd says before it has proposed anything: the request was not done, and may be sent again. */
const NOT_DONE = ["etcdserver: no leader", "etcdserver: not leader", "etcdserver: too many requests"];
/** What grpc-js says when a request never left this machine. */
const NOT_SENT = ["No connection established", "Name resolution failed", "Failed to connect"];

export const COMPACTED = "etcdserver: mvcc: required revision has been compacted";
export const LEASE_GONE = "etcdserver: requested lease not found";

export class EtcdConnection {
  readonly #options: EtcdConnectionOptions;
  #clients: Client[] = [];
  /** Which member is asked first. */
  #current = 0;
  #metadata: Metadata | undefined;
  #closing = new AbortController();

  constructor(options: EtcdConnectionOptions) {
    this.#options = options;
  }

  /** For messages. */
  get where(): string {
    return this.#options.endpoints.join(", ");
  }

  get signal(): AbortSignal {
    return this.#closing.signal;
  }

  async open(): Promise<void> {
    const grpc = await import("@grpc/grpc-js");
    const { endpoints, tls } = this.#options;
    const credentialsFor = (host: string) =>
      tls === undefined
        ? grpc.credentials.createInsecure()
        : grpc.credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.certificate ?? null, {
            checkServerIdentity: (_, certificate) => checkServerIdentity(host, certificate),
          });
    this.#closing = new AbortController();
    this.#metadata = new grpc.Metadata();
    // A member cut off from the others then says so instead of answering from what it last knew.
    this.#metadata.set("hasleader", "true");
    this.#clients = endpoints.map((endpoint) => {
      const host = endpoint.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
      return new grpc.Client(endpoint, credentialsFor(host), {
        "grpc.max_receive_message_length": -1,
        "grpc.max_send_message_length": -1,
        "grpc.keepalive_time_ms": KEEPALIVE,
        "grpc.keepalive_timeout_ms": KEEPALIVE_PATIENCE,
        "grpc.initial_reconnect_backoff_ms": PAUSE_FIRST,
        "grpc.max_reconnect_backoff_ms": REDIAL_MOST,
        // TLS has no way to name an address: it is checked above, against the certificate, and something else is named.
        ...(isIP(host) !== 0 && { "grpc.ssl_target_name_override": "etcd" }),
      });
    });
  }

  close(): void {
    this.#closing.abort();
    for (const client of this.#clients.splice(0)) client.close();
  }

  /** Asks another member from now on, unless somebody has changed already. */
  turnFrom(endpoint: number): void {
    if (endpoint === this.#current) this.#current = (this.#current + 1) % this.#options.endpoints.length;
  }

  /** Which member is asked now: its place in `endpoints`. */
  get endpoint(): number {
    return this.#current;
  }

  /**
   * One request and its answer. A read, and a write that certainly was not done, is tried again on the next member while the deadline
   * lasts. Throws StoreError: STORE_UNAVAILABLE (not done), STORE_TIMEOUT (a write that may have been done), STORE_REFUSED (with etcd's words).
   */
  async call(method: string, request: Uint8Array, effect: Effect, deadline = DEADLINE[effect]): Promise<Buffer> {
    const { clock } = this.#options;
    const end = clock.monotonic() + deadline;
    for (let pause = PAUSE_FIRST; ; pause = Math.min(pause * 2, PAUSE_MOST)) {
      const endpoint = this.#current;
      const left = end - clock.monotonic();
      const others = effect === "read" && this.#options.endpoints.length > 1;
      let failure: StoreError;
      try {
        return await this.callOne(endpoint, method, request, effect, others ? Math.min(ATTEMPT, left) : left);
      } catch (error) {
        if (!(error instanceof StoreError) || error.code === "STORE_REFUSED" || error.code === "STORE_CLOSED")
          throw error;
        failure = error;
      }
      this.turnFrom(endpoint);
      if (failure.code === "STORE_TIMEOUT" && effect === "write") throw failure;
      const wait = this.jittered(pause);
      if (clock.monotonic() + wait >= end) throw failure;
      await clock.sleep(wait, this.signal).catch(() => {});
    }
  }

  /** The same, of one member and once. `deadline` in milliseconds. */
  callOne(endpoint: number, method: string, request: Uint8Array, effect: Effect, deadline: number): Promise<Buffer> {
    const client = this.#clients[endpoint];
    if (client === undefined) return Promise.reject(this.closed());
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        `/etcdserverpb.${method}`,
        (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
        (bytes: Buffer) => bytes,
        request,
        this.#metadata!,
        { deadline: Date.now() + Math.max(1, deadline) },
        (error: ServiceError | null, response?: Buffer) => {
          if (error === null) return resolve(response!);
          reject(this.signal.aborted ? this.closed() : this.failure(method, error, effect));
        },
      );
    });
  }

  /** A stream to the current member; undefined when the connection is closed. */
  stream<T>(method: string, decode: (bytes: Buffer) => T): ClientDuplexStream<Uint8Array, T> | undefined {
    return this.#clients[this.#current]?.makeBidiStreamRequest(
      `/etcdserverpb.${method}`,
      (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      decode,
      this.#metadata!,
    );
  }

  /** Half to the whole of a pause: those who lost the same member do not come back together. */
  jittered(milliseconds: number): number {
    return milliseconds * (0.5 + this.#options.random.number() / 2);
  }

  failure(method: string, error: Error, effect: Effect): StoreError {
    const said = (error as ServiceError).details || error.message;
    const code = meaningOf((error as ServiceError).code, said, effect);
    const verb = code === "STORE_REFUSED" ? "refused" : "did not answer";
    return new StoreError(code, `etcd at ${this.where} ${verb} ${method}: ${said}`, { cause: error, said });
  }

  closed(): StoreError {
    return new StoreError("STORE_CLOSED", `the connection to etcd at ${this.where} is closed`);
  }
}

/** What a gRPC status with these words means for who asked. */
export function meaningOf(status: number | undefined, said: string, effect: Effect): StoreErrorCode {
  if (NOT_DONE.some((text) => said.startsWith(text)) || NOT_SENT.some((text) => said.startsWith(text))) {
    return "STORE_UNAVAILABLE";
  }
  // `etcdserver: request timed out` and a broken connection are UNAVAILABLE too, and say nothing of what became of a write.
  const unknown = status === DEADLINE_EXCEEDED || status === UNAVAILABLE || status === undefined || isTransport(status);
  if (unknown) return effect === "write" ? "STORE_TIMEOUT" : "STORE_UNAVAILABLE";
  if (status === RESOURCE_EXHAUSTED && !said.startsWith("etcdserver:")) return "STORE_UNAVAILABLE";
  return "STORE_REFUSED";
}

/** CANCELLED, UNKNOWN and INTERNAL of the transport. */
const isTransport = (status: number) => status === 1 || status === 13;
