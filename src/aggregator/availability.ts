/** Keeps the `Available` condition of every APIService true to life: in memory at once, in the object when it changed (spec: aggregation 2). */
import type { Clock } from "../api/clock.ts";
import { createWorkQueue, type Lister, type ResourceClient, runWorkers } from "../client/index.ts";
import { type EndpointSlices, findServicePort } from "../dial/index.ts";
import type { APIService, Service } from "../kinds/generated/types.ts";
import {
  type Availability,
  availableCondition,
  LOCAL,
  nameOf,
  PASSED,
  serviceOf,
  withAvailability,
} from "./api-service.ts";
import type { AggregatorMetrics } from "./metrics.ts";
import type { RemoteService } from "./remote-service.ts";

export interface AvailabilityOptions {
  readonly clock: Clock;
  readonly apiServices: Lister<APIService>;
  readonly services: Lister<Service>;
  readonly slices: EndpointSlices;
  /** For writing conditions; without it they stay in memory. */
  readonly client?: ResourceClient<APIService>;
  readonly metrics: AggregatorMetrics;
  remote(name: string): RemoteService | undefined;
  /** Whether the remote server answers: undefined, or why not. Throws when its TLS settings are unusable. */
  probe(remote: RemoteService): Promise<Error | undefined>;
  /** Whether this process writes conditions at present; all replicas probe, one writes. Default: yes. */
  mayWrite?(): boolean;
  /** An APIService became available or ceased to be. */
  onChange?(remote: RemoteService): void;
  onError(error: unknown, name: string): void;
}

export interface AvailabilityController {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** A request to it failed: checks it soon, and does not wait for the next round. */
  doubt(name: string): void;
}

/** The health check's period, milliseconds. */
const RESYNC = 30_000;
/** Upstream waits up to 30 s; nobody should wait that long for a server that is back. */
const MAX_BACKOFF = 5_000;
/** Between a request that failed and the check it causes: many failures are one check. */
const DOUBT_DELAY = 250;
/** Checks at the same time: one that hangs takes 5 s, and there may be many. */
const WORKERS = 128;

export function availabilityController(options: AvailabilityOptions): AvailabilityController {
  const { clock, apiServices, services, slices, metrics } = options;
  const queue = createWorkQueue({ clock, baseDelay: 5, maxDelay: MAX_BACKOFF });
  const stops: (() => void)[] = [];
  const abort = new AbortController();
  let loops: Promise<unknown> = Promise.resolve();

  /** `namespace/name` of a service to the APIServices that point to it. */
  const byService = new Map<string, Set<string>>();
  const index = (apiService: APIService, present: boolean) => {
    const target = serviceOf(apiService);
    if (target === undefined) return;
    const key = `${target.namespace}/${target.name}`;
    const names = byService.get(key) ?? new Set<string>();
    if (present) names.add(nameOf(apiService));
    else names.delete(nameOf(apiService));
    if (names.size > 0) byService.set(key, names);
    else byService.delete(key);
  };
  const enqueueFor = (namespace: string, service: string) => {
    for (const name of byService.get(`${namespace}/${service}`) ?? []) queue.add(name);
  };
  const serviceChanged = (service: Service) =>
    enqueueFor(service.metadata.namespace ?? "", service.metadata.name ?? "");

  /** The part that needs no connection: undefined when all is there. */
  function checkService(remote: RemoteService): Availability | undefined {
    const { namespace, name, port } = remote.service;
    const no = (reason: string, message: string): Availability => ({ status: "False", reason, message });
    const service = services.get(name, namespace);
    if (service === undefined) return no("ServiceNotFound", `service/${name} in "${namespace}" is not present`);
    if (service.spec.type !== "ClusterIP") return undefined;
    const servicePort = findServicePort(service, port);
    if (servicePort === undefined) {
      return no("ServicePortError", `service/${name} in "${namespace}" is not listening on port ${port}`);
    }
    const portName = servicePort.name ?? "";
    const found = [...slices.of(namespace, name)];
    if (found.length === 0) {
      return no("EndpointsNotFound", `cannot find endpointslices for service/${name} in "${namespace}"`);
    }
    const active = found.some(
      (slice) =>
        slice.endpoints?.some((endpoint) => endpoint.conditions?.ready !== false) &&
        slice.ports?.some((slicePort) => slicePort.name === portName && slicePort.port !== undefined),
    );
    if (active) return undefined;
    return no(
      "MissingEndpoints",
      `endpointslices for service/${name} in "${namespace}" have no addresses with port name ${JSON.stringify(portName)}`,
    );
  }

  async function sync(name: string): Promise<void> {
    const apiService = apiServices.get(name);
    if (apiService === undefined) return metrics.unavailable(name, undefined);
    if (serviceOf(apiService) === undefined) return await write(apiService, LOCAL);
    const remote = options.remote(name);
    if (remote === undefined) return;
    const obstacle = checkService(remote);
    if (obstacle !== undefined) return await decide(apiService, remote, obstacle);
    const failure = await options.probe(remote);
    // The answer may be to a question nobody asks any more.
    const current = apiServices.get(name);
    if (current === undefined || current.metadata.uid !== apiService.metadata.uid) return;
    if (failure === undefined) return await decide(current, remote, PASSED);
    await decide(current, remote, { status: "False", reason: "FailedDiscoveryCheck", message: failure.message });
    throw failure;
  }

  async function decide(apiService: APIService, remote: RemoteService, availability: Availability): Promise<void> {
    const before = remote.availability?.status;
    remote.availability = availability;
    if (before !== availability.status) options.onChange?.(remote);
    await write(apiService, availability);
  }

  async function write(apiService: APIService, availability: Availability): Promise<void> {
    const name = nameOf(apiService);
    metrics.unavailable(name, availability.status === "True" ? 0 : 1);
    const updated = withAvailability(apiService, availability, clock.now());
    if (updated === apiService || options.client === undefined || options.mayWrite?.() === false) return;
    await options.client.updateStatus(updated);
    if (availableCondition(apiService)?.status === "True" && availability.status !== "True") {
      metrics.becameUnavailable(name, availability.reason || "UnknownReason");
    }
  }

  async function resync(): Promise<void> {
    for (;;) {
      await clock.sleep(RESYNC, abort.signal);
      for (const apiService of apiServices.list()) queue.add(nameOf(apiService));
    }
  }

  return {
    doubt: (name) => queue.addAfter(name, DOUBT_DELAY),
    async start() {
      await Promise.all([apiServices.ready(), services.ready(), slices.ready()]);
      if (abort.signal.aborted) return;
      stops.push(
        apiServices.subscribe({
          added(apiService) {
            index(apiService, true);
            queue.add(nameOf(apiService));
          },
          updated(apiService, old) {
            index(old, false);
            index(apiService, true);
            queue.add(nameOf(apiService));
          },
          deleted(apiService) {
            index(apiService, false);
            queue.add(nameOf(apiService));
          },
        }),
        services.subscribe({ added: serviceChanged, updated: serviceChanged, deleted: serviceChanged }),
        slices.changed(enqueueFor),
      );
      loops = Promise.all([runWorkers(queue, WORKERS, sync, options.onError), resync().catch(() => undefined)]);
    },
    async stop() {
      abort.abort();
      for (const stop of stops.splice(0)) stop();
      queue.shutDown();
      await loops;
    },
  };
}
