/** One TLS port for HTTP/1.1 and HTTP/2, with every default of Node's that is wrong for an API server set (DESIGN decisions 7 and 9). */
import { constants as crypto } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import {
  createSecureServer,
  type Http2SecureServer,
  constants as http2,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { badRequest } from "../../api/status.ts";
import { answerFailure } from "../errors.ts";
import type { Exchange } from "../exchange.ts";
import type { Logger } from "../logger.ts";
import { h1Exchange, h1UpgradeExchange, refusalOf, refuse, wantsUpgrade } from "./h1.ts";
import { h2Exchange } from "./h2.ts";
import { peerOf } from "./peer.ts";
import type { ServedExchange } from "./served-exchange.ts";

/** PEM. */
export interface ServingCertificate {
  readonly key: string | Uint8Array;
  /** Leaf first. */
  readonly cert: string | Uint8Array;
  /** Which authorities clients should choose a certificate of. A hint: it decides nothing about who is trusted. */
  readonly clientCAs?: string | Uint8Array | readonly (string | Uint8Array)[];
}

/** Times in milliseconds, sizes in bytes. */
export interface ListenerLimits {
  /** All headers of a request. Default 1 MiB, as Go's. */
  readonly headerBytes?: number;
  /** Headers of a request, by number. Default 1000. */
  readonly headerCount?: number;
  /** From the first byte to the end of the headers. Default 32 s. */
  readonly headerTimeout?: number;
  /** A connection without requests. Default 90 s. */
  readonly idleTimeout?: number;
  readonly handshakeTimeout?: number;
  /** At once on one HTTP/2 connection. Default 250. */
  readonly streams?: number;
  /** HTTP/2 streams a client may reset at once, and each second after: past it the connection ends. Default 500 and 100. */
  readonly resetBurst?: number;
  readonly resetRate?: number;
  /** Connections at once; past it new ones are closed. Default 20,000. */
  readonly connections?: number;
}

export interface ListenerOptions {
  readonly certificate: ServingCertificate;
  readonly limits?: ListenerLimits;
  readonly logger: Logger;
  handle(exchange: Exchange): Promise<void> | void;
  /** Milliseconds since the epoch. */
  now(): number;
  newAuditID(): string;
}

export class Listener {
  readonly #server: Http2SecureServer;
  readonly #options: ListenerOptions;
  readonly #limits: Required<ListenerLimits>;
  readonly #sockets = new Set<TLSSocket>();
  readonly #sessions = new Map<ServerHttp2Session, { streams: number; readonly socket: TLSSocket }>();
  readonly #busy = new Set<TLSSocket>();
  #draining = false;
  #lastSocket: TLSSocket | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#limits = {
      headerBytes: 1024 * 1024,
      headerCount: 1000,
      headerTimeout: 32_000,
      idleTimeout: 90_000,
      handshakeTimeout: 10_000,
      streams: 250,
      resetBurst: 500,
      resetRate: 100,
      connections: 20_000,
      ...options.limits,
    };
    this.#server = this.#create();
  }

  get address(): { host: string; port: number } | undefined {
    const address = this.#server.address() as AddressInfo | null;
    return address === null ? undefined : { host: address.address, port: address.port };
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#sockets.size;
  }

  listen(port: number, host: string): Promise<{ host: string; port: number }> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, host, 511, () => {
        this.#server.off("error", reject);
        this.#server.on("error", (err) =>
          this.#options.logger.error({ code: "listener-error", err }, "the listener failed"),
        );
        resolve(this.address!);
      });
    });
  }

  setCertificate(certificate: ServingCertificate): void {
    this.#server.setSecureContext(secureContext(certificate));
  }

  /** No new connections, no new requests on old ones; what runs goes on. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#server.close();
    for (const session of this.#sessions.keys()) session.close();
    for (const socket of this.#sockets) if (!this.#busy.has(socket) && socket.alpnProtocol !== "h2") socket.end();
  }

  /** Resolves when every connection is closed. Call after `drain`. */
  flushed(): Promise<void> {
    if (this.#sockets.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      for (const socket of this.#sockets) {
        socket.once("close", () => {
          if (this.#sockets.size === 0) resolve();
        });
      }
    });
  }

  /** Cuts what is left. */
  destroy(): Promise<void> {
    this.drain();
    for (const session of this.#sessions.keys()) session.destroy();
    for (const socket of this.#sockets) socket.destroy();
    return this.flushed();
  }

  #create(): Http2SecureServer {
    const limits = this.#limits;
    const server = createSecureServer({
      ...secureContext(this.#options.certificate),
      allowHTTP1: true,
      requestCert: true,
      // Who is trusted is decided for each pool apart, in our own code: OpenSSL's verdict mixes them.
      rejectUnauthorized: false,
      ALPNProtocols: ["h2", "http/1.1"],
      handshakeTimeout: limits.handshakeTimeout,
      maxSessionMemory: 1000,
      maxHeaderListPairs: limits.headerCount,
      streamResetBurst: limits.resetBurst,
      streamResetRate: limits.resetRate,
      settings: {
        maxConcurrentStreams: limits.streams,
        maxHeaderListSize: limits.headerBytes,
        initialWindowSize: 256 * 1024,
        enablePush: false,
      },
      // Read by the HTTP/1.1 side.
      maxHeaderSize: limits.headerBytes,
      headersTimeout: limits.headerTimeout,
      // Bodies have the deadline of their request; uploads through a proxy have none.
      requestTimeout: 0,
      keepAliveTimeout: limits.idleTimeout,
      connectionsCheckingInterval: Math.min(5_000, limits.headerTimeout),
      shouldUpgradeCallback: wantsUpgrade,
    } as Parameters<typeof createSecureServer>[0]);
    const tuned = server as Http2SecureServer & {
      maxHeaderSize: number;
      headersTimeout: number;
      requestTimeout: number;
      keepAliveTimeout: number;
      maxHeadersCount: number;
      shouldUpgradeCallback: (request: IncomingMessage) => boolean;
    };
    tuned.maxHeaderSize = limits.headerBytes;
    tuned.headersTimeout = limits.headerTimeout;
    tuned.requestTimeout = 0;
    tuned.keepAliveTimeout = limits.idleTimeout;
    tuned.maxHeadersCount = limits.headerCount;
    tuned.shouldUpgradeCallback = wantsUpgrade;
    server.maxConnections = limits.connections;
    server.setTimeout(0);

    // Before the listener of node:http2, which makes the session of this socket.
    server.prependListener("secureConnection", (socket: TLSSocket) => this.#connected(socket));
    server.on("request", (request, reply) =>
      this.#h1(request as unknown as IncomingMessage, reply as unknown as ServerResponse, false),
    );
    server.on("checkContinue", (request, reply) =>
      this.#h1(request as unknown as IncomingMessage, reply as unknown as ServerResponse, true),
    );
    // Node serves h2 streams through its compatibility layer as soon as anybody listens to "request"; ours come from the stream itself.
    server.removeAllListeners("stream");
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#upgrade(request, socket, head),
    );
    server.on("session", (session) => this.#session(session));
    server.on("stream", (stream, _headers, flags, rawHeaders) =>
      this.#h2(stream as ServerHttp2Stream, flags, rawHeaders as unknown as string[]),
    );
    server.on("tlsClientError", (err) =>
      this.#options.logger.debug({ code: "tls-handshake-failed", err }, "a client could not connect"),
    );
    server.on("sessionError", (err) =>
      this.#options.logger.debug({ code: "h2-session-error", err }, "an HTTP/2 connection failed"),
    );
    return server;
  }

  #connected(socket: TLSSocket): void {
    this.#lastSocket = socket;
    // Its handshake was under way when the server stopped accepting: nobody would ever close it.
    if (this.#draining) return void socket.destroy();
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    socket.disableRenegotiation();
    socket.on("error", () => {});
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#busy.delete(socket);
    });
  }

  #session(session: ServerHttp2Session): void {
    const socket = this.#lastSocket;
    if (socket === undefined) {
      session.destroy();
      return;
    }
    this.#sessions.set(session, { streams: 0, socket });
    session.once("close", () => this.#sessions.delete(session));
    session.setTimeout(this.#limits.idleTimeout, () => {
      if ((this.#sessions.get(session)?.streams ?? 0) === 0) session.close();
    });
    if (this.#draining) session.close();
  }

  #context(socket: TLSSocket, transport: "h1" | "h2", closed: () => void) {
    const { now, newAuditID } = this.#options;
    const peer = peerOf(socket, transport);
    return { peer, received: now(), newAuditID, draining: this.#isDraining, closed };
  }

  readonly #isDraining = () => this.#draining;

  #h1(request: IncomingMessage, reply: ServerResponse, expectsContinue: boolean): void {
    const refusal = refusalOf(request);
    if (refusal !== undefined) {
      refuse(request, refusal);
      return;
    }
    const socket = request.socket as TLSSocket;
    this.#busy.add(socket);
    const closed = () => this.#busy.delete(socket);
    this.#run(h1Exchange(request, reply, this.#context(socket, "h1", closed), expectsContinue));
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refusal = refusalOf(request);
    if (refusal !== undefined) {
      refuse(request, refusal);
      return;
    }
    this.#busy.add(socket as TLSSocket);
    this.#run(
      h1UpgradeExchange(
        request,
        socket,
        head,
        this.#context(socket as TLSSocket, "h1", () => {}),
      ),
    );
  }

  #h2(stream: ServerHttp2Stream, flags: number, rawHeaders: string[]): void {
    const session = stream.session as ServerHttp2Session | undefined;
    const known = session === undefined ? undefined : this.#sessions.get(session);
    if (known === undefined) {
      stream.close(http2.NGHTTP2_REFUSED_STREAM);
      return;
    }
    known.streams++;
    const closed = () => {
      known.streams--;
    };
    const ended = (flags & http2.NGHTTP2_FLAG_END_STREAM) !== 0;
    this.#run(h2Exchange(stream, rawHeaders, ended, this.#context(known.socket, "h2", closed)));
  }

  /** Only paths are served: no absolute form, no asterisk, no CONNECT. */
  #run(exchange: ServedExchange): void {
    try {
      if (exchange.target.charCodeAt(0) !== 47 || exchange.method === "CONNECT")
        throw badRequest("the target of a request must be a path");
      this.#options
        .handle(exchange)
        ?.then(undefined, (error: unknown) => answerFailure(exchange, error, this.#options.logger));
    } catch (error) {
      answerFailure(exchange, error, this.#options.logger);
    }
  }
}

/** No session is ever resumed: a resumed one has lost the client's certificates (DESIGN decision 7), and OpenSSL cannot tell them apart. */
function secureContext(certificate: ServingCertificate) {
  const { clientCAs } = certificate;
  return {
    key: asBuffer(certificate.key),
    cert: asBuffer(certificate.cert),
    ...(clientCAs !== undefined && { ca: (Array.isArray(clientCAs) ? clientCAs : [clientCAs]).map(asBuffer) }),
    minVersion: "TLSv1.2" as const,
    secureOptions: crypto.SSL_OP_NO_TICKET | crypto.SSL_OP_NO_RENEGOTIATION,
    honorCipherOrder: true,
  };
}

const asBuffer = (pem: string | Uint8Array) => (typeof pem === "string" ? pem : Buffer.from(pem));
