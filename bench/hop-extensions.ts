/** The extension servers of `hop`, each registered with a main server: ours, and the official sample in Go with an etcd of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { openTarget, type Target } from "../interop/target.ts";
import { systemClock, systemRandom } from "../src/api/machine.ts";
import { createAuthority, issueCertificate } from "../src/auth/pki/certificate.ts";
import { loadKubeconfig } from "../src/client/kubeconfig.ts";
import { PEERS } from "../tools/peers/build.ts";
import { type Measured, startChild } from "./servers.ts";

export interface HopExtension {
  readonly name: string;
  readonly pid: number;
  /** Where it listens itself. */
  readonly direct: string;
  /** Of one object, of a list of 1 MB, and of a watch without objects before it. */
  readonly paths: { readonly object: string; readonly list: string; readonly watch: string };
  /** Writes the watched object once more, at the extension itself, with the time in it. */
  touch(): Promise<void>;
  stop(): Promise<void>;
}

interface Kind {
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
  readonly spec: object;
  start(files: Files): Promise<{ pid: number; port: number; stop(): Promise<void> }>;
}

interface Files {
  readonly folder: string;
  readonly cert: string;
  readonly key: string;
  readonly kubeconfig: string;
}

const NAMESPACES = { one: "bench-hop-one", list: "bench-hop-list", watch: "bench-hop-watch" } as const;
const LIST_ITEMS = 100;
/** With what every object has anyway, a hundred make 1 MB. */
const PADDING = "x".repeat(9_900);

const OURS: Kind = {
  name: "tenon SDK",
  group: "hop.bench.example.com",
  version: "v1",
  resource: "jokes",
  kind: "Joke",
  spec: { topic: "joints" },
  async start({ kubeconfig, cert, key }) {
    const program = join(import.meta.dirname, "hop-extension.ts");
    const flags = ["--disable-warning=ExperimentalWarning"];
    const command = [process.execPath, ...flags, program, kubeconfig, this.group, cert, key];
    const child = await startChild(command, /^ready/);
    return { pid: child.pid, port: Number(child.line.slice("ready ".length)), stop: child.stop };
  },
};

const SAMPLE = join(PEERS, "bin", "sample-apiserver");
const ETCD = join(PEERS, "bin", "etcd");

const GO: Kind = {
  name: "sample-apiserver (Go)",
  group: "wardle.example.com",
  version: "v1alpha1",
  resource: "flunders",
  kind: "Flunder",
  spec: { reference: "joints" },
  async start({ folder, kubeconfig, cert, key }) {
    const [client, peer, port] = [await freePort(), await freePort(), await freePort()];
    const children: ChildProcess[] = [];
    const run = (program: string, args: readonly string[]) => {
      const log = openSync(join(folder, `${children.length}.log`), "w");
      const child = spawn(program, args, { stdio: ["ignore", log, log], cwd: folder });
      children.push(child);
      return child;
    };
    run(ETCD, [
      `--data-dir=${join(folder, "etcd")}`,
      ...[`--listen-client-urls=http://127.0.0.1:${client}`, `--advertise-client-urls=http://127.0.0.1:${client}`],
      ...[`--listen-peer-urls=http://127.0.0.1:${peer}`, `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`],
      ...[`--initial-cluster=default=http://127.0.0.1:${peer}`, "--log-level=warn"],
    ]);
    const server = run(SAMPLE, [
      ...[`--etcd-servers=http://127.0.0.1:${client}`, "--bind-address=127.0.0.1", `--secure-port=${port}`],
      ...[`--tls-cert-file=${cert}`, `--tls-private-key-file=${key}`],
      ...["--kubeconfig", "--authentication-kubeconfig", "--authorization-kubeconfig"].map(
        (flag) => `${flag}=${kubeconfig}`,
      ),
    ]);
    return {
      pid: server.pid!,
      port,
      async stop() {
        for (const child of children.toReversed()) {
          const gone = new Promise((resolve) => child.once("exit", resolve));
          if (child.kill("SIGTERM")) await Promise.race([gone, wait(5000)]);
          child.kill("SIGKILL");
        }
      },
    };
  },
};

export const hasGoExtension = (): boolean => existsSync(SAMPLE) && existsSync(ETCD);

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** A Service that leads to `port` on this machine, in whichever of two ways the server accepts; answers the APIService's port. */
async function expose(target: Target, service: { namespace: string; name: string }, port: number): Promise<number> {
  const { namespace, name } = service;
  const slice = await target.call("POST", `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, {
    body: {
      metadata: { ...service, labels: { "kubernetes.io/service-name": name } },
      addressType: "IPv4",
      endpoints: [{ addresses: ["127.0.0.1"], conditions: { ready: true } }],
      ports: [{ name: "https", port, protocol: "TCP" }],
    },
  });
  const byEndpoint = slice.status === 201;
  const spec = byEndpoint
    ? { ports: [{ name: "https", port: 443 }] }
    : { type: "ExternalName", externalName: "localhost", ports: [{ name: "https", port }] };
  const made = await target.call("POST", `/api/v1/namespaces/${namespace}/services`, {
    body: { metadata: service, spec },
  });
  if (made.status !== 201) throw new Error(`the Service cannot be made: ${made.text}`);
  return byEndpoint ? 443 : port;
}

async function start(kind: Kind, server: Measured): Promise<HopExtension> {
  const target = openTarget(server.kubeconfig);
  const service = { namespace: "default", name: `bench-hop-${kind.resource}` };
  const apiService = `/apis/apiregistration.k8s.io/v1/apiservices/${kind.version}.${kind.group}`;
  const clean = async () => {
    await target.call("DELETE", apiService);
    await target.call("DELETE", `/api/v1/namespaces/default/services/${service.name}`);
    await target.call("DELETE", `/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/${service.name}`);
  };
  await clean();
  for (const name of Object.values(NAMESPACES))
    await target.call("POST", "/api/v1/namespaces", { body: { metadata: { name } } });

  const folder = mkdtempSync(join(tmpdir(), "hop-bench-"));
  const machine = { clock: systemClock, random: systemRandom };
  const authority = createAuthority({ subject: { commonName: "bench-ca" } }, machine);
  const serving = issueCertificate(
    authority,
    {
      subject: { commonName: "bench" },
      usages: ["serverAuth"],
      dnsNames: [`${service.name}.default.svc`, "localhost"],
      ipAddresses: ["127.0.0.1"],
    },
    machine,
  );
  const files = {
    folder,
    cert: join(folder, "tls.crt"),
    key: join(folder, "tls.key"),
    kubeconfig: server.kubeconfig,
  };
  writeFileSync(files.cert, serving.cert);
  writeFileSync(files.key, serving.keyPEM, { mode: 0o600 });
  const process = await kind.start(files);
  const stop = async () => {
    await clean().catch(() => {});
    await process.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const servicePort = await expose(target, service, process.port);
    await target.call("POST", "/apis/apiregistration.k8s.io/v1/apiservices", {
      body: {
        metadata: { name: `${kind.version}.${kind.group}` },
        spec: {
          ...{ group: kind.group, version: kind.version, groupPriorityMinimum: 1000, versionPriority: 15 },
          caBundle: Buffer.from(authority.cert).toString("base64"),
          service: { ...service, port: servicePort },
        },
      },
    });
    const direct = `https://127.0.0.1:${process.port}`;
    const send = await sender(server.kubeconfig, direct);
    const root = `/apis/${kind.group}/${kind.version}/namespaces`;
    const at = (namespace: string) => `${root}/${namespace}/${kind.resource}`;
    const object = (name: string, annotations: Record<string, string>) => ({
      apiVersion: `${kind.group}/${kind.version}`,
      kind: kind.kind,
      metadata: { name, annotations },
      spec: kind.spec,
    });
    const create = async (namespace: string, name: string, annotations: Record<string, string> = {}) => {
      for (let attempt = 0; ; attempt++) {
        const { status, text } = await send("POST", at(namespace), object(name, annotations)).catch((error: Error) => ({
          status: 0,
          text: error.message,
        }));
        if (status === 201) return;
        if (attempt === 300) throw new Error(`${kind.name} cannot be filled: ${status} ${text}`);
        await wait(100);
      }
    };
    await create(NAMESPACES.one, "one");
    await create(NAMESPACES.watch, "one");
    for (let index = 0; index < LIST_ITEMS; index++)
      await create(NAMESPACES.list, `item-${index}`, { padding: PADDING });
    const paths = {
      object: `${at(NAMESPACES.one)}/one`,
      list: `${at(NAMESPACES.list)}?resourceVersion=0`,
      watch: `${at(NAMESPACES.watch)}?watch=1`,
    };
    for (let attempt = 0; ; attempt++) {
      const answer = await target.call("GET", paths.object);
      if (answer.status === 200) break;
      if (attempt === 300) throw new Error(`${server.name} does not pass requests on: ${answer.status} ${answer.text}`);
      await wait(100);
    }
    return {
      name: kind.name,
      pid: process.pid,
      direct,
      paths,
      async touch() {
        const body = { metadata: { annotations: { sent: String(performance.timeOrigin + performance.now()) } } };
        const { status, text } = await send("PATCH", `${at(NAMESPACES.watch)}/one`, body);
        if (status !== 200) throw new Error(`the watched object cannot be written: ${status} ${text}`);
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Requests to one address with the kubeconfig's credentials, whatever its certificate says. */
async function sender(kubeconfig: string, url: string) {
  const { certificate, key } = await loadKubeconfig(kubeconfig);
  const { hostname, port } = new URL(url);
  return (method: string, path: string, body: object) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
      const options = { hostname, port, method, path, cert: certificate, key, rejectUnauthorized: false };
      request({ ...options, headers: { "content-type": type } }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
      })
        .on("error", reject)
        .end(JSON.stringify(body));
    });
}

/** Ours, and the one in Go where it is built. */
export async function startExtensions(server: Measured, kinds: { readonly go: boolean }): Promise<HopExtension[]> {
  const started: HopExtension[] = [];
  try {
    for (const kind of kinds.go ? [OURS, GO] : [OURS]) started.push(await start(kind, server));
    return started;
  } catch (error) {
    for (const one of started) await one.stop();
    throw error;
  }
}
