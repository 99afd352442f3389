/** What a control plane keeps on disk: kubeconfigs, keys, the database, and one pid file for each running part. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { kubeconfig } from "../auth/pki/kubeconfig.ts";
import type { PKI } from "../auth/pki/pki.ts";
import { NODE_GROUP, nodeUser } from "../kubelet/rbac.ts";
import { USER } from "../metrics-server/rbac.ts";
import { nodeNameOf } from "./node-name.ts";

/** The processes of a control plane, in the order they start. */
export const PARTS = ["apiserver", "controllers", "kubelet", "metrics-server"] as const;
export type Part = (typeof PARTS)[number];
/** What leaves a pid file: the parts, and what else runs beside them. */
export type ProcessName = Part | "simulation";

export interface DataDir {
  readonly path: string;
  readonly pki: string;
  readonly database: string;
  /** The administrator's. */
  readonly kubeconfig: string;
  /** A part's own. */
  kubeconfigOf(part: Exclude<Part, "apiserver">): string;
  pidFile(part: ProcessName): string;
}

/** Makes the folder if need be, readable by its owner alone. */
export function openDataDir(path: string): DataDir {
  const root = resolve(path);
  mkdirSync(root, { recursive: true, mode: 0o700 });
  return {
    path: root,
    pki: join(root, "pki"),
    database: join(root, "store.sqlite"),
    kubeconfig: join(root, "kubeconfig"),
    kubeconfigOf: (part) => join(root, `${part}.kubeconfig`),
    pidFile: (part) => join(root, `${part}.pid`),
  };
}

/** Who the parts are to the API server: the names upstream's policy is written for. */
const IDENTITIES: Record<Exclude<Part, "apiserver">, { commonName: string; organizations: string[] }> = {
  controllers: { commonName: "system:tenon-controllers", organizations: ["system:masters"] },
  kubelet: { commonName: nodeUser(nodeNameOf()), organizations: [NODE_GROUP] },
  "metrics-server": {
    commonName: USER,
    organizations: ["system:serviceaccounts", "system:serviceaccounts:kube-system"],
  },
};

/** Writes the kubeconfigs of the administrator and of every part. */
export async function writeKubeconfigs(dir: DataDir, pki: PKI, server: string): Promise<void> {
  const write = (path: string, user: string, pair: { cert: string; keyPEM: string }) => {
    const text = kubeconfig({
      server,
      user,
      certificateAuthority: pki.ca.cert,
      clientCertificate: pair.cert,
      clientKey: pair.keyPEM,
    });
    replaceFile(path, text);
  };
  write(dir.kubeconfig, "admin", pki.admin);
  for (const [part, subject] of Object.entries(IDENTITIES) as [
    Exclude<Part, "apiserver">,
    (typeof IDENTITIES)["kubelet"],
  ][]) {
    write(dir.kubeconfigOf(part), part, await pki.client(`${part}-client`, subject));
  }
}

/** A reader sees the old file or the new one, never half of one. */
function replaceFile(path: string, text: string): void {
  const fresh = `${path}.${process.pid}`;
  writeFileSync(fresh, text, { mode: 0o600 });
  renameSync(fresh, path);
}

/** Says that this process is `part`; answers how to take that back. */
export function writePid(dir: DataDir, part: ProcessName): () => void {
  const path = dir.pidFile(part);
  const own = `${process.pid}\n`;
  replaceFile(path, own);
  return () => {
    // Another process may be this part by now.
    try {
      if (readFileSync(path, "utf8") === own) rmSync(path);
    } catch {
      // Gone already.
    }
  };
}
