/** What runs once an extension server listens: routes, identity, certificate, registration. Loaded by `listen`, so that a definition alone stays light. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Clock, Random } from "../api/clock.ts";
import type { GroupVersion } from "../api/meta.ts";
import { alwaysAllow, type Delegated, delegatedAuth } from "../auth/delegated/index.ts";
import { createAuthority, issueCertificate } from "../auth/pki/certificate.ts";
import { type Client, createClient } from "../client/client.ts";
import { inClusterConfig, loadKubeconfig } from "../client/kubeconfig.ts";
import { httpsTransport } from "../client/transports/https.ts";
import { openAPIDocument } from "../schema/openapi.ts";
import type { Authorizer } from "../server/authorization.ts";
import type { Authenticator } from "../server/identity.ts";
import type { Logger } from "../server/logger.ts";
import { lazyDocument } from "../server/openapi/lazy-document.ts";
import { RouteTable } from "../server/routes.ts";
import { createServer as createShell, type ListenAddress, type Server } from "../server/server.ts";
import type { ServingCertificate } from "../server/transports/listener.ts";
import { localBackend } from "../server/verbs/local-backend.ts";
import { type Registration, register } from "./registration.ts";
import type { Served } from "./resource.ts";
import type { ExtensionServerOptions, ListenOptions } from "./server.ts";

/** The resources of one group-version, and the store of those that are stored. */
export interface Group extends GroupVersion {
  readonly members: Served[];
  store: Served["store"];
}

export interface Serving {
  readonly shell: Server;
  readonly address: ListenAddress;
  readonly registration: Registration | undefined;
  close(): Promise<void>;
}

type Context = Omit<ExtensionServerOptions, "resources"> & {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
};

/** Resolves when the server listens and is registered. */
export async function serve(groups: readonly Group[], context: Context, at: ListenOptions): Promise<Serving> {
  const { clock, random, logger } = context;
  // What was opened, closed in the reverse order: by whoever closes the server, or here when something on the way fails.
  const opened = new AsyncDisposableStack();
  try {
    let client = at.client;
    if (client === undefined && !at.insecure) {
      const own = await clientOf(at.kubeconfig, clock, random);
      opened.defer(() => own.close());
      client = own;
    }
    const identity = at.insecure ? anybody : await delegated(client!, context);
    opened.defer(() => identity.close());
    const made = at.tls === undefined ? selfSigned(at, { clock, random }) : undefined;
    const shell = createShell({
      routes: await routesOf(groups, context, identity.authorizer),
      authenticator: identity.authenticator,
      authorizer: identity.authorizer,
      clock,
      random,
      logger,
      tls: at.tls ?? made!.serving,
      healthChecks: context.healthChecks ?? [],
      ...(context.metrics !== undefined && { metrics: context.metrics }),
    });
    opened.defer(() => shell.close());
    const address = await shell.listen({ port: at.port ?? 443, host: at.host ?? "127.0.0.1" });
    let registration: Registration | undefined;
    if (at.register !== undefined) {
      if (client === undefined)
        throw new TypeError("register needs a main API server: give kubeconfig or client, and not insecure");
      const trust = at.register.caBundle ?? made?.ca;
      const options = { ...at.register, ...(trust !== undefined && { caBundle: trust }) };
      const registered = await register(client, address.port, groups, options, at.registerReady ?? true);
      opened.defer(() =>
        registered.leave().catch((error: unknown) => {
          logger.warn({ code: "leave", error: String(error) }, "the registration could not be withdrawn");
        }),
      );
      registration = registered;
    }
    return { shell, address, registration, close: () => opened.disposeAsync() };
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}

interface Identity {
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  close(): Promise<void>;
}

const anybody: Identity = {
  authenticator: { authenticate: () => undefined },
  authorizer: alwaysAllow,
  close: async () => {},
};

function delegated(
  client: Client,
  { alwaysAllowPaths, tolerateLookupFailure = false, logger }: Context,
): Promise<Delegated> {
  return delegatedAuth({
    client,
    tolerateLookupFailure,
    ...(alwaysAllowPaths !== undefined && { alwaysAllowPaths }),
    onError: (error) =>
      logger.warn({ code: "delegated-auth", error: String(error) }, "asking the main API server failed"),
  });
}

async function routesOf(
  groups: readonly Group[],
  { clock, random, version = "v0.0.0" }: Context,
  authorizer: Authorizer,
): Promise<RouteTable> {
  const table = new RouteTable();
  for (const group of groups) {
    const state = await group.store?.open();
    table.setBackend(
      `${group.group}/${group.version}`,
      localBackend({
        group: group.group,
        version: group.version,
        resources: group.members.map(({ served }) => served),
        ...(state !== undefined && { state }),
        authorizer,
        clock,
        random,
        openapi: lazyDocument(() => documentOf(group, version)),
      }),
    );
  }
  table.setClaims(
    groups.map(({ group, version: served }) => ({
      name: `${served}.${group}`,
      group,
      version: served,
      groupPriorityMinimum: 1000,
      versionPriority: 15,
      service: undefined,
    })),
  );
  table.complete();
  return table;
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
      subresources: (definition.subresources ?? []).map(({ name, verbs, kind }) => ({
        name,
        verbs,
        ...(kind && { kind }),
      })),
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

function selfSigned(
  at: ListenOptions,
  context: { clock: Clock; random: Random },
): { serving: ServingCertificate; ca: string } {
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
