/** helm as it comes: it applies from the server, keeps its releases as Secrets and goes back when told. */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findClient } from "../../tools/clients/find.ts";
import { story } from "../story.ts";

const { target, namespace } = story();

const TEMPLATES = `apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}-settings"}
data:
  colour: {{ .Values.colour | quote }}
  {{- if .Values.more }}
  more: "yes"
  {{- end }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}"}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
        - {name: web, image: "example.com/web:{{ .Values.colour }}", ports: [{containerPort: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: "{{ .Release.Name }}"}
spec: {selector: {app: shop}, ports: [{port: 80}]}
`;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tenon-chart-"));
  mkdirSync(join(folder, "templates"));
  writeFileSync(join(folder, "Chart.yaml"), "apiVersion: v2\nname: shop\nversion: 0.1.0\n");
  writeFileSync(join(folder, "values.yaml"), "replicas: 1\ncolour: red\nmore: true\n");
  writeFileSync(join(folder, "templates", "all.yaml"), TEMPLATES);
});
afterAll(() => rmSync(folder, { recursive: true }));

function helm(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = { ...process.env, HELM_CACHE_HOME: folder, HELM_CONFIG_HOME: folder, HELM_DATA_HOME: folder };
  const all = ["--kubeconfig", target.kubeconfig, "--namespace", namespace, ...args];
  return new Promise((resolve) => {
    execFile(findClient("helm"), all, { env, timeout: 120_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : 1, stdout, stderr });
    });
  });
}

const settings = async () =>
  (await target.call("GET", `/api/v1/namespaces/${namespace}/configmaps/demo-settings`)).json.data;
const deployment = async () =>
  (await target.call("GET", `/apis/apps/v1/namespaces/${namespace}/deployments/demo`)).json;

describe("helm", () => {
  it("installs a chart, as an applier", async () => {
    const { code, stderr } = await helm("install", "demo", folder);
    expect([code, stderr]).toEqual([0, ""]);
    expect(await settings()).toEqual({ colour: "red", more: "yes" });
    const { metadata, spec } = await deployment();
    expect(spec.replicas).toBe(1);
    expect(metadata.managedFields).toContainEqual(
      expect.objectContaining({ manager: "helm", operation: "Apply", apiVersion: "apps/v1" }),
    );
  });

  it("upgrades it, and takes away what the chart says no longer", async () => {
    const { code, stderr } = await helm("upgrade", "demo", folder, "--set", "colour=blue,replicas=3,more=false");
    expect([code, stderr]).toEqual([0, ""]);
    expect(await settings()).toEqual({ colour: "blue" });
    const { spec } = await deployment();
    expect([spec.replicas, spec.template.spec.containers[0].image]).toEqual([3, "example.com/web:blue"]);
  });

  it("goes back, and says what it did", async () => {
    expect((await helm("rollback", "demo", "1")).code).toBe(0);
    expect(await settings()).toEqual({ colour: "red", more: "yes" });
    const history = await helm("history", "demo", "--output", "json");
    expect(JSON.parse(history.stdout).map((entry: { description: string }) => entry.description)).toEqual([
      "Install complete",
      "Upgrade complete",
      "Rollback to 1",
    ]);
  });

  it("removes all of it", async () => {
    expect((await helm("uninstall", "demo")).code).toBe(0);
    expect((await deployment()).code).toBe(404);
    const services = await target.call("GET", `/api/v1/namespaces/${namespace}/services/demo`);
    expect(services.status).toBe(404);
  });
});
