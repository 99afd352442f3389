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
  type Statement,
  serviceOf,
  withConditions,
} from "./api-service.ts";
import type { Expiries } from "./expiry.ts";
import { ProbeFailure, STAGES } from "./findings.ts";
import type { AggregatorMetrics } from "./metrics.ts";
import type { CheckOutcome, RemoteService } from "./remote-service.ts";
import { sameButAddress, stageConditions } from "./stages.ts";

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
  /** Until when the certificates on the way to it are good, as far as known. */
  expiries(remote: RemoteService): Expiries;
  /** A condition was written that was not so before. For Events. */
  onWritten?(apiService: APIService, before: APIService): void;
  /** An APIService became available or ceased to be. */
  onChange?(remote: RemoteService): void;
  onError(error: unknown, name: string): void;
}

export interface AvailabilityController {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** A request to it failed: checks it soon, and does not wait for the next round. */
  doubt(name: string): void;
  /** Something its conditions tell beside the check has changed: writes them from what is known. */
  describe(name: string): void;
}

/** The health check's period, milliseconds. */
const RESYNC = 30_000;
/** Upstream waits up to 30 s; nobody should wait that long for a server that is back. */
const MAX_BACKOFF = 5_000;
/** Between a request that failed and the check it causes: many failures are one check. */
const DOUBT_DELAY = 250;
/** Checks at the same time: one that hangs takes 5 s, and there may be many. */
const WORKERS = 128;
const STAGE_TYPES: ReadonlySet<string> = new Set(STAGES);

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
  /** APIServices that are to be checked; others in the queue are only described. */
  const asked = new Set<string>();
  /** Their addresses may have changed: messages that differ only by them are written again. */
  const moved = new Set<string>();
  const ask = (name: string) => {
    asked.add(name);
    queue.add(name);
  };
  const enqueueFor = (namespace: string, service: string) => {
    for (const name of byService.get(`${namespace}/${service}`) ?? []) {
      moved.add(name);
      ask(name);
    }
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
    // Whatever happens from here on is for the next turn.
    const check = asked.delete(name);
    const exact = moved.delete(name);
    try {
      await settle(name, check, exact);
    } catch (error) {
      // The next attempt is as thorough as this one; a failed check alone has been written.
      if (check) asked.add(name);
      if (exact && !(error instanceof ProbeFailure)) moved.add(name);
      throw error;
    }
  }

  async function settle(name: string, check: boolean, exact: boolean): Promise<void> {
    const apiService = apiServices.get(name);
    if (apiService === undefined) return metrics.unavailable(name, undefined);
    if (serviceOf(apiService) === undefined) return await write(apiService, LOCAL, [], exact);
    const remote = options.remote(name);
    if (remote === undefined) return;
    const outcome = check ? await checked(remote) : remote.outcome;
    // The answer may be to a question nobody asks any more.
    const current = apiServices.get(name);
    if (outcome === undefined || current === undefined || current.metadata.uid !== apiService.metadata.uid) return;
    const before = remote.availability?.status;
    const availability = availabilityOf(outcome);
    remote.outcome = outcome;
    remote.availability = availability ?? remote.availability;
    if (before !== remote.availability?.status) options.onChange?.(remote);
    await write(current, availability, stagesOf(remote), exact);
    if (check && outcome.failure !== undefined) throw outcome.failure;
  }

  async function checked(remote: RemoteService): Promise<CheckOutcome> {
    const obstacle = checkService(remote);
    if (obstacle !== undefined) return { obstacle };
    const failure = await options.probe(remote).catch((error: Error) => error);
    return failure === undefined ? {} : { failure };
  }

  function stagesOf(remote: RemoteService): Statement[] {
    const { namespace, name, port } = remote.service;
    const { serverName, insecureSkipVerify = false } = remote.tls;
    return stageConditions({
      service: `${namespace}/${name}:${port}`,
      serverName,
      insecure: insecureSkipVerify,
      discovery: remote.discovery,
      expiries: options.expiries(remote),
      now: clock.now(),
      ...remote.outcome,
    });
  }

  /** `availability` undefined: what stands there stays. */
  async function write(
    apiService: APIService,
    availability: Availability | undefined,
    stages: readonly Statement[],
    exact: boolean,
  ): Promise<void> {
    const name = nameOf(apiService);
    if (availability !== undefined) metrics.unavailable(name, availability.status === "True" ? 0 : 1);
    const statements = availability === undefined ? stages : [{ type: "Available", ...availability }, ...stages];
    const updated = withConditions(apiService, statements, {
      types: STAGE_TYPES,
      now: clock.now(),
      ...(!exact && { same: sameButAddress }),
    });
    if (updated === apiService || options.client === undefined || options.mayWrite?.() === false) return;
    await options.client.updateStatus(updated);
    if (availability === undefined) return;
    options.onWritten?.(updated, apiService);
    if (availableCondition(apiService)?.status === "True" && availability.status !== "True") {
      metrics.becameUnavailable(name, availability.reason || "UnknownReason");
    }
  }

  async function resync(): Promise<void> {
    for (;;) {
      await clock.sleep(RESYNC, abort.signal);
      for (const apiService of apiServices.list()) ask(nameOf(apiService));
    }
  }

  return {
    doubt(name) {
      asked.add(name);
      queue.addAfter(name, DOUBT_DELAY);
    },
    describe: (name) => queue.add(name),
    async start() {
      await Promise.all([apiServices.ready(), services.ready(), slices.ready()]);
      if (abort.signal.aborted) return;
      stops.push(
        apiServices.subscribe({
          added(apiService) {
            index(apiService, true);
            ask(nameOf(apiService));
          },
          updated(apiService, old) {
            index(old, false);
            index(apiService, true);
            // A status was written, most often by this loop: what it says is compared, and nobody is asked.
            if (sameButStatus(apiService, old)) queue.add(nameOf(apiService));
            else ask(nameOf(apiService));
          },
          deleted(apiService) {
            index(apiService, false);
            ask(nameOf(apiService));
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

/** Undefined when there is no way to even try: as upstream, `Available` stays as it is. The other conditions say why. */
function availabilityOf({ obstacle, failure }: CheckOutcome): Availability | undefined {
  if (obstacle !== undefined) return obstacle;
  if (failure === undefined) return PASSED;
  if (!(failure instanceof ProbeFailure)) return undefined;
  return { status: "False", reason: "FailedDiscoveryCheck", message: failure.message };
}

function sameButStatus(a: APIService, b: APIService): boolean {
  const text = ({ spec, metadata: { uid, labels, annotations } }: APIService) =>
    JSON.stringify([uid, labels, annotations, spec]);
  return text(a) === text(b);
}
