import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import {
  AppsV1Api,
  CoordinationV1Api,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  KubernetesObjectApi,
  makeInformer,
  type V1ConfigMap,
  VersionApi,
  Watch,
} from "@kubernetes/client-node";
import { describe, expect, it } from "vitest";
import { buildClientGo } from "../clients/client-go.ts";
import { eventually, story } from "../story.ts";

const { target, namespace } = story();

describe("@kubernetes/client-node, unmodified", () => {
  const config = new KubeConfig();
  config.loadFromFile(target.kubeconfig);
  const core = config.makeApiClient(CoreV1Api);

  it("creates, reads, replaces, patches and deletes", async () => {
    const body = { metadata: { name: "node", labels: { from: "node" } }, data: { a: "1" } };
    const made = await core.createNamespacedConfigMap({ namespace, body });
    expect(made).toMatchObject({ data: { a: "1" }, metadata: { name: "node", namespace } });
    expect(made.metadata?.creationTimestamp).toBeInstanceOf(Date);
    made.data = { a: "2" };
    const replaced = await core.replaceNamespacedConfigMap({ name: "node", namespace, body: made });
    expect(replaced.data).toEqual({ a: "2" });
    const patched = await core.patchNamespacedConfigMap({
      name: "node",
      namespace,
      body: [{ op: "add", path: "/data/b", value: "3" }],
    });
    expect(patched.data).toEqual({ a: "2", b: "3" });
    const listed = await core.listNamespacedConfigMap({ namespace, labelSelector: "from=node" });
    expect(listed.items.map((one) => one.metadata?.name)).toEqual(["node"]);
    const deleted = await core.deleteNamespacedConfigMap({ name: "node", namespace });
    expect(deleted).toMatchObject({ status: "Success" });
    await expect(core.readNamespacedConfigMap({ name: "node", namespace })).rejects.toMatchObject({ code: 404 });
  });

  it("is told of changes by its informer", async () => {
    const told: string[] = [];
    const informer = makeInformer<V1ConfigMap>(
      config,
      `/api/v1/namespaces/${namespace}/configmaps`,
      () => core.listNamespacedConfigMap({ namespace, labelSelector: "informed=yes" }),
      "informed=yes",
    );
    for (const event of ["add", "update", "delete"] as const) {
      informer.on(event, (object) => {
        told.push(`${event} ${object.metadata?.name} ${object.data?.["a"]}`);
      });
    }
    const failures: unknown[] = [];
    informer.on("error", (error) => failures.push(error));
    const labels = { informed: "yes" };
    await core.createNamespacedConfigMap({
      namespace,
      body: { metadata: { name: "first", labels }, data: { a: "1" } },
    });
    await informer.start();
    const second = { metadata: { name: "second", labels }, data: { a: "1" } };
    await core.createNamespacedConfigMap({ namespace, body: second });
    await core.replaceNamespacedConfigMap({ name: "second", namespace, body: { ...second, data: { a: "2" } } });
    await core.deleteNamespacedConfigMap({ name: "first", namespace });
    await eventually(
      async () => told.length,
      (count) => count === 4,
    );
    expect(informer.list(namespace)?.map((object) => object.metadata?.name)).toEqual(["second"]);
    await informer.stop();
    expect(told).toEqual(["add first 1", "add second 1", "update second 2", "delete first 1"]);
    expect(failures).toEqual([]);
  });

  it("watches with bookmarks until the time it asked for", async () => {
    const watch = new Watch(config);
    const { metadata } = await core.listNamespacedConfigMap({ namespace });
    const seen: string[] = [];
    const ended = new Promise<unknown>((resolve, reject) => {
      watch
        .watch(
          `/api/v1/namespaces/${namespace}/configmaps`,
          { allowWatchBookmarks: true, resourceVersion: metadata?.resourceVersion, timeoutSeconds: 2 },
          (type, object) => seen.push(`${type} ${object.metadata.name}`),
          resolve,
        )
        .catch(reject);
    });
    await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: "seen" } } });
    expect(await ended).toBeNull();
    expect(seen.filter((line) => !line.startsWith("BOOKMARK"))).toEqual(["ADDED seen"]);
  });

  it("knows other groups, generic objects and the version", async () => {
    const labels = { app: "node" };
    const deployment = await config.makeApiClient(AppsV1Api).createNamespacedDeployment({
      namespace,
      body: {
        metadata: { name: "node" },
        spec: {
          replicas: 0,
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: { containers: [{ name: "c", image: "example.com/c" }] } },
        },
      },
    });
    expect(deployment.spec?.strategy?.rollingUpdate?.maxSurge).toBe("25%");
    const lease = await config.makeApiClient(CoordinationV1Api).createNamespacedLease({
      namespace,
      body: { metadata: { name: "node" }, spec: { holderIdentity: "me", leaseDurationSeconds: 15 } },
    });
    expect(lease.spec?.holderIdentity).toBe("me");
    const loose = config.makeApiClient(CustomObjectsApi);
    const roles = (await loose.listClusterCustomObject({
      group: "rbac.authorization.k8s.io",
      version: "v1",
      plural: "clusterroles",
    })) as { items: { metadata: { name: string } }[] };
    expect(roles.items.map((role) => role.metadata.name)).toContain("cluster-admin");
    const generic = KubernetesObjectApi.makeApiClient(config);
    const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "node", namespace } };
    expect(await generic.create(account)).toMatchObject({ kind: "ServiceAccount", metadata: { name: "node" } });
    expect(await generic.read(account)).toMatchObject({ metadata: { namespace } });
    expect((await config.makeApiClient(VersionApi).getCode()).minor).toBe("36");
  });
});

const goProgram = await buildClientGo();
if (goProgram.reason !== undefined) console.info(`client-go has no story here: ${goProgram.reason}`);

describe.runIf(goProgram.program !== undefined)("client-go, unmodified", () => {
  const own = story();

  it("sees what it sees at a kube-apiserver", async () => {
    const args = ["-kubeconfig", target.kubeconfig, "-namespace", own.namespace];
    const { stdout } = await promisify(execFile)(goProgram.program!, args, { maxBuffer: 16 << 20 });
    const expected = readFileSync(new URL("../clients/client-go/seen.txt", import.meta.url), "utf8");
    expect(stdout.split("\n")).toEqual(expected.split("\n"));
  }, 90_000);
});
