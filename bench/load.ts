/**
 * A load generator of its own process: keep-alive HTTP/1.1 over TLS with the kubeconfig's client certificate, one request in flight on
 * each connection. It reads answers with a parser of a few lines, so that most of what it costs is decryption.
 */
import { type ChildProcess, fork } from "node:child_process";
import { connect, type TLSSocket } from "node:tls";
import { loadKubeconfig, type ResolvedConfig } from "../src/client/kubeconfig.ts";

export interface Job {
  readonly kubeconfig: string;
  /** Asked instead of the kubeconfig's server, with the same credentials and without verifying its name. */
  readonly server?: string;
  /** Sent in turn; more than one for objects that differ. */
  readonly paths: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly connections: number;
  /** How long new requests are sent; those in flight then are finished and counted. */
  readonly milliseconds: number;
}

export interface Load {
  readonly requests: number;
  /** Of bodies. */
  readonly bytes: number;
  /** From the first request to the last answer. */
  readonly seconds: number;
  /** Milliseconds from sending to the last byte, one for each request. */
  readonly latencies: Float64Array;
}

export interface LoadGenerator {
  /** Connections stay open between runs to the same server. Rejects for any answer that is not 2xx. */
  run(job: Job): Promise<Load>;
  stop(): void;
}

type Reply = { load: Load } | { error: string };

/** One child process for as many runs as there are, one after the other. */
export function startLoad(): LoadGenerator {
  const child: ChildProcess = fork(import.meta.filename, [], {
    serialization: "advanced",
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  return {
    run: (job) =>
      new Promise((resolve, reject) => {
        const ended = (code: number | null) => reject(new Error(`the load generator ended with ${code}`));
        child.once("exit", ended);
        child.once("message", (reply: Reply) => {
          child.off("exit", ended);
          if ("error" in reply) reject(new Error(reply.error));
          else resolve(reply.load);
        });
        child.send(job);
      }),
    stop: () => void child.kill(),
  };
}

interface Answer {
  readonly status: number;
  readonly bytes: number;
}

/** Reads answers one after the other: a head, then a body by length or in chunks. */
class AnswerReader {
  #head: Buffer = Buffer.alloc(0);
  #status = 0;
  #bytes = 0;
  /** Bytes of the body, or of the chunk with its line end, that are still to come. */
  #left = 0;
  #phase: "head" | "body" | "size" | "chunk" | "end" = "head";

  /** The answer this piece completes, if it does. */
  push(piece: Buffer): Answer | undefined {
    let at = 0;
    while (at < piece.length || (this.#phase === "body" && this.#left === 0)) {
      switch (this.#phase) {
        case "head": {
          this.#head = this.#head.length === 0 ? piece.subarray(at) : Buffer.concat([this.#head, piece.subarray(at)]);
          const end = this.#head.indexOf("\r\n\r\n");
          if (end < 0) return undefined;
          const text = this.#head.toString("latin1", 0, end);
          at = piece.length - (this.#head.length - end - 4);
          this.#head = Buffer.alloc(0);
          this.#status = Number(text.slice(9, 12));
          this.#bytes = 0;
          const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1];
          if (length !== undefined) {
            this.#phase = "body";
            this.#left = Number(length);
          } else if (/\r\ntransfer-encoding: *chunked/i.test(text)) this.#phase = "size";
          else throw new Error(`an answer without length: ${text}`);
          break;
        }
        case "body": {
          const taken = Math.min(this.#left, piece.length - at);
          at += taken;
          this.#bytes += taken;
          this.#left -= taken;
          if (this.#left > 0) return undefined;
          this.#phase = "head";
          return { status: this.#status, bytes: this.#bytes };
        }
        case "size": {
          // The size line may be cut; what is there of it waits in #head.
          const newline = piece.indexOf(10, at);
          this.#head = Buffer.concat([this.#head, piece.subarray(at, newline < 0 ? piece.length : newline)]);
          if (newline < 0) return undefined;
          const size = Number.parseInt(this.#head.toString("latin1"), 16);
          if (Number.isNaN(size)) throw new Error("a chunk without size");
          this.#head = Buffer.alloc(0);
          at = newline + 1;
          this.#bytes += size;
          this.#left = size + 2;
          this.#phase = size === 0 ? "end" : "chunk";
          break;
        }
        case "chunk":
        case "end": {
          const taken = Math.min(this.#left, piece.length - at);
          at += taken;
          this.#left -= taken;
          if (this.#left > 0) return undefined;
          if (this.#phase === "chunk") this.#phase = "size";
          else {
            this.#phase = "head";
            return { status: this.#status, bytes: this.#bytes };
          }
        }
      }
    }
    return undefined;
  }
}

/** One connection, one request at a time. */
class Connection {
  readonly #socket: TLSSocket;
  readonly #reader = new AnswerReader();
  #resolve: (answer: Answer) => void = () => {};
  #reject: (error: Error) => void = () => {};
  broken = false;

  private constructor(socket: TLSSocket) {
    this.#socket = socket;
    const fail = (error: Error) => {
      this.broken = true;
      this.#reject(error);
    };
    socket.on("data", (piece: Buffer) => {
      try {
        const answer = this.#reader.push(piece);
        if (answer !== undefined) this.#resolve(answer);
      } catch (error) {
        fail(error as Error);
      }
    });
    socket.on("error", fail);
    socket.on("close", () => fail(new Error("the server closed a connection")));
  }

  static open(config: ResolvedConfig, server: string | undefined): Promise<Connection> {
    const { hostname, port } = new URL(server ?? config.server);
    return new Promise((resolve, reject) => {
      const socket = connect(
        {
          host: hostname,
          port: Number(port || 443),
          ca: config.ca,
          cert: config.certificate,
          key: config.key,
          rejectUnauthorized: server === undefined && config.insecureSkipTLSVerify !== true,
          ALPNProtocols: ["http/1.1"],
        },
        () => {
          socket.setNoDelay(true).off("error", reject);
          resolve(new Connection(socket));
        },
      );
      socket.once("error", reject);
    });
  }

  ask(request: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#socket.write(request);
    });
  }
}

/** Open connections by server, for the next run. */
const pools = new Map<string, Connection[]>();

async function connections(job: Job, config: ResolvedConfig): Promise<Connection[]> {
  const key = `${job.kubeconfig} ${job.server ?? ""}`;
  const pool = (pools.get(key) ?? []).filter((connection) => !connection.broken);
  while (pool.length < job.connections) pool.push(await Connection.open(config, job.server));
  pools.set(key, pool);
  return pool.slice(0, job.connections);
}

async function run(job: Job): Promise<Load> {
  const config = await loadKubeconfig(job.kubeconfig);
  const { host } = new URL(job.server ?? config.server);
  const headers = {
    host,
    accept: "application/json",
    "user-agent": "tenon-bench",
    ...(config.token !== undefined && { authorization: `Bearer ${config.token}` }),
    ...job.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const requests = job.paths.map((path) => Buffer.from(`GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`));
  const latencies: number[] = [];
  let bytes = 0;
  let next = 0;
  const pool = await connections(job, config);
  const started = performance.now();
  const until = started + job.milliseconds;
  await Promise.all(
    pool.map(async (connection) => {
      for (let now = performance.now(); now < until; ) {
        const request = next++ % requests.length;
        const answer = await connection.ask(requests[request]!);
        if (answer.status < 200 || answer.status > 299)
          throw new Error(`GET ${job.paths[request]} at ${host} answered ${answer.status}`);
        bytes += answer.bytes;
        const after = performance.now();
        latencies.push(after - now);
        now = after;
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  return { requests: latencies.length, bytes, seconds, latencies: Float64Array.from(latencies) };
}

if (import.meta.main) {
  const reply = (message: Reply) => process.send?.(message);
  process.on("message", (job: Job) => {
    run(job).then(
      (load) => reply({ load }),
      (error: Error) => reply({ error: error.message }),
    );
  });
  process.on("disconnect", () => process.exit(0));
}
