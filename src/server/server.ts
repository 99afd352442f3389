/** The shell of every API server: transports, filters in upstream's order, routes, and what is beside the API. */
import type { Clock, Random } from "../api/clock.ts";
import { resourceNotFound } from "../api/status.ts";
import type { Authorizer } from "./authorization.ts";
import { type DiscoveryOptions, discovery } from "./discovery/discovery.ts";
import { sendNotFound, sendText } from "./errors.ts";
import type { Exchange, Filter, Handler } from "./exchange.ts";
import { auditID } from "./filters/audit-id.ts";
import { authentication } from "./filters/authentication.ts";
import { authorization } from "./filters/authorization.ts";
import { cacheControl } from "./filters/cache-control.ts";
import { chain } from "./filters/chain.ts";
import { type DeadlineOptions, deadline } from "./filters/deadline.ts";
import { goaway } from "./filters/goaway.ts";
import { type MaxInFlightOptions, maxInFlight } from "./filters/max-in-flight.ts";
import { muxComplete } from "./filters/mux-complete.ts";
import { panicRecovery } from "./filters/panic-recovery.ts";
import { withRequestInfo } from "./filters/request-info.ts";
import { WaitGroup } from "./filters/wait-group.ts";
import { type HealthCheck, installHealth } from "./health.ts";
import type { Authenticator, UserInfo } from "./identity.ts";
import { type Logger, SILENT } from "./logger.ts";
import { Metrics } from "./metrics.ts";
import { openapi } from "./openapi/openapi.ts";
import { PathTable } from "./paths.ts";
import { isRemote, type RouteTable, serveRoute } from "./routes.ts";
import { Listener, type ListenerLimits, type ServingCertificate } from "./transports/listener.ts";
import { type MemoryTransport, memoryTransport } from "./transports/memory.ts";
import { ServedExchange } from "./transports/served-exchange.ts";
import { serveVersion, type VersionInfo } from "./version.ts";

export interface ServerOptions {
  readonly routes: RouteTable;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger;
  /** Needed by `listen`. PEM. */
  readonly tls?: ServingCertificate;
  /** Requests without credentials act as `system:anonymous`. Default true. */
  readonly anonymous?: boolean;
  /** Runs between authentication and max-in-flight. */
  readonly impersonation?: Filter;
  readonly deadlines?: Pick<DeadlineOptions, "requestTimeout" | "writeTimeout">;
  readonly maxInFlight?: MaxInFlightOptions;
  readonly limits?: ListenerLimits;
  readonly healthChecks?: readonly HealthCheck[];
  readonly version?: VersionInfo;
  readonly discovery?: DiscoveryOptions;
  readonly metrics?: Metrics;
  /** Share of HTTP/2 requests after which a client is asked to connect anew. Default 0. */
  readonly goawayChance?: number;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface Server {
  /** Binds; port 0 takes any. Rejects with Node's error when it cannot. */
  listen(at?: { port?: number; host?: string }): Promise<ListenAddress>;
  /** Where it listens; undefined before `listen`. */
  readonly address: ListenAddress | undefined;
  /** A transport of this process; with a user it needs no credentials. Runs the whole chain. */
  inMemory(user?: UserInfo): MemoryTransport;
  /** The whole chain, for an exchange from elsewhere. */
  handle(exchange: Exchange): Promise<void> | void;
  /** New connections see the new certificate; open ones stay. */
  setCertificate(certificate: ServingCertificate): void;
  /** Handlers for paths beside the API. They run behind authorization, as everything does. */
  readonly paths: PathTable;
  readonly metrics: Metrics;
  readonly routes: RouteTable;
  /** True once shutdown began: `/readyz` fails. */
  readonly stopping: boolean;
  /** Begins shutdown without closing anything: `/readyz` fails, and balancers take their time. */
  stop(): void;
  /** Stops accepting, ends watches, waits for the rest at most `graceMs` (default 10 s), then cuts. Idempotent. */
  close(options?: { graceMs?: number }): Promise<void>;
}

export function createServer(options: ServerOptions): Server {
  const { routes, clock, random } = options;
  const logger = options.logger ?? SILENT;
  const metrics = options.metrics ?? new Metrics(clock);
  const paths = new PathTable();
  const waitGroup = new WaitGroup();
  const inFlight = maxInFlight(options.maxInFlight);
  const mux = muxComplete(() => routes.current.complete);
  const remote = (group: string, version: string) => isRemote(routes.current.at(group, version));
  let stopping = false;

  metrics.inFlight(inFlight.current);
  const discoverer = discovery(routes, paths, options.discovery);
  const openapiHandler = openapi(routes);
  paths.set("/", discoverer.listPaths);
  paths.set("/openapi/v3", openapiHandler);
  paths.set("/openapi/v3/", openapiHandler);
  if (options.version !== undefined) paths.set("/version", serveVersion(options.version));
  paths.set("/metrics", (exchange) => metrics.serve(exchange));
  installHealth(paths, options.healthChecks ?? [], { stopping: () => stopping, logger });

  const dispatch: Handler = (exchange) => {
    const { info } = exchange;
    // Segments say the same with more slashes around them, and authorization read segments; upstream has nothing there.
    if (info.path.startsWith("//") || (!info.isResourceRequest && info.path.endsWith("//"))) return missing(exchange);
    if (info.isResourceRequest) {
      const route = routes.current.at(info.group, info.version);
      if (route === undefined || (route.backends.length === 0 && !isRemote(route))) return missing(exchange);
      return serveRoute(exchange, route);
    }
    return (paths.find(info.path) ?? discoverer.find(info.path) ?? missing)(exchange);
  };
  const missing = (exchange: Exchange) => {
    mux.check(exchange);
    // In a group of its own the API itself answers, with a Status; elsewhere, and among custom resources, nobody does.
    const name = groupOfPath(exchange.info.path);
    const group = name === undefined ? undefined : routes.current.groups.find((known) => known.group === name);
    if (group !== undefined && !group.versions.every(({ backends }) => backends[0]?.source === "crd")) {
      throw resourceNotFound();
    }
    sendNotFound(exchange);
  };

  const whole = chain(
    [
      metrics.filter,
      auditID,
      panicRecovery(logger),
      mux.filter,
      withRequestInfo({ isRemote: remote }),
      cacheControl,
      options.goawayChance ? goaway(options.goawayChance, random) : undefined,
      waitGroup.filter,
      deadline({ clock, ...options.deadlines, isRemote: remote }),
      authentication({ authenticator: options.authenticator, anonymous: options.anonymous ?? true, logger }),
      options.impersonation,
      inFlight.filter,
      authorization(options.authorizer, logger),
    ],
    dispatch,
  );
  const unanswered = (exchange: Exchange) => {
    if (exchange.response.started || exchange.response.finished) return;
    logger.error(
      { code: "request-unanswered", auditID: exchange.auditID, target: exchange.target },
      "no handler answered",
    );
    sendText(exchange, 500, "Internal Server Error");
  };
  const handle = (exchange: Exchange): Promise<void> | void => {
    const running = whole(exchange);
    if (running === undefined) unanswered(exchange);
    else return running.then(() => unanswered(exchange));
  };

  let listener: Listener | undefined;
  let certificate = options.tls;
  const memory = new Set<MemoryTransport>();
  let closing: Promise<void> | undefined;

  const close = async (graceMs: number) => {
    stopping = true;
    waitGroup.drain();
    listener?.drain();
    for (const exchange of waitGroup.longRunning) if (exchange instanceof ServedExchange) exchange.cancel("shutdown");
    let late: () => void = () => {};
    const deadlinePassed = new Promise<void>((resolve) => {
      late = resolve;
    });
    const timer = clock.after(graceMs, late);
    await Promise.race([waitGroup.idle().then(() => listener?.flushed()), deadlinePassed]);
    timer.cancel();
    await listener?.destroy();
    await Promise.all([...memory].map((transport) => transport.close()));
  };

  return {
    paths,
    metrics,
    routes,
    handle,
    async listen(at = {}) {
      if (certificate === undefined) throw new Error("listen needs `tls`: a certificate and its key");
      if (listener !== undefined) throw new Error("the server listens already");
      listener = new Listener({
        certificate,
        handle,
        newAuditID: () => random.uuid(),
        now: () => clock.now(),
        logger,
        ...(options.limits !== undefined && { limits: options.limits }),
      });
      return listener.listen(at.port ?? 0, at.host ?? "127.0.0.1");
    },
    get address() {
      return listener?.address;
    },
    inMemory(user) {
      const transport = memoryTransport(handle, { clock, random, user });
      memory.add(transport);
      return {
        request: transport.request,
        close: () => {
          memory.delete(transport);
          return transport.close();
        },
      };
    },
    setCertificate(next) {
      certificate = next;
      listener?.setCertificate(next);
    },
    get stopping() {
      return stopping;
    },
    stop() {
      stopping = true;
    },
    close({ graceMs = 10_000 } = {}) {
      closing ??= close(graceMs);
      return closing;
    },
  };
}

/** The group whose API a path below `/api` or `/apis/<group>` belongs to. */
function groupOfPath(path: string): string | undefined {
  const [, prefix, group, version] = path.split("/");
  if (prefix === "api" && group) return "";
  return prefix === "apis" && group && version ? group : undefined;
}
