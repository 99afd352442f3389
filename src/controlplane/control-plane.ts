/** The main API server: the rooms wired together over one store. Wiring only. */
import { networkInterfaces } from "node:os";
import { admissionChain } from "../admission/chain.ts";
import { namespaceLifecycle } from "../admission/namespace-lifecycle.ts";
import { builtInClaims, rbacEscalation } from "../admission/rbac-escalation.ts";
import { createAggregator } from "../aggregator/aggregator.ts";
import { APISERVICES } from "../aggregator/api-service.ts";
import { autoRegistration } from "../aggregator/registration.ts";
import type { Clock, Random } from "../api/clock.ts";
import { systemClock, systemRandom } from "../api/machine.ts";
import { apiVersionOf } from "../api/meta.ts";
import { impersonationFilter } from "../auth/impersonation.ts";
import type { PKI } from "../auth/pki/pki.ts";
import { reconcilePolicy } from "../auth/rbac/policy.ts";
import { openIDHandlers } from "../auth/tokens/discovery.ts";
import { keepTrustPublished, publishTrust } from "../auth/trust-publisher.ts";
import { type Client, createClient } from "../client/client.ts";
import { leaderElection } from "../client/leader.ts";
import { address as dialAddress } from "../dial/index.ts";
import type { APIService, Service } from "../kinds/generated/types.ts";
import { builtinPriority, builtinResources, createAddressPool } from "../kinds/index.ts";
import type { HealthCheck } from "../server/health.ts";
import type { TokenAuthenticator, UserInfo } from "../server/identity.ts";
import { type Logger, SILENT } from "../server/logger.ts";
import { Metrics } from "../server/metrics.ts";
import { storedForms } from "../server/representation/stored-form.ts";
import { REGISTRATION_GROUP, RouteTable } from "../server/routes.ts";
import { createServer, type ListenAddress, type Server } from "../server/server.ts";
import type { Engine } from "../store/engine.ts";
import { type History, openState } from "../store/open-state.ts";
import type { State } from "../store/state.ts";
import { type AddressClaims, addressClaims } from "./address-claims.ts";
import { aggregatorMetrics, discoveryMetrics } from "./aggregator-metrics.ts";
import { builtinBackends } from "./backends.ts";
import { advertisedAddress, isLoopback, keepNamespaces, publishAddress } from "./bootstrap.ts";
import { bootstrapSeeds } from "./bootstrap-objects.ts";
import { candidate } from "./controllers.ts";
import { DEFINITIONS, definitionsLoaded, openDefinitions } from "./definitions.ts";
import { startHooks } from "./hooks.ts";
import { type AuthorizationMode, createIdentity, OWN_FRONT_PROXY } from "./identity.ts";
import { storeListers } from "./listers.ts";
import { plantSeeds } from "./seed.ts";
import { keepServerAddress, MASTER_LEASES } from "./server-addresses.ts";
import { fixedTrust, type TrustSources } from "./trust-sources.ts";
import { versionInfo } from "./version.ts";

export interface ControlPlaneOptions {
  readonly engine: Engine;
  readonly pki: PKI;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
  readonly history?: Partial<History>;
  /** Token → user, beside client certificates and service accounts. */
  readonly tokens?: ReadonlyMap<string, UserInfo>;
  /** Requests without credentials act as `system:anonymous`. Default true. */
  readonly anonymous?: boolean;
  /** Asked about bearer tokens nobody here knows. */
  readonly tokenWebhook?: TokenAuthenticator;
  /** Who decides what is allowed, in order; `system:masters` may do everything before any of them. Default RBAC alone. */
  readonly authorizers?: readonly AuthorizationMode[];
  /** How Services of APIServices are reached. Default "endpoint". */
  readonly routing?: "endpoint" | "cluster-ip";
  /** Endpoints on loopback are reachable; for a control plane on one machine. Default false. */
  readonly allowLoopbackEndpoints?: boolean;
  /** PEM, trusted beside the system's roots for APIServices without a bundle. */
  readonly aggregatorDefaultCA?: string;
  /** Keys and authorities that may change while the server runs; without, those of the PKI. The caller closes it. */
  readonly trust?: TrustSources;
  /** Answer redirects of extension servers with 502 instead of passing them on. Default true. */
  readonly rejectForwardingRedirects?: boolean;
  /** Show clients what an extension server last served while it does not answer. Default false. */
  readonly showLastKnownDiscovery?: boolean;
  /** Default 60 s. */
  readonly requestTimeoutMilliseconds?: number;
  /** Watches of built-in kinds without a timeout end after one to two times this long. Default 1800. */
  readonly minRequestTimeoutSeconds?: number;
  /** Share of HTTP/2 requests after which a client is asked to connect anew, perhaps to another server. Default 0. */
  readonly goawayChance?: number;
}

export interface ControlPlane {
  readonly server: Server;
  readonly state: State;
  readonly routes: RouteTable;
  /** A client of this server in the same process; needs no credentials. Default user: a member of `system:masters`. */
  client(user?: UserInfo): Client;
  /** Serves on TLS and publishes the address. */
  listen(at?: { port?: number; host?: string }): Promise<ListenAddress>;
  /** Ends watches, finishes requests (`graceMs`, default 10 s, at most) and closes the store. Idempotent. */
  close(options?: { graceMs?: number }): Promise<void>;
}

export const LOOPBACK_USER: UserInfo = { name: "system:apiserver", uid: "", groups: ["system:masters"], extra: {} };
export const ISSUER = "https://kubernetes.default.svc.cluster.local";

const SWEEP_INTERVAL = 10 * 60_000;
const TRUST_INTERVAL = 60_000;
const TRUST_RETRY = 1000;
/** A store that does not answer a health check for so long has failed it; as upstream. */
const STORE_PATIENCE = 2000;
const AVAILABILITY_LEASE = { namespace: "kube-system", name: "tenon-availability" };

/** In the order in which upstream reports them. */
const HOOKS = [
  "start-apiserver-admission-initializer",
  "generic-apiserver-start-informers",
  "start-apiextensions-informers",
  "start-apiextensions-controllers",
  "crd-informer-synced",
  "start-system-namespaces-controller",
  "start-cluster-authentication-info-controller",
  "storage-readiness",
  "rbac/bootstrap-roles",
  "bootstrap-controller",
  "aggregator-reload-proxy-client-cert",
  "start-kube-aggregator-informers",
  "apiservice-status-local-available-controller",
  "apiservice-status-remote-available-controller",
  "apiservice-registration-controller",
  "apiservice-discovery-controller",
  "kube-apiserver-autoregistration",
  "apiservice-openapi-controller",
  "apiservice-openapiv3-controller",
] as const;

/** Opens the store and brings everything up; resolves when the server is ready but for what lies with extension servers. */
export async function openControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const opened = new AsyncDisposableStack();
  try {
    return await assemble(options, opened);
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

/** What must be closed is put on `opened` as it comes into being, so that a start that fails half-way closes it too. */
async function assemble(options: ControlPlaneOptions, opened: AsyncDisposableStack): Promise<ControlPlane> {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const logger = options.logger ?? SILENT;
  const { pki } = options;
  const trouble = (code: string) => (error: unknown, where?: string) =>
    logger.warn(
      { code, ...(where !== undefined && { where }), error: String(error) },
      "something failed in the background",
    );

  // Definitions and listers need each other: a token is made by what reads the objects the definitions describe.
  const later: { identity?: ReturnType<typeof createIdentity> } = {};
  const shared = options.engine.shared === true;
  const addresses = createAddressPool({
    services: () => listers.of<Service>("", "services").list(),
    ...(shared && { random }),
  });
  const builtins = builtinResources({
    addresses,
    allowLoopbackEndpoints: options.allowLoopbackEndpoints ?? false,
    createToken: (context, account, body) => later.identity!.createToken(context, account, body),
  });
  const leases = builtins
    .filter(({ kind }) => kind === "Endpoints")
    .map((endpoints) => ({ ...endpoints, storagePrefix: MASTER_LEASES }));
  const state = await openState(options.engine, {
    clock,
    onTrouble: trouble("store"),
    ...(options.history !== undefined && { history: options.history }),
    // A stock kube-apiserver may have written there, or may do so at this moment.
    ...(shared && { read: storedForms([...builtins, ...leases]) }),
  });
  opened.defer(() => state.close());
  const listers = storeListers(state, builtins, trouble("lister"));
  opened.defer(() => listers.close());
  const trust = options.trust ?? fixedTrust(pki, OWN_FRONT_PROXY, options.aggregatorDefaultCA);
  const identity = createIdentity({
    pki,
    trust,
    listers,
    clock,
    random,
    logger,
    tokens: options.tokens,
    anonymous: options.anonymous ?? true,
    tokenWebhook: options.tokenWebhook,
    authorizers: options.authorizers ?? ["RBAC"],
    issuer: ISSUER,
  });
  later.identity = identity;
  opened.defer(() => identity.rbac.close());

  const routes = new RouteTable();
  const builtIn = new Set<string>();
  const claims = shared
    ? addressClaims({ state, services: listers.of<Service>("", "services"), addresses, clock })
    : undefined;
  opened.defer(() => claims?.close());
  const admission = admissionChain([
    namespaceLifecycle(listers.of("", "namespaces")),
    rbacEscalation(identity.rbac, identity.authorizer),
    definitionsLoaded,
    builtInClaims((group, version) => builtIn.has(`${group}/${version}`), identity.authorizer),
    // Last: what it takes, nobody after it may refuse.
    ...(claims === undefined ? [] : [claims]),
  ]);
  const backends = builtinBackends({
    definitions: builtins,
    state,
    admission,
    identity,
    audiences: [ISSUER],
    clock,
    random,
    serverVersion: versionInfo.gitVersion,
    ...(options.minRequestTimeoutSeconds !== undefined && {
      minRequestTimeoutSeconds: options.minRequestTimeoutSeconds,
    }),
  });
  routes.batch(() => {
    for (const backend of backends) {
      builtIn.add(`${backend.group}/${backend.version}`);
      routes.setBackend(`builtin/${backend.group}/${backend.version}`, backend);
    }
  });

  const hooks = startHooks(HOOKS);
  const metrics = new Metrics(clock);
  const apiServices = listers.of<APIService>(APISERVICES.group, APISERVICES.resource);
  const storeAnswers = async () => {
    await within(clock, STORE_PATIENCE, state.head());
    return state.trouble;
  };
  const checks: HealthCheck[] = [
    { name: "etcd", check: storeAnswers },
    { name: "etcd-readiness", endpoints: ["readyz"], check: storeAnswers },
    // Objects are read from the store's own memory: there is nothing to wait for once it is open.
    { name: "informer-sync", endpoints: ["readyz"], check: () => {} },
    // All but the last two, which upstream adds after the check that follows.
    ...hooks.checks.slice(0, -2),
    {
      name: "autoregister-completion",
      check: () => {
        const missing = registration.missing();
        return missing.length > 0 ? new Error(`missing APIService: [${missing.join(" ")}]`) : undefined;
      },
    },
    ...hooks.checks.slice(-2),
  ];
  const server = createServer({
    routes,
    authenticator: identity.authenticator,
    authorizer: identity.authorizer,
    impersonation: impersonationFilter(identity.authorizer),
    clock,
    random,
    logger,
    tls: trust.serving(),
    anonymous: options.anonymous ?? true,
    healthChecks: checks,
    version: versionInfo,
    metrics,
    discovery: { serverAddress: () => addressText(server.address), observe: discoveryMetrics(metrics) },
    goawayChance: options.goawayChance ?? 0,
    ...(options.requestTimeoutMilliseconds !== undefined && {
      deadlines: { requestTimeout: options.requestTimeoutMilliseconds },
    }),
  });
  const background: Promise<void>[] = [];
  opened.defer(async () => void (await Promise.allSettled(background)));
  let graceMs: number | undefined;
  opened.defer(() => server.close(graceMs === undefined ? {} : { graceMs }));
  for (const [path, handler] of openIDHandlers({
    issuer: ISSUER,
    keys: pki.serviceAccountPublicKeys,
    jwksURI: `${ISSUER}/openid/v1/jwks`,
  })) {
    server.paths.set(path, handler);
  }

  const client = (user: UserInfo = LOOPBACK_USER) =>
    createClient(server.inMemory(user), { clock, random, userAgent: "tenon" });
  const loopback = client();
  // An embedded store has one server; over a shared one, one of several writes what all of them find out.
  const election = leaderElection({
    client: loopback,
    ...AVAILABILITY_LEASE,
    identity: candidate(loopback),
    onLeading: () => {},
    onError: trouble("availability-lease"),
  });
  const ownHeaders = identityHeaders(trust.requestHeader());
  const aggregator = createAggregator({
    mayWrite: () => !shared || election.leading,
    clock,
    random,
    routes,
    apiServices,
    services: listers.of("", "services"),
    endpointSlices: listers.of("discovery.k8s.io", "endpointslices"),
    client: loopback.resource<APIService>(APISERVICES),
    metrics: aggregatorMetrics(metrics),
    routing: options.routing ?? "endpoint",
    loopback: () => ownAddress(server.address),
    allowLoopbackEndpoints: options.allowLoopbackEndpoints ?? false,
    showLastKnown: options.showLastKnownDiscovery ?? false,
    clientCertificate: trust.proxyClient,
    defaultCA: trust.defaultCA,
    ...(ownHeaders !== undefined && { credentials: ownHeaders }),
    rejectRedirects: options.rejectForwardingRedirects ?? true,
    // What is wrong with an extension server stands in its APIService; the log keeps the stages.
    onError: (error, where) =>
      logger.info({ code: "aggregator", where, error: String(error) }, "an extension server did not answer"),
  });
  const registration = autoRegistration({
    clock,
    apiServices,
    client: loopback.resource<APIService>(APISERVICES),
    onError: trouble("autoregistration"),
  });
  for (const { group, version } of backends) {
    if (group === REGISTRATION_GROUP) continue;
    const priority = builtinPriority(group, version);
    if (priority === undefined) throw new Error(`no priority for the built-in group-version ${group}/${version}`);
    registration.onStart({ group, version }, priority);
  }

  const stopping = new AbortController();
  const definitions = await openDefinitions(state, {
    common: { state, admission, authorizer: identity.authorizer, clock, random },
    routes,
    // What is built in was registered with its own priorities.
    registration: {
      always: (gv) => builtIn.has(apiVersionOf(gv)) || registration.always(gv),
      never: (gv) => builtIn.has(apiVersionOf(gv)) || registration.never(gv),
    },
    client: loopback.resource(DEFINITIONS),
    serverVersion: versionInfo.gitVersion,
    onError: trouble("definitions"),
  });
  opened.defer(async () => void (await Promise.all([aggregator.stop(), registration.stop(), definitions.stop()])));
  opened.defer(() => election.stop());
  opened.defer(() => {
    stopping.abort(new Error("the server stops"));
    server.stop();
  });
  const published = () => ({ clientCA: trust.clientCA(), requestHeader: trust.requestHeader() });
  opened.defer(
    trust.onChange(() => {
      logger.info({ code: "trust-changed" }, "keys or authorities were replaced");
      server.setCertificate(trust.serving());
      aggregator.recheck();
      publishTrust(loopback, published(), clock.now()).catch(trouble("trust"));
    }),
  );

  const seeds = bootstrapSeeds(builtins, backends);
  const differing = await plantSeeds(
    state,
    [...seeds.namespaces, ...seeds.services, ...seeds.policy, ...seeds.apiServices],
    clock,
    random,
  );
  // What these wait for was awaited above.
  for (const hook of [
    "start-apiserver-admission-initializer",
    "generic-apiserver-start-informers",
    "start-apiextensions-informers",
    "start-apiextensions-controllers",
    "crd-informer-synced",
    "start-system-namespaces-controller",
    "storage-readiness",
    "aggregator-reload-proxy-client-cert",
  ]) {
    await hooks.run(hook, () => {});
  }
  let trustPublished = true;
  await Promise.all([
    hooks.run("rbac/bootstrap-roles", async () => {
      if (seeds.policy.some((seed) => differing.includes(seed))) await reconcilePolicy(loopback);
    }),
    hooks.run("bootstrap-controller", () => {}),
    hooks.run("start-cluster-authentication-info-controller", async () => {
      // What is there may be unreadable, or another server may be writing it: who starts can be asked to repair it.
      await publishTrust(loopback, published(), clock.now()).catch((error: unknown) => {
        trustPublished = false;
        trouble("trust")(error);
      });
    }),
    hooks.run("kube-apiserver-autoregistration", () => registration.start()),
  ]);
  if (shared) {
    election.start();
    // Whoever starts alone leads before anything is found out; whoever does not need not wait.
    for (let waited = 0; waited < 500 && !election.leading; waited += 20) await clock.sleep(20);
  }
  await aggregator.start();
  for (const hook of [
    "start-kube-aggregator-informers",
    "apiservice-registration-controller",
    "apiservice-status-local-available-controller",
    "apiservice-status-remote-available-controller",
    "apiservice-openapi-controller",
    "apiservice-openapiv3-controller",
  ]) {
    await hooks.run(hook, () => {});
  }
  background.push(
    hooks.run("apiservice-discovery-controller", async () => {
      while (aggregator.untried().length > 0 && !stopping.signal.aborted) {
        await clock.sleep(50, stopping.signal).catch(() => {});
      }
    }),
    keepNamespaces(loopback, clock, stopping.signal, trouble("namespaces")),
    // The first round was just now.
    clock.sleep(trustPublished ? TRUST_INTERVAL : TRUST_RETRY, stopping.signal).then(
      () =>
        keepTrustPublished({ client: loopback, clock, ours: published, onError: trouble("trust") }, stopping.signal),
      () => {},
    ),
  );
  if (claims !== undefined) background.push(keepClaimsSwept(claims));
  routes.complete();

  async function keepClaimsSwept(swept: AddressClaims): Promise<void> {
    while (!stopping.signal.aborted) {
      await clock.sleep(SWEEP_INTERVAL, stopping.signal).catch(() => {});
      if (election.leading && !stopping.signal.aborted) await swept.sweep().catch(trouble("address-claims"));
    }
  }

  let closing: Promise<void> | undefined;
  return {
    server,
    state,
    routes,
    client,
    async listen(at = {}) {
      const address = await server.listen(at);
      const advertised = advertisedAddress(address.host, networkInterfaces());
      const usable = options.allowLoopbackEndpoints || !isLoopback(advertised);
      const onError = trouble("kubernetes-endpoints");
      const own = { address: advertised, port: address.port };
      if (shared && usable) {
        background.push(keepServerAddress({ state, client: loopback, clock, own, onError }, stopping.signal));
      } else await publishAddress(loopback, usable ? own : { ...own, address: undefined }).catch(onError);
      return address;
    },
    close(given = {}) {
      graceMs ??= given.graceMs;
      closing ??= opened.disposeAsync();
      return closing;
    },
  };
}

/** What authentication consumes beside the standard names, in lower case; prefixes end in `*`. Undefined for nothing. */
function identityHeaders(names: ReturnType<TrustSources["requestHeader"]>): ReadonlySet<string> | undefined {
  const { usernameHeaders, uidHeaders, groupHeaders, extraHeaderPrefixes } = names;
  const all = [
    ...usernameHeaders,
    ...uidHeaders,
    ...groupHeaders,
    ...extraHeaderPrefixes.map((prefix) => `${prefix}*`),
  ];
  const own = all.map((name) => name.toLowerCase()).filter((name) => !name.startsWith("x-remote-"));
  return own.length === 0 ? undefined : new Set(own);
}

/** Rejects when `work` takes longer than `milliseconds`; the work goes on. */
async function within<T>(clock: Clock, milliseconds: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = clock.after(milliseconds, () => late.reject(new Error(`no answer within ${milliseconds} ms`)));
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    timer.cancel();
  }
}

/** Where this process reaches itself. */
function ownAddress(listening: ListenAddress | undefined) {
  if (listening === undefined) return undefined;
  const { host, port } = listening;
  return dialAddress(host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host, port);
}

function addressText(address: ListenAddress | undefined): string {
  return address === undefined ? "" : `${address.host}:${address.port}`;
}
