/** Claims become routes: APIService objects are joined with what is known of the servers behind them (spec: aggregation 2 to 5). */
import type { Clock, Random } from "../api/clock.ts";
import type { Lister, ResourceClient } from "../client/index.ts";
import {
  type Address,
  Breaker,
  createDialer,
  createProxy,
  createServiceResolver,
  DialError,
  type Dialer,
  indexEndpointSlices,
  type ServiceResolver,
} from "../dial/index.ts";
import type { APIService, EndpointSlice, Service } from "../kinds/generated/types.ts";
import type { Exchange } from "../server/exchange.ts";
import type { RouteTable } from "../server/routes.ts";
import { APISERVICES, claimOf, nameOf, serviceOf } from "./api-service.ts";
import { availabilityController } from "./availability.ts";
import { discoveryPolling } from "./discovery-polling.ts";
import { expiries } from "./expiry.ts";
import { type AggregatorMetrics, noMetrics } from "./metrics.ts";
import { openapiPolling } from "./openapi-polling.ts";
import { probe } from "./probe.ts";
import { remoteBackend } from "./remote-backend.ts";
import { type RemoteOptions, RemoteService } from "./remote-service.ts";

export interface AggregatorOptions extends RemoteOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly routes: RouteTable;
  readonly apiServices: Lister<APIService>;
  readonly services: Lister<Service>;
  readonly endpointSlices: Lister<EndpointSlice>;
  /** For writing conditions; without it they stay in memory. */
  readonly client?: ResourceClient<APIService>;
  readonly metrics?: AggregatorMetrics;
  /** Default "endpoint". */
  readonly routing?: "endpoint" | "cluster-ip";
  readonly allowLoopbackEndpoints?: boolean;
  /** Where `default/kubernetes:443` leads. */
  readonly loopback?: () => Address | undefined;
  /** Default true. */
  readonly rejectRedirects?: boolean;
  /** Header names, in lower case, that authentication consumes beside the standard ones. */
  readonly credentials?: ReadonlySet<string>;
  /** Show clients what a server last served while it does not answer. Default false, as upstream. */
  readonly showLastKnown?: boolean;
  /** See AvailabilityOptions. */
  mayWrite?(): boolean;
  /** For the operator: `where` is an APIService's name. */
  onError?(error: unknown, where: string): void;
}

export interface Aggregator {
  /** Resolves once claims are routes; what they lead to is found out in the background. */
  start(): Promise<void>;
  stop(): Promise<void>;
  readonly dialer: Dialer;
  readonly resolve: ServiceResolver;
  /** APIServices whose discovery was not tried yet; empty 10 s after the start at the latest (for `/readyz`). */
  untried(): readonly string[];
  remote(name: string): RemoteService | undefined;
  /** Asks every remote server again: how this server shows itself has changed. */
  recheck(): void;
}

/** How long readiness waits for discovery, milliseconds. */
const READINESS = 10_000;

export function createAggregator(options: AggregatorOptions): Aggregator {
  const { clock, routes, apiServices } = options;
  const metrics = options.metrics ?? noMetrics;
  const onError = options.onError ?? (() => {});
  const remotes = new Map<string, RemoteService>();
  const remote = (name: string) => remotes.get(name);
  const loopbackAllowed = { allowLoopbackEndpoints: options.allowLoopbackEndpoints ?? false };
  const dialer = createDialer({ clock, ...loopbackAllowed });
  const breaker = new Breaker({ clock });
  const slices = indexEndpointSlices(options.endpointSlices);
  const resolve = createServiceResolver({
    services: options.services,
    slices,
    mode: options.routing ?? "endpoint",
    random: options.random,
    ...loopbackAllowed,
    ...(options.loopback !== undefined && { loopback: options.loopback }),
  });
  const onTerminated = ({ info }: Exchange, code: number) => metrics.terminated(info, code);
  const proxy = createProxy({
    onTerminated,
    clock,
    dialer,
    breaker,
    rejectRedirects: options.rejectRedirects ?? true,
    ...(options.credentials !== undefined && { credentials: options.credentials }),
    onError(exchange, error) {
      const { group, version } = exchange.info;
      const name = `${version}.${group}`;
      if (error instanceof DialError && error.reason === "TLSNoSAN") metrics.missingSAN();
      metrics.proxyFailed(name, error instanceof DialError ? error.reason : "Other");
      availability.doubt(name);
      onError(error, name);
    },
  });
  const access = { clock, dialer, resolve, remote, onError, onChange: () => routes.touch() };
  const discovery = discoveryPolling({
    ...access,
    onChange({ name }) {
      routes.touch();
      availability.describe(name);
    },
  });
  const openapi = openapiPolling(access);
  const availability = availabilityController({
    clock,
    apiServices,
    services: options.services,
    slices,
    metrics,
    remote,
    expiries: ({ tls }) => expiries(tls, dialer),
    probe: (target) => probe(target, { clock, dialer, breaker, resolve }),
    onError,
    // A server that came back should not wait for the next round to be shown, nor one that went away to be shown stale.
    onChange(target) {
      if (target.availability?.status === "True" && !target.fresh) ask(target.name);
      else if (target.availability?.status !== "True" && target.fresh) discovery.dirty(target.name);
    },
    ...(options.client !== undefined && { client: options.client }),
    ...(options.mayWrite !== undefined && { mayWrite: options.mayWrite }),
  });

  const keyOf = (name: string) => `remote/${name}`;
  let started = Number.POSITIVE_INFINITY;
  let unsubscribe: (() => void) | undefined;
  let announced = false;

  function ask(name: string): void {
    discovery.dirty(name);
    openapi.dirty(name);
  }

  function put(apiService: APIService, old?: APIService): void {
    const name = nameOf(apiService);
    const known = remotes.get(name);
    const foreign = apiService.spec.group === APISERVICES.group;
    if (serviceOf(apiService) === undefined || foreign) {
      drop(name);
      return;
    }
    if (known !== undefined && known.object.metadata.uid === apiService.metadata.uid) {
      const moved = old === undefined || !sameTarget(old, apiService);
      known.object = apiService;
      // Status is our own doing: only a new target is a new question.
      if (moved) {
        known.availability = undefined;
        ask(name);
      }
      return;
    }
    const added = new RemoteService(apiService, options);
    remotes.set(name, added);
    routes.setBackend(
      keyOf(name),
      remoteBackend(added, { proxy, resolve, onTerminated, showLastKnown: options.showLastKnown ?? false }),
    );
    ask(name);
  }

  function drop(name: string): void {
    if (!remotes.delete(name)) return;
    routes.removeBackend(keyOf(name));
    discovery.forget(name);
    openapi.forget(name);
  }

  function publish(): void {
    if (announced) routes.setClaims(apiServices.list().map(claimOf));
  }

  return {
    dialer,
    resolve,
    remote,
    recheck() {
      for (const name of remotes.keys()) availability.doubt(name);
    },
    untried() {
      if (clock.monotonic() - started >= READINESS) return [];
      return [...remotes.values()].filter(({ tried }) => !tried).map(({ name }) => name);
    },
    async start() {
      await Promise.all([apiServices.ready(), options.services.ready(), slices.ready()]);
      started = clock.monotonic();
      const batch = (change: () => void) =>
        routes.batch(() => {
          change();
          publish();
        });
      routes.batch(() => {
        unsubscribe = apiServices.subscribe({
          added: (object) => batch(() => put(object)),
          updated(object, old) {
            // Conditions come and go without any route changing.
            if (sameClaim(object, old)) put(object, old);
            else batch(() => put(object, old));
          },
          deleted: (object) => batch(() => drop(nameOf(object))),
        });
        announced = true;
        publish();
      });
      discovery.start();
      openapi.start();
      await availability.start();
    },
    async stop() {
      unsubscribe?.();
      // No new questions first, then an end to those that are open.
      const quiet = Promise.all([availability.stop(), discovery.stop(), openapi.stop()]);
      await dialer.close();
      await quiet;
    },
  };
}

function sameTarget(a: APIService, b: APIService): boolean {
  const target = ({ spec }: APIService) =>
    JSON.stringify([spec.service ?? null, spec.caBundle ?? "", spec.insecureSkipTLSVerify ?? false]);
  return target(a) === target(b);
}

function sameClaim(a: APIService, b: APIService): boolean {
  return JSON.stringify(claimOf(a)) === JSON.stringify(claimOf(b));
}
