/** `--store` and the flags beside it: where objects are kept. */
import { readFileSync, statSync } from "node:fs";
import { systemClock, systemRandom } from "../api/machine.ts";
import type { Engine } from "../store/engine.ts";

export interface StoreOptions {
  /** `sqlite`, `memory`, `etcd://host:port,host:port`. */
  readonly store: string;
  /** Upstream's form: `http://host:port,https://host:port`; wins over `store`. */
  readonly etcdServers?: string;
  readonly etcdCafile?: string;
  readonly etcdCertfile?: string;
  readonly etcdKeyfile?: string;
}

interface EtcdAddress {
  /** `host:port`. */
  readonly endpoints: readonly string[];
  readonly tls: boolean;
}

const DEFAULT_PORT = 2379;
const ACCEPTED = "sqlite, memory, etcd://HOST:PORT[,HOST:PORT...]";

/**
 * The members of an etcd, and whether they are spoken to in TLS; undefined when the store is another one. Throws, naming the flag, the value and
 * what is accepted, for anything else: above all for plain http to another machine, where keys to the whole cluster would be read on the way.
 */
export function etcdAddress(options: StoreOptions): EtcdAddress | undefined {
  const { store, etcdServers } = options;
  const flag = etcdServers === undefined ? "--store" : "--etcd-servers";
  const text = etcdServers ?? store;
  if (etcdServers === undefined && !store.startsWith("etcd://")) return undefined;
  const withFiles = options.etcdCafile !== undefined || options.etcdCertfile !== undefined;
  if ((options.etcdCertfile === undefined) !== (options.etcdKeyfile === undefined)) {
    throw new Error("--etcd-certfile and --etcd-keyfile belong together: one of them is missing");
  }
  const members = text
    .replace(/^etcd:\/\//, "")
    .split(",")
    .map((one) => memberOf(one, flag, text));
  const schemes = new Set(members.map(({ scheme }) => scheme).filter((scheme) => scheme !== undefined));
  if (schemes.size > 1) throw new Error(`${flag}: ${JSON.stringify(text)} mixes http and https`);
  const tls = schemes.has("https") || (withFiles && !schemes.has("http"));
  if (withFiles && !tls)
    throw new Error(`${flag}: ${JSON.stringify(text)} is plain http, but certificate files are given`);
  const remote = members.find(({ host }) => !isLoopback(host));
  if (!tls && remote !== undefined) {
    throw new Error(
      `${flag}: plain http to ${remote.host} is refused, it is for loopback only; give --etcd-cafile (and --etcd-certfile, --etcd-keyfile)`,
    );
  }
  return { endpoints: members.map(({ host, port }) => `${host.includes(":") ? `[${host}]` : host}:${port}`), tls };
}

function memberOf(text: string, flag: string, all: string): { scheme: string | undefined; host: string; port: number } {
  const match = /^(?:(https?):\/\/)?(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?\/?$/.exec(text.trim());
  const port = Number(match?.[3] ?? DEFAULT_PORT);
  if (match === null || port < 1 || port > 65_535) {
    throw new Error(`${flag}: ${JSON.stringify(all)} is none of ${ACCEPTED}: ${JSON.stringify(text)} is no HOST:PORT`);
  }
  return { scheme: match[1], host: match[2]!.replace(/^\[|\]$/g, ""), port };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Opens nothing yet. `path`: of the file, for `sqlite`. Throws for a store there is not, naming what is accepted. */
export async function engineOf(options: StoreOptions, path: string): Promise<Engine> {
  const etcd = etcdAddress(options);
  if (etcd !== undefined) {
    const { etcdEngine } = await import("../store/engines/etcd.ts");
    const tls = etcd.tls ? tlsFiles(options) : undefined;
    return etcdEngine({
      endpoints: etcd.endpoints,
      clock: systemClock,
      random: systemRandom,
      ...(tls !== undefined && { tls }),
    });
  }
  switch (options.store) {
    case "memory": {
      const { memoryEngine } = await import("../store/engines/memory.ts");
      return memoryEngine({ clock: systemClock });
    }
    case "sqlite": {
      const { sqliteEngine } = await import("../store/engines/sqlite.ts");
      return sqliteEngine({ path, clock: systemClock });
    }
    default:
      throw new Error(`--store: ${JSON.stringify(options.store)} is none of ${ACCEPTED}`);
  }
}

function tlsFiles(options: StoreOptions): { ca?: Buffer; certificate?: Buffer; key?: Buffer } {
  const { etcdCafile, etcdCertfile, etcdKeyfile } = options;
  if (etcdKeyfile !== undefined && (statSync(etcdKeyfile).mode & 0o007) !== 0) {
    throw new Error(`--etcd-keyfile: ${etcdKeyfile} may be read by everybody; chmod 600 it`);
  }
  return {
    ...(etcdCafile !== undefined && { ca: readFileSync(etcdCafile) }),
    ...(etcdCertfile !== undefined && { certificate: readFileSync(etcdCertfile) }),
    ...(etcdKeyfile !== undefined && { key: readFileSync(etcdKeyfile) }),
  };
}
