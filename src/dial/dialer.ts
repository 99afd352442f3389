/** Connections to backends: one pool for each address and set of TLS rules, shared by everybody who wants the same. */
import { createRequire } from "node:module";
import type { LookupFunction, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Dispatcher, Pool } from "undici";
import type { Clock, Timer } from "../api/clock.ts";
import { refusesClient } from "./dial-errors.ts";
import { nameLookup } from "./names.ts";
import type { Address } from "./resolver.ts";
import { type TargetTLS, type TLSSettings, tlsKey, tlsOptions } from "./tls.ts";

/** Loaded with the first connection: a server that proxies nothing starts without it. */
const undici = () => createRequire(import.meta.url)("undici") as typeof import("undici");

export interface DialerOptions {
  readonly clock: Clock;
  /** Names that resolve to this host or this link are refused otherwise. */
  readonly allowLoopbackEndpoints?: boolean;
  /** The largest response head, bytes. Default 64 KiB. */
  readonly maxHeaderSize?: number;
  /** For the TCP and the TLS handshake together, milliseconds. Default 30 s. */
  readonly connectTimeout?: number;
}

/** A way to one address under one set of TLS rules. */
export interface Connection {
  dispatch(options: Omit<Dispatcher.DispatchOptions, "origin">, handler: Dispatcher.DispatchHandler): void;
  /** New requests get new connections. */
  closeIdle(): void;
  /** Whether the backend accepted a connection, for this request or for others, on which the TLS handshake has not ended. */
  readonly handshaking: boolean;
  /** With what alert the backend last refused our certificate; the request itself only saw the connection end. */
  readonly refusal: Error | undefined;
}

/** A certificate that a backend showed. */
export interface SeenCertificate {
  /** `host:port` of the backend. */
  readonly authority: string;
  /** Milliseconds since the epoch. */
  readonly expires: number;
}

export interface Dialer {
  /** Throws a TransportError when the TLS rules are unusable. */
  connect(address: Address, tls: TargetTLS): Connection;
  /** The rules alone, for who connects without a pool; throws as `connect` would. */
  settings(tls: TargetTLS): TLSSettings;
  /** The largest response head, bytes. */
  readonly maxHeaderSize: number;
  /** How names become addresses, for who connects without a pool: the same names are refused. */
  readonly lookup: LookupFunction;
  /** The certificate, among those that backends show on connections under these rules, that expires first. */
  certificate(tls: TargetTLS): SeenCertificate | undefined;
  /** Pools open at present. */
  readonly pools: number;
  close(): Promise<void>;
}

/** Interim responses a backend may send before the real one. */
export const MAX_INFORMATIONAL = 5;
/** Milliseconds for the TCP and the TLS handshake together. */
export const CONNECT_TIMEOUT = 30_000;
/** Idle connections are closed after this long, and pools nobody uses. Milliseconds. */
const IDLE = 90_000;
const SWEEP = 60_000;
/** Sets of rules that are remembered. */
const MOST_RULES = 4096;
/** Addresses for each set of rules whose certificate is remembered. */
const MOST_SEEN = 256;
/** How long a certificate counts after the last connection is gone, milliseconds. */
const REMEMBERED = 600_000;

interface Entry {
  readonly pool: Pool;
  used: number;
  /** Connections accepted by the backend whose TLS handshake has not ended. */
  handshakes: number;
  refusal: Error | undefined;
}

interface Seen extends SeenCertificate {
  readonly at: number;
}

export function createDialer(options: DialerOptions): Dialer {
  const { clock } = options;
  const lookup = nameLookup({ clock, allowLoopback: options.allowLoopbackEndpoints ?? false });
  const maxHeaderSize = options.maxHeaderSize ?? 64 * 1024;
  const pools = new Map<string, Entry>();
  /** Parsed rules by key: parsing a bundle is not for every request. */
  const rules = new Map<string, TLSSettings>();
  const keys = new WeakMap<TargetTLS, string>();
  /** By rules, then by address: what was shown on the last connection. */
  const certificates = new Map<string, Map<string, Seen>>();
  let sweeper: Timer | undefined;
  /** Pools that take no new requests and wait for the last one to end. */
  const retiring = new Set<Pool>();

  function retire(key: string, { pool }: Entry): void {
    pools.delete(key);
    retiring.add(pool);
    pool.close().then(
      () => retiring.delete(pool),
      () => retiring.delete(pool),
    );
  }

  function keyOf(tls: TargetTLS): string {
    let key = keys.get(tls);
    if (key === undefined) {
      key = tlsKey(tls);
      keys.set(tls, key);
    }
    return key;
  }

  function rulesOf(tls: TargetTLS, key: string): TLSSettings {
    let found = rules.get(key);
    if (found === undefined) {
      found = tlsOptions(tls);
      if (rules.size >= MOST_RULES) rules.clear();
      rules.set(key, found);
    }
    return found;
  }

  function saw(tlsText: string, authority: string, socket: TLSSocket): void {
    const expires = socket.getPeerX509Certificate()?.validToDate.getTime();
    if (expires === undefined) return;
    const seen = certificates.get(tlsText) ?? new Map<string, Seen>();
    seen.delete(authority);
    seen.set(authority, { authority, expires, at: clock.monotonic() });
    // Addresses come and go with pods.
    if (seen.size > MOST_SEEN) seen.delete(seen.keys().next().value!);
    certificates.set(tlsText, seen);
    if (certificates.size > MOST_RULES) certificates.delete(certificates.keys().next().value!);
  }

  function open(address: Address, settings: TLSSettings, tlsText: string): Entry {
    const { buildConnector, Pool } = undici();
    const connect = buildConnector({
      ...settings,
      allowH2: false,
      // A resumed session would hide the client certificate's chain from the backend.
      maxCachedSessions: 0,
      timeout: options.connectTimeout ?? CONNECT_TIMEOUT,
      lookup,
    });
    const entry: Omit<Entry, "pool"> = { used: 0, handshakes: 0, refusal: undefined };
    const pool = new Pool(`https://${address.authority}`, {
      allowH2: false,
      connections: null,
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: IDLE,
      maxHeaderSize,
      // undici would take the name from the Host header.
      connect(request, callback) {
        let accepted = false;
        const socket = connect({ ...request, servername: settings.servername }, (...result) => {
          if (accepted) entry.handshakes--;
          accepted = false;
          if (result[1]) saw(tlsText, address.authority, result[1] as TLSSocket);
          callback(...result);
        }) as unknown as Socket | undefined;
        socket?.once("connect", () => {
          accepted = true;
          entry.handshakes++;
        });
        // In TLS 1.3 it comes when the handshake is over on this side.
        socket?.on("error", (error) => {
          if (refusesClient(error)) entry.refusal = error;
        });
      },
    });
    return Object.assign(entry, { pool });
  }

  function sweep(): void {
    sweeper = undefined;
    const now = clock.monotonic();
    for (const [key, entry] of pools) {
      if (entry.pool.stats.size === 0 && now - entry.used >= IDLE) {
        retire(key, entry);
      }
    }
    if (pools.size > 0) sweeper = clock.after(SWEEP, sweep);
  }

  return {
    lookup,
    get pools() {
      return pools.size;
    },
    maxHeaderSize,
    settings: (tls) => rulesOf(tls, keyOf(tls)),
    connect(address, tls) {
      const tlsText = keyOf(tls);
      const settings = rulesOf(tls, tlsText);
      const key = `${address.authority} ${tlsText}`;
      let used: Entry | undefined;
      return {
        dispatch(request, handler) {
          let entry = pools.get(key);
          if (entry === undefined) {
            entry = open(address, settings, tlsText);
            pools.set(key, entry);
            sweeper ??= clock.after(SWEEP, sweep);
          }
          used = entry;
          entry.used = clock.monotonic();
          entry.pool.dispatch({ ...request, origin: `https://${address.authority}` }, handler);
        },
        closeIdle() {
          const entry = pools.get(key);
          if (entry !== undefined) retire(key, entry);
        },
        get refusal() {
          return used?.refusal;
        },
        get handshaking() {
          return (used?.handshakes ?? 0) > 0;
        },
      };
    },
    certificate(tls) {
      const key = keyOf(tls);
      const known = certificates.get(key);
      let first: Seen | undefined;
      for (const seen of known?.values() ?? []) {
        if (!pools.has(`${seen.authority} ${key}`) && clock.monotonic() - seen.at > REMEMBERED)
          known!.delete(seen.authority);
        else if (first === undefined || seen.expires < first.expires) first = seen;
      }
      return first;
    },
    async close() {
      sweeper?.cancel();
      const open = [...pools.values()].map(({ pool }) => pool);
      pools.clear();
      await Promise.all([...open, ...retiring].map((pool) => pool.destroy()));
    },
  };
}
