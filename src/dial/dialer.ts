/** Connections to backends: one pool for each address and set of TLS rules, shared by everybody who wants the same. */
import { lookup as resolveName } from "node:dns";
import { createRequire } from "node:module";
import type { LookupFunction } from "node:net";
import type { Dispatcher, Pool } from "undici";
import type { Clock, Timer } from "../api/clock.ts";
import { refusedAddress } from "./addresses.ts";
import { DialError } from "./dial-errors.ts";
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
}

export interface Dialer {
  /** Throws a TransportError when the TLS rules are unusable. */
  connect(address: Address, tls: TargetTLS): Connection;
  /** The rules alone, for who connects without a pool; throws as `connect` would. */
  settings(tls: TargetTLS): TLSSettings;
  /** The largest response head, bytes. */
  readonly maxHeaderSize: number;
  /** How names become addresses, for who connects without a pool: the same names are refused. */
  readonly lookup: LookupFunction | undefined;
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

interface Entry {
  readonly pool: Pool;
  used: number;
}

export function createDialer(options: DialerOptions): Dialer {
  const { clock } = options;
  const lookup = options.allowLoopbackEndpoints ? undefined : guardedLookup;
  const maxHeaderSize = options.maxHeaderSize ?? 64 * 1024;
  const pools = new Map<string, Entry>();
  /** Parsed rules by key: parsing a bundle is not for every request. */
  const rules = new Map<string, TLSSettings>();
  const keys = new WeakMap<TargetTLS, string>();
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
      if (rules.size >= 4096) rules.clear();
      rules.set(key, found);
    }
    return found;
  }

  function open(address: Address, settings: TLSSettings): Pool {
    const { buildConnector, Pool } = undici();
    const connect = buildConnector({
      ...settings,
      allowH2: false,
      // A resumed session would hide the client certificate's chain from the backend.
      maxCachedSessions: 0,
      timeout: options.connectTimeout ?? CONNECT_TIMEOUT,
      ...(lookup !== undefined && { lookup }),
    });
    return new Pool(`https://${address.authority}`, {
      allowH2: false,
      connections: null,
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: IDLE,
      maxHeaderSize,
      // undici would take the name from the Host header.
      connect: (request, callback) => connect({ ...request, servername: settings.servername }, callback),
    });
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
      return {
        dispatch(request, handler) {
          let entry = pools.get(key);
          if (entry === undefined) {
            entry = { pool: open(address, settings), used: 0 };
            pools.set(key, entry);
            sweeper ??= clock.after(SWEEP, sweep);
          }
          entry.used = clock.monotonic();
          entry.pool.dispatch({ ...request, origin: `https://${address.authority}` }, handler);
        },
        closeIdle() {
          const entry = pools.get(key);
          if (entry !== undefined) retire(key, entry);
        },
      };
    },
    async close() {
      sweeper?.cancel();
      const open = [...pools.values()].map(({ pool }) => pool);
      pools.clear();
      await Promise.all([...open, ...retiring].map((pool) => pool.destroy()));
    },
  };
}

/** Resolves a name and refuses the answer when it leads back to this host or link: the address checked is the address dialled. */
const guardedLookup: LookupFunction = (hostname, options, callback) => {
  resolveName(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, "");
    for (const { address } of addresses) {
      const why = refusedAddress(address);
      if (why !== undefined) {
        return callback(new DialError("AddressRefused", `dial tcp: lookup ${hostname}: ${why}`, true), "");
      }
    }
    if (options.all) callback(null, addresses);
    else callback(null, addresses[0]!.address, addresses[0]!.family);
  });
};
