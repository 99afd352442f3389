/** The version this server reports: the API level it follows, and whose build it is (spec: apiserver 7.5). */
import type { VersionInfo } from "../server/version.ts";

/** The Kubernetes release whose API is served. */
export const KUBERNETES_VERSION = "1.36.3";
export const TENON_VERSION = "0.1.0";

const [MAJOR = "", MINOR = ""] = KUBERNETES_VERSION.split(".");
const ARCHITECTURES: Record<string, string> = { x64: "amd64" };

export const versionInfo: VersionInfo = {
  major: MAJOR,
  minor: MINOR,
  emulationMajor: MAJOR,
  emulationMinor: MINOR,
  minCompatibilityMajor: MAJOR,
  minCompatibilityMinor: String(Number(MINOR) - 1),
  gitVersion: `v${KUBERNETES_VERSION}+tenon.${TENON_VERSION}`,
  gitCommit: "",
  gitTreeState: "clean",
  buildDate: "2026-11-22T00:00:00Z",
  goVersion: `node${process.versions.node}`,
  compiler: "v8",
  platform: `${process.platform}/${ARCHITECTURES[process.arch] ?? process.arch}`,
};
