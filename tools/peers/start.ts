/**
 * Starts a real etcd, kube-apiserver and (when built) kube-controller-manager on loopback, with aggregation set up as kubeadm does, and prints the path of an admin kubeconfig.
 *
 *     node tools/peers/start.ts [--port 16443] [--data-dir .peers/run] [--workloads]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { createServer } from "node:net";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock, systemRandom } from "../../src/api/machine.ts";
import { kubeconfig } from "../../src/auth/pki/kubeconfig.ts";
import { openPKI, type PKI } from "../../src/auth/pki/pki.ts";
import { PEERS } from "./build.ts";

/** The loops an API needs to be whole; those that move workloads stay off, so that stories see what they wrote. */
const CONTROLLERS = ["namespace-controller", "serviceaccount-controller", "root-ca-certificate-publisher-controller"];

/** Those that move workloads, for programs that ask for them. */
const WORKLOADS = [
  "deployment-controller",
  "replicaset-controller",
  "garbage-collector-controller",
  "endpoints-controller",
  "endpointslice-controller",
];

/** A busy machine takes its time, milliseconds. */
const READY = 120_000;

export interface Peer {
  readonly kubeconfig: string;
  readonly url: string;
  /** `etcd` is 0 when it was there before. */
  readonly processes: { readonly etcd: number; readonly kubeAPIServer: number };
  stop(): Promise<void>;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** `port` 0 takes a free one. The folder is emptied first. */
export async function startPeer(options: {
  readonly port?: number;
  readonly folder: string;
  /** Also run the controllers that move workloads. */
  readonly workloads?: boolean;
  /** Added to those of kube-apiserver; a function may need what the server is yet to be started with. */
  readonly flags?: readonly string[] | ((server: { readonly url: string; readonly pki: PKI }) => readonly string[]);
  /** The URL of an etcd that runs already, and stays when the peer stops. */
  readonly etcd?: string;
  /** Keys and certificates to use; default: made in the folder. */
  readonly pki?: string;
  /** What kube-controller-manager runs beside the loops an API needs, and its flags for that. */
  readonly controllers?: { readonly names: readonly string[]; readonly flags: readonly string[] };
}): Promise<Peer> {
  const { folder } = options;
  for (const program of ["etcd", "kube-apiserver"]) {
    if (!existsSync(join(PEERS, "bin", program)))
      throw new Error(`${program} is not built: run node tools/peers/build.ts`);
  }
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const pkiFolder = options.pki ?? join(folder, "pki");
  const pki = await openPKI(pkiFolder, { clock: systemClock, random: systemRandom });
  const port = options.port || (await freePort());
  const [etcdPort, peerPort] = [await freePort(), await freePort()];
  const etcdURL = options.etcd ?? `http://127.0.0.1:${etcdPort}`;
  const url = `https://127.0.0.1:${port}`;
  const flags = typeof options.flags === "function" ? options.flags({ url, pki }) : (options.flags ?? []);
  const children: ChildProcess[] = [];
  const run = (program: string, args: readonly string[]) => {
    const log = openSync(join(folder, `${program}.log`), "w");
    const child = spawn(join(PEERS, "bin", program), args, { stdio: ["ignore", log, log] });
    children.push(child);
    return child;
  };
  const stop = async () => {
    for (const child of children.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      const forced = setTimeout(() => child.kill("SIGKILL"), 5000);
      await gone;
      clearTimeout(forced);
    }
  };

  const startEtcd = () =>
    run("etcd", [
      `--data-dir=${join(folder, "etcd")}`,
      `--listen-client-urls=${etcdURL}`,
      `--advertise-client-urls=${etcdURL}`,
      `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
      `--initial-advertise-peer-urls=http://127.0.0.1:${peerPort}`,
      `--initial-cluster=default=http://127.0.0.1:${peerPort}`,
      "--log-level=warn",
    ]);
  const etcd = options.etcd === undefined ? startEtcd() : undefined;
  const file = (name: string) => join(pkiFolder, name);
  const apiServer = run("kube-apiserver", [
    `--etcd-servers=${etcdURL}`,
    "--bind-address=127.0.0.1",
    "--advertise-address=127.0.0.1",
    "--endpoint-reconciler-type=none",
    `--secure-port=${port}`,
    `--tls-cert-file=${file("apiserver.crt")}`,
    `--tls-private-key-file=${file("apiserver.key")}`,
    `--client-ca-file=${file("ca.crt")}`,
    `--requestheader-client-ca-file=${file("front-proxy-ca.crt")}`,
    "--requestheader-allowed-names=front-proxy-client",
    "--requestheader-username-headers=X-Remote-User",
    "--requestheader-group-headers=X-Remote-Group",
    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    `--proxy-client-cert-file=${file("front-proxy-client.crt")}`,
    `--proxy-client-key-file=${file("front-proxy-client.key")}`,
    "--enable-aggregator-routing=false",
    // A list: a second one would be added to it.
    ...(flags.some((flag) => flag.startsWith("--authorization-")) ? [] : ["--authorization-mode=RBAC"]),
    "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
    `--service-account-key-file=${file("sa.pub")}`,
    `--service-account-signing-key-file=${file("sa.key")}`,
    "--service-cluster-ip-range=10.96.0.0/12",
    "--disable-admission-plugins=ServiceAccount",
    ...flags,
  ]);
  try {
    await until(
      `${url}/readyz`,
      pki.ca.cert,
      READY,
      () => apiServer.exitCode === null && (etcd?.exitCode ?? null) === null,
    );
  } catch (error) {
    await stop();
    throw new Error(`the real server did not become ready; see ${folder}/*.log`, { cause: error });
  }
  const path = join(folder, "kubeconfig");
  writeFileSync(
    path,
    kubeconfig({
      name: "peer",
      server: url,
      certificateAuthority: pki.ca.cert,
      clientCertificate: pki.admin.cert,
      clientKey: pki.admin.keyPEM,
    }),
    { mode: 0o600 },
  );
  if (existsSync(join(PEERS, "bin", "kube-controller-manager"))) {
    run("kube-controller-manager", [
      `--kubeconfig=${path}`,
      `--controllers=${[...CONTROLLERS, ...(options.workloads ? WORKLOADS : []), ...(options.controllers?.names ?? [])].join(",")}`,
      ...(options.controllers?.flags ?? []),
      `--root-ca-file=${file("ca.crt")}`,
      `--service-account-private-key-file=${file("sa.key")}`,
      "--leader-elect=false",
      "--bind-address=127.0.0.1",
      `--secure-port=${await freePort()}`,
    ]);
  }
  return { kubeconfig: path, url, processes: { etcd: etcd?.pid ?? 0, kubeAPIServer: apiServer.pid! }, stop };
}

async function until(url: string, ca: string, milliseconds: number, alive: () => boolean): Promise<void> {
  const deadline = Date.now() + milliseconds;
  for (;;) {
    const status = await new Promise<number>((resolve) => {
      get(url, { ca }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      }).once("error", () => resolve(0));
    });
    if (status === 200) return;
    if (!alive() || Date.now() > deadline) throw new Error(`${url} answered ${status}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: "16443" },
      "data-dir": { type: "string", default: join(PEERS, "run") },
      workloads: { type: "boolean", default: false },
    },
  });
  const { port, "data-dir": folder, workloads } = values;
  const peer = await startPeer({ port: Number(port), folder, workloads });
  console.log(`ready: ${peer.url}\nkubectl --kubeconfig ${peer.kubeconfig} get --raw /version`);
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => peer.stop().then(() => process.exit(0)));
}
