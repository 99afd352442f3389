/** A whole API server inside the test process: nothing to download, nothing to wait for, nothing left behind. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock, Random } from "../api/clock.ts";
import { systemClock, systemRandom } from "../api/machine.ts";
import { kubeconfig } from "../auth/pki/kubeconfig.ts";
import { memoryPKI, type PKI } from "../auth/pki/pki.ts";
import type { Client } from "../client/client.ts";
import { type ControlPlane, openControlPlane } from "../controlplane/control-plane.ts";
import { runControllers } from "../controlplane/controllers.ts";
import type { TrustSources } from "../controlplane/trust-sources.ts";
import type { UserInfo } from "../server/identity.ts";
import type { Logger } from "../server/logger.ts";
import type { Engine } from "../store/engine.ts";
import { memoryEngine } from "../store/engines/memory.ts";
import { sqliteEngine } from "../store/engines/sqlite.ts";

export interface TestControlPlaneOptions {
  readonly clock?: Clock;
  readonly random?: Random;
  /** Default "memory". */
  readonly store?: "memory" | "sqlite";
  /** Another engine, instead of `store`: etcd, or one that several servers share. */
  readonly engine?: Engine;
  /** Serve on TLS too, and write a kubeconfig for `kubectl`. Default true; without it only `client` reaches the server. */
  readonly listen?: boolean;
  /** Run the controllers (namespaces, service accounts). Default true. */
  readonly controllers?: boolean;
  /** Also those that move workloads: Deployments make ReplicaSets, these make pods, what lost its owner goes. Default false. */
  readonly workloads?: boolean;
  /** Keys and certificates of another control plane; making them takes most of a start. */
  readonly pki?: PKI;
  /** Keys and authorities that change while the server runs, instead of what `pki` holds. */
  readonly trust?: TrustSources;
  readonly logger?: Logger;
  readonly requestTimeoutMilliseconds?: number;
  /** As for `tenon up`: reach Services by their endpoints (default), or by their cluster address and external name. */
  readonly routing?: "endpoint" | "cluster-ip";
}

export interface TestControlPlane {
  /** `https://127.0.0.1:<port>`; "" without `listen`. */
  readonly url: string;
  /** The path of an admin kubeconfig; "" without `listen`. */
  readonly kubeconfig: string;
  readonly pki: PKI;
  /** In memory, and without credentials; default a member of `system:masters`. */
  client(user?: UserInfo): Client;
  readonly controlPlane: ControlPlane;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Resolves when the server is ready. */
export async function startControlPlane(options: TestControlPlaneOptions = {}): Promise<TestControlPlane> {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const pki = options.pki ?? (await memoryPKI({ clock, random }));
  let folder: string | undefined;
  const inFolder = (name: string) => {
    folder ??= mkdtempSync(join(tmpdir(), "tenon-"));
    return join(folder, name);
  };
  const engine =
    options.engine ??
    (options.store === "sqlite" ? sqliteEngine({ path: inFolder("store.sqlite"), clock }) : memoryEngine({ clock }));
  const controlPlane = await openControlPlane({
    engine,
    pki,
    clock,
    random,
    allowLoopbackEndpoints: true,
    aggregatorDefaultCA: pki.ca.cert,
    ...(options.trust !== undefined && { trust: options.trust }),
    ...(options.logger !== undefined && { logger: options.logger }),
    ...(options.routing !== undefined && { routing: options.routing }),
    ...(options.requestTimeoutMilliseconds !== undefined && {
      requestTimeoutMilliseconds: options.requestTimeoutMilliseconds,
    }),
  });
  let url = "";
  let path = "";
  if (options.listen !== false) {
    const { host, port } = await controlPlane.listen({ port: 0 });
    url = `https://${host}:${port}`;
    path = inFolder("kubeconfig");
    const text = kubeconfig({
      server: url,
      certificateAuthority: pki.ca.cert,
      clientCertificate: pki.admin.cert,
      clientKey: pki.admin.keyPEM,
    });
    writeFileSync(path, text, { mode: 0o600 });
  }
  const stopping = new AbortController();
  const controllers =
    options.controllers === false
      ? Promise.resolve()
      : runControllers({
          client: controlPlane.client(),
          rootCA: pki.ca.cert,
          signal: stopping.signal,
          log: options.logger,
          ...(options.workloads !== undefined && { workloads: options.workloads }),
        });
  let closing: Promise<void> | undefined;
  async function close(): Promise<void> {
    stopping.abort(new Error("the control plane stops"));
    await controllers;
    await controlPlane.close({ graceMs: 1000 });
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
  const stop = () => {
    closing ??= close();
    return closing;
  };
  return {
    url,
    kubeconfig: path,
    pki,
    controlPlane,
    client: (user) => controlPlane.client(user),
    close: stop,
    [Symbol.asyncDispose]: stop,
  };
}
