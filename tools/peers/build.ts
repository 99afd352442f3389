/**
 * Builds the real Kubernetes programs Tenon is compared with, of one pinned version, into `.peers/bin`. Needs Go; takes minutes.
 *
 *     node tools/peers/build.ts [kube-apiserver etcd kube-controller-manager kubectl metrics-server]
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const KUBERNETES = "1.36.3";
const METRICS_SERVER = "0.9.0";
export const PEERS = fileURLToPath(new URL("../../.peers/", import.meta.url));

const PACKAGES: Record<string, string> = {
  "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
  "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
  kubectl: "k8s.io/kubernetes/cmd/kubectl",
  etcd: "go.etcd.io/etcd/server/v3",
};

function go(folder: string, ...args: string[]): string {
  const env = { ...process.env, CGO_ENABLED: "0", GOFLAGS: "-mod=mod" };
  return execFileSync("go", args, { cwd: folder, env, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

/** A module that requires k8s.io/kubernetes, with its staging modules replaced by their published versions. */
function prepareModule(): string {
  const folder = join(PEERS, "build");
  if (existsSync(join(folder, "go.sum"))) return folder;
  mkdirSync(folder, { recursive: true });
  const downloaded = JSON.parse(go(PEERS, "mod", "download", "-json", `k8s.io/kubernetes@v${KUBERNETES}`)) as {
    GoMod: string;
  };
  const staged = [...readFileSync(downloaded.GoMod, "utf8").matchAll(/^\s+(k8s\.io\/[a-z-]+) => \.\/staging/gm)].map(
    (match) => match[1],
  );
  const published = `v0.${KUBERNETES.split(".").slice(1).join(".")}`;
  writeFileSync(
    join(folder, "go.mod"),
    [
      "module peers",
      "",
      "go 1.26.0",
      "",
      `require k8s.io/kubernetes v${KUBERNETES}`,
      "",
      "replace (",
      ...staged.map((name) => `\t${name} => ${name} ${published}`),
      ")",
      "",
    ].join("\n"),
  );
  const imports = [
    ...Object.values(PACKAGES).filter((path) => !path.includes("etcd")),
    "go.etcd.io/etcd/server/v3/etcdmain",
  ];
  writeFileSync(
    join(folder, "tools.go"),
    ["//go:build tools", "", "package peers", "", "import (", ...imports.map((path) => `\t_ "${path}"`), ")", ""].join(
      "\n",
    ),
  );
  go(folder, "mod", "tidy");
  return folder;
}

function build(name: string): void {
  const output = join(PEERS, "bin", name);
  if (existsSync(output)) return;
  if (name === "metrics-server") {
    const folder = join(PEERS, "build-metrics-server");
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      join(folder, "go.mod"),
      `module peers\n\ngo 1.26.0\n\nrequire sigs.k8s.io/metrics-server v${METRICS_SERVER}\n`,
    );
    writeFileSync(
      join(folder, "tools.go"),
      '//go:build tools\n\npackage peers\n\nimport _ "sigs.k8s.io/metrics-server/cmd/metrics-server"\n',
    );
    go(folder, "mod", "tidy");
    go(
      folder,
      "build",
      "-trimpath",
      "-ldflags",
      "-s -w",
      "-o",
      output,
      "sigs.k8s.io/metrics-server/cmd/metrics-server",
    );
    return;
  }
  const path = PACKAGES[name];
  if (path === undefined)
    throw new Error(`"${name}" is no peer; peers: ${[...Object.keys(PACKAGES), "metrics-server"].join(", ")}`);
  const [major, minor] = KUBERNETES.split(".");
  const version = "k8s.io/component-base/version";
  const flags = `-s -w -X ${version}.gitVersion=v${KUBERNETES} -X ${version}.gitMajor=${major} -X ${version}.gitMinor=${minor}`;
  go(prepareModule(), "build", "-trimpath", "-ldflags", flags, "-o", output, path);
}

if (import.meta.main) {
  mkdirSync(join(PEERS, "bin"), { recursive: true });
  for (const name of process.argv.length > 2 ? process.argv.slice(2) : ["kube-apiserver", "etcd"]) {
    build(name);
    console.log(join(PEERS, "bin", name));
  }
}
