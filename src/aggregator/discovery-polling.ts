/** Keeps what remote servers serve up to date (spec: aggregation 4.6). */
import type { Clock } from "../api/clock.ts";
import { type Dialer, type Fetched, fetchDocument, pushIdentity, type ServiceResolver } from "../dial/index.ts";
import type { DiscoveryResource } from "../server/routes.ts";
import { isAggregatedV2, readAggregated, readLegacy, V2_ACCEPT } from "./discovery-documents.ts";
import { type Polling, polling } from "./polling.ts";
import { AGGREGATOR } from "./probe.ts";
import type { RemoteService } from "./remote-service.ts";

export interface RemoteAccess {
  readonly clock: Clock;
  readonly dialer: Dialer;
  readonly resolve: ServiceResolver;
  remote(name: string): RemoteService | undefined;
  /** Something clients can see has changed. */
  onChange(remote: RemoteService): void;
  onError(error: unknown, name: string): void;
}

/** Milliseconds, for each document. */
const TIMEOUT = 5000;
/** Bytes; a larger document is cut off and counts as a failure. */
export const MAX_DISCOVERY = 16 * 1024 * 1024;

type Document =
  | {
      readonly kind: "aggregated";
      readonly etag: string;
      readonly groups: ReadonlyMap<string, readonly DiscoveryResource[]>;
    }
  | { readonly kind: "legacy" };

/** One GET as the aggregator. */
export function askRemote(
  remote: RemoteService,
  access: Pick<RemoteAccess, "clock" | "dialer" | "resolve">,
  request: {
    readonly path: string;
    readonly user: { readonly name: string; readonly groups: readonly string[] };
    readonly accept: string;
    readonly etag?: string;
    readonly timeout: number;
    readonly limit: number;
  },
): Promise<Fetched> {
  const { namespace, name, port } = remote.service;
  const address = access.resolve(namespace, name, port);
  const headers = ["Accept", request.accept];
  if (request.etag) headers.push("If-None-Match", request.etag);
  pushIdentity(headers, request.user);
  const { path, timeout, limit } = request;
  const connection = access.dialer.connect(address, remote.tls);
  return fetchDocument(connection, { clock: access.clock, address, path, headers, timeout, limit });
}

export function discoveryPolling(access: RemoteAccess): Polling {
  const limits = { timeout: TIMEOUT, limit: MAX_DISCOVERY };

  async function download(remote: RemoteService, previous: Document | undefined): Promise<Document> {
    const etag = previous?.kind === "aggregated" ? previous.etag : "";
    const answer = await askRemote(remote, access, {
      path: "/apis",
      user: AGGREGATOR,
      accept: V2_ACCEPT,
      etag,
      ...limits,
    });
    if (answer.status === 304 && previous !== undefined) return previous;
    if (answer.status === 503) throw new Error("failed to download discovery for /apis: 503");
    if (answer.status === 200 && isAggregatedV2(answer.headers["content-type"] ?? "")) {
      return { kind: "aggregated", etag: answer.headers["etag"] ?? "", groups: readAggregated(answer.body) };
    }
    return { kind: "legacy" };
  }

  async function legacy(remote: RemoteService): Promise<readonly DiscoveryResource[]> {
    const user = { name: AGGREGATOR.name, groups: [] };
    const answer = await askRemote(remote, access, { path: remote.root, user, accept: "application/json", ...limits });
    if (answer.status !== 200)
      throw new Error(`failed to download legacy discovery for ${remote.root}: ${answer.status}`);
    return readLegacy(answer.body, remote.group, remote.version);
  }

  interface Shown {
    readonly resources: readonly DiscoveryResource[];
    readonly fresh: boolean;
    /** Whether the server lists the group-version at all. */
    readonly served: boolean;
    readonly error?: unknown;
  }

  function show(remote: RemoteService, { resources, fresh, served, error }: Shown): void {
    const changed =
      !remote.tried || remote.fresh !== fresh || remote.resources !== resources || remote.served !== served;
    Object.assign(remote, { tried: true, fresh, resources, served, discoveryError: error });
    if (changed) access.onChange(remote);
  }

  return polling<Document>({
    clock: access.clock,
    interval: 60_000,
    baseBackoff: 500,
    maxBackoff: 60_000,
    remote: access.remote,
    onError: access.onError,
    download,
    async apply(remote, document) {
      const listed =
        document.kind === "aggregated" ? document.groups.get(`${remote.group}/${remote.version}`) : undefined;
      const resources =
        document.kind === "aggregated" ? (listed ?? NONE) : same(remote.lastKnown, await legacy(remote));
      remote.lastKnown = resources;
      show(remote, { resources, fresh: true, served: document.kind === "legacy" || listed !== undefined });
    },
    failed: (remote, error) => show(remote, { resources: NONE, fresh: false, served: false, error }),
  });
}

const NONE: readonly DiscoveryResource[] = [];

/** The old value when both say the same, so that nothing counts as changed. */
function same(old: readonly DiscoveryResource[], now: readonly DiscoveryResource[]): readonly DiscoveryResource[] {
  return JSON.stringify(old) === JSON.stringify(now) ? old : now;
}
