/** An extension API server: discovery, OpenAPI, tables, selectors, watches, delegated identity and health around an author's resources. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Clock, Random } from "../api/clock.ts";
import { systemClock, systemRandom } from "../api/machine.ts";
import type { GroupVersion } from "../api/meta.ts";
import { alwaysAllow, type Delegated, delegatedAuth } from "../auth/delegated/index.ts";
import { type Client, createClient } from "../client/client.ts";
import { inClusterConfig, loadKubeconfig } from "../client/kubeconfig.ts";
import { httpsTransport } from "../client/transports/https.ts";
import { openAPIDocument } from "../schema/openapi.ts";
import type { Authorizer } from "../server/authorization.ts";
import type { HealthCheck } from "../server/health.ts";
import type { Authenticator } from "../server/identity.ts";
import { type Logger, SILENT } from "../server/logger.ts";
import type { Metrics } from "../server/metrics.ts";
import { lazyDocument } from "../server/openapi/lazy-document.ts";
import { RouteTable } from "../server/routes.ts";
import { createServer as createShell, type ListenAddress, type Server } from "../server/server.ts";
import type { ServingCertificate } from "../server/transports/listener.ts";
import { localBackend } from "../server/verbs/local-backend.ts";
import type { State } from "../store/state.ts";
import { type Registration, type RegistrationOptions, register } from "./registration.ts";
import type { Served } from "./resource.ts";

export interface ExtensionServerOptions {
  readonly resources: readonly Served[];
  /** Checks of `/readyz` and `/livez` beside the standard ones. */
  readonly healthChecks?: readonly HealthCheck[];
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Shown in OpenAPI documents; default v0.0.0. */
  readonly version?: string;
  /** Paths anybody may read; default the health checks. */
  readonly alwaysAllowPaths?: readonly string[];
  /** Series of one's own. */
  readonly metrics?: Metrics;
}

export interface ListenOptions {
  /** Default 443; 0 takes any free port. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** The main API server to trust and to ask about callers: a kubeconfig file, or a client. Default: `KUBECONFIG`, the service account of a pod, `.tenon/kubeconfig`, in this order. */
  readonly kubeconfig?: string;
  readonly client?: Client;
  /** The serving certificate; default: made at start, for the Service of `register` and for localhost. */
  readonly tls?: ServingCertificate;
  /** Tell the main API server that this server is here. */
  readonly register?: RegistrationOptions;
  /** Whether the registered address is ready at once; default true. Otherwise call `registration.setReady`. */
  readonly registerReady?: boolean;
  /** Serve anybody, for tests on loopback: no main API server is asked. */
  readonly insecure?: boolean;
}

export interface ExtensionServer {
  listen(options?: ListenOptions): Promise<ListenAddress>;
  /** After `listen` with `register`. */
  readonly registration: Registration | undefined;
  /** After `listen`. */
  readonly shell: Server | undefined;
  /** Withdraws the registration, ends watches, finishes requests (10 s at most) and closes stores. */
  close(): Promise<void>;
}

/** Throws a TypeError when two resources claim the same name, or resources of one version have different stores. */
export function createServer(options: ExtensionServerOptions): ExtensionServer {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const logger = options.logger ?? SILENT;
  const groups = byVersion(options.resources);
  let shell: Server | undefined;
  let registration: Registration | undefined;
  let delegated: Delegated | undefined;
  let ownClient: Client | undefined;

  async function routes(): Promise<RouteTable> {
    const table = new RouteTable();
    for (const group of groups) {
      const state: State | undefined = await group.store?.open();
      const resources = group.members.map(({ served }) => served);
      table.setBackend(
        `${group.group}/${group.version}`,
        localBackend({
          group: group.group,
          version: group.version,
          resources,
          ...(state !== undefined && { state }),
          clock,
          random,
          openapi: lazyDocument(() => documentOf(group, options.version ?? "v0.0.0")),
        }),
      );
    }
    table.setClaims(
      groups.map(({ group, version }) => ({
        name: `${version}.${group}`,
        group,
        version,
        groupPriorityMinimum: 1000,
        versionPriority: 15,
        service: undefined,
      })),
    );
    table.complete();
    return table;
  }

  return {
    get registration() {
      return registration;
    },
    get shell() {
      return shell;
    },
    async listen(at = {}) {
      if (shell !== undefined) throw new Error("the server listens already");
      let identity: { authenticator: Authenticator; authorizer: Authorizer };
      let client = at.client;
      if (at.insecure) identity = { authenticator: { authenticate: () => undefined }, authorizer: alwaysAllow };
      else {
        client ??= ownClient = await clientOf(at.kubeconfig, clock, random);
        delegated = await delegatedAuth({
          client,
          ...(options.alwaysAllowPaths !== undefined && { alwaysAllowPaths: options.alwaysAllowPaths }),
          onError: (error) =>
            logger.warn({ code: "delegated-auth", error: String(error) }, "asking the main API server failed"),
        });
        identity = delegated;
      }
      const made = at.tls === undefined ? await selfSigned(at, { clock, random }) : undefined;
      shell = createShell({
        routes: await routes(),
        ...identity,
        clock,
        random,
        logger,
        tls: at.tls ?? made!.serving,
        healthChecks: options.healthChecks ?? [],
        ...(options.metrics !== undefined && { metrics: options.metrics }),
      });
      const address = await shell.listen({ port: at.port ?? 443, host: at.host ?? "127.0.0.1" });
      if (at.register !== undefined) {
        if (client === undefined)
          throw new TypeError("register needs a main API server: give kubeconfig or client, and not insecure");
        const trust = at.register.caBundle ?? made?.ca;
        registration = await register(
          client,
          address.port,
          groups,
          { ...at.register, ...(trust !== undefined && { caBundle: trust }) },
          at.registerReady ?? true,
        );
      }
      return address;
    },
    async close() {
      await registration?.leave().catch((error: unknown) => {
        logger.warn({ code: "leave", error: String(error) }, "the registration could not be withdrawn");
      });
      await shell?.close();
      await delegated?.close();
      await ownClient?.close();
      for (const group of groups) await group.store?.close();
    },
  };
}

interface Group extends GroupVersion {
  readonly members: Served[];
  store: Served["store"];
}

function byVersion(resources: readonly Served[]): Group[] {
  const groups = new Map<string, Group>();
  for (const served of resources) {
    const { group, version, plural } = served.served.definition;
    const key = `${group}/${version}`;
    let found = groups.get(key);
    if (found === undefined) {
      found = { group, version, members: [], store: undefined };
      groups.set(key, found);
    }
    if (found.members.some((other) => other.served.definition.plural === plural)) {
      throw new TypeError(`resources: ${plural}.${group}/${version} is there twice`);
    }
    if (found.store !== undefined && served.store !== undefined && found.store !== served.store) {
      throw new TypeError(`resources: stored resources of ${key} must share one store`);
    }
    found.store ??= served.store;
    found.members.push(served);
  }
  return [...groups.values()];
}

function documentOf(group: Group, serverVersion: string): object {
  return openAPIDocument({
    group: group.group,
    version: group.version,
    serverVersion,
    resources: group.members.map(({ served: { definition } }) => ({
      plural: definition.plural,
      kind: definition.kind,
      namespaced: definition.namespaced,
      verbs: definition.verbs,
      schemaName: definition.schemaName ?? definition.kind,
      subresources: (definition.subresources ?? []).map(({ name, verbs }) => ({ name, verbs })),
    })),
    schemas: Object.assign({}, ...group.members.map(({ schemas }) => schemas)),
  });
}

const POD_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token";

async function clientOf(given: string | undefined, clock: Clock, random: Random): Promise<Client> {
  const named = given ?? process.env["KUBECONFIG"];
  const own = join(".tenon", "kubeconfig");
  const config =
    named !== undefined
      ? await loadKubeconfig(named)
      : existsSync(POD_TOKEN)
        ? await inClusterConfig(process.env)
        : existsSync(own)
          ? await loadKubeconfig(own)
          : undefined;
  if (config === undefined) {
    throw new Error(
      "no main API server: give `kubeconfig`, set KUBECONFIG, run in a pod, or start `tenon up` here first (it writes .tenon/kubeconfig)",
    );
  }
  return createClient(httpsTransport(config), { clock, random, userAgent: "tenon-extension" });
}

async function selfSigned(
  at: ListenOptions,
  context: { clock: Clock; random: Random },
): Promise<{ serving: ServingCertificate; ca: string }> {
  const { createAuthority, issueCertificate } = await import("../auth/pki/certificate.ts");
  const authority = createAuthority({ subject: { commonName: "tenon-extension-ca" } }, context);
  const namespace = at.register?.namespace ?? "default";
  const service = at.register?.service;
  const names = service === undefined ? [] : [`${service}.${namespace}.svc`, `${service}.${namespace}`, service];
  const pair = issueCertificate(
    authority,
    {
      subject: { commonName: names[0] ?? "localhost" },
      usages: ["serverAuth"],
      dnsNames: [...names, "localhost"],
      ipAddresses: ["127.0.0.1", "::1"],
    },
    context,
  );
  return { serving: { cert: pair.cert, key: pair.keyPEM }, ca: authority.cert };
}
