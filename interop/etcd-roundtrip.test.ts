/**
 * One etcd, served by a real kube-apiserver, then by Tenon, then by the real one again: everything reads the same from both, changes of either are
 * seen by the other, and nothing is lost, managedFields included. Needs the peers (node tools/peers/build.ts); says so where they are not.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock, systemRandom } from "../src/api/machine.ts";
import { openPKI } from "../src/auth/pki/pki.ts";
import { etcdEngine } from "../src/store/engines/etcd.ts";
import { EtcdConnection } from "../src/store/engines/etcd-connection.ts";
import { type EtcdProcess, startEtcd } from "../src/store/engines/etcd-process.test-support.ts";
import { startControlPlane, type TestControlPlane } from "../src/testing/control-plane.ts";
import { PEERS } from "../tools/peers/build.ts";
import { startPeer } from "../tools/peers/start.ts";
import { openTarget, type Target } from "./target.ts";

const missing = ["etcd", "kube-apiserver"].filter((program) => !existsSync(join(PEERS, "bin", program)));

type Body = Record<string, unknown>;
interface Made {
  /** Of the collection. */
  readonly path: string;
  readonly name: string;
  readonly body: Body;
}

const NS = "round";
const core = (plural: string, name: string, body: Body): Made => ({
  path: `/api/v1/namespaces/${NS}/${plural}`,
  name,
  body: { metadata: { name, labels: { made: "there" } }, ...body },
});
const grouped = (group: string, plural: string, name: string, body: Body, namespaced = true): Made => ({
  path: `/apis/${group}/${namespaced ? `namespaces/${NS}/` : ""}${plural}`,
  name,
  body: { metadata: { name, labels: { made: "there" } }, ...body },
});
const container = {
  name: "c",
  image: "example.com/x:1",
  resources: { requests: { cpu: "0.1", memory: "64Mi" } },
  ports: [{ containerPort: 80 }],
  livenessProbe: { httpGet: { path: "/", port: "http" }, periodSeconds: 5 },
};
const template = { metadata: { labels: { app: "x" } }, spec: { containers: [container] } };

/** One of each kind that both serve; `suffix` makes names that are free. */
function objects(suffix: string): Made[] {
  const n = (name: string) => `${name}-${suffix}`;
  return [
    core("configmaps", n("cm"), { data: { a: "ä€😀", "b.c": "" }, binaryData: { bytes: "AP8=" } }),
    core("secrets", n("secret"), { stringData: { password: "p" }, type: "Opaque" }),
    core("serviceaccounts", n("sa"), {}),
    core("services", n("svc"), {
      spec: { selector: { app: "x" }, ports: [{ port: 80, targetPort: "http" }], type: "NodePort" },
    }),
    core("endpoints", n("ep"), { subsets: [{ addresses: [{ ip: "10.1.1.1" }], ports: [{ name: "p", port: 80 }] }] }),
    core("pods", n("pod"), { spec: { containers: [container], terminationGracePeriodSeconds: 0 } }),
    core("events", n("event"), {
      involvedObject: { kind: "Pod", namespace: NS, name: "x", apiVersion: "v1", resourceVersion: "17" },
      reason: "Because",
      message: "it is so",
      type: "Normal",
      count: 3,
      firstTimestamp: "2026-01-02T03:04:05Z",
      lastTimestamp: "2026-01-02T03:04:06Z",
    }),
    { path: "/api/v1/nodes", name: n("node"), body: { metadata: { name: n("node") }, spec: { unschedulable: true } } },
    { path: "/api/v1/namespaces", name: n("other"), body: { metadata: { name: n("other"), annotations: { a: "b" } } } },
    grouped("apps/v1", "deployments", n("dep"), {
      spec: { replicas: 0, selector: { matchLabels: { app: "x" } }, template },
    }),
    grouped("apps/v1", "replicasets", n("rs"), {
      spec: { replicas: 0, selector: { matchLabels: { app: "x" } }, template },
    }),
    grouped("coordination.k8s.io/v1", "leases", n("lease"), {
      spec: { holderIdentity: "me", renewTime: "2026-01-02T03:04:05.000006Z", leaseDurationSeconds: 15 },
    }),
    grouped("discovery.k8s.io/v1", "endpointslices", n("slice"), {
      addressType: "IPv4",
      endpoints: [{ addresses: ["10.1.1.1"], conditions: { ready: true } }],
      ports: [{ name: "p", port: 80 }],
    }),
    grouped("rbac.authorization.k8s.io/v1", "roles", n("role"), {
      rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }],
    }),
    grouped("rbac.authorization.k8s.io/v1", "rolebindings", n("rb"), {
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "r" },
      subjects: [{ kind: "User", name: "u", apiGroup: "rbac.authorization.k8s.io" }],
    }),
    grouped(
      "rbac.authorization.k8s.io/v1",
      "clusterroles",
      n("cr"),
      { rules: [{ nonResourceURLs: ["/x"], verbs: ["get"] }] },
      false,
    ),
    grouped(
      "rbac.authorization.k8s.io/v1",
      "clusterrolebindings",
      n("crb"),
      {
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "r" },
        subjects: [{ kind: "ServiceAccount", name: "s", namespace: NS }],
      },
      false,
    ),
    grouped("autoscaling/v2", "horizontalpodautoscalers", n("hpa"), {
      spec: {
        maxReplicas: 3,
        scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "d" },
        metrics: [
          { type: "Resource", resource: { name: "memory", target: { type: "AverageValue", averageValue: "100Mi" } } },
        ],
        behavior: { scaleDown: { stabilizationWindowSeconds: 5 } },
      },
    }),
    grouped(
      "apiregistration.k8s.io/v1",
      "apiservices",
      `v1.${suffix}.example.com`,
      {
        spec: {
          group: `${suffix}.example.com`,
          version: "v1",
          groupPriorityMinimum: 10,
          versionPriority: 5,
          service: { namespace: NS, name: "none", port: 443 },
          insecureSkipTLSVerify: true,
        },
      },
      false,
    ),
    grouped("stable.example.com/v1", "crontabs", n("cron"), {
      apiVersion: "stable.example.com/v1",
      kind: "CronTab",
      spec: { resourceVersion: "12", zeta: 1, alpha: { nested: [1, 2.5, "x", null, true] }, big: 9007199254740991 },
    }),
  ];
}

const definition = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "crontabs.stable.example.com" },
  spec: {
    group: "stable.example.com",
    names: { kind: "CronTab", plural: "crontabs" },
    scope: "Namespaced",
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
      },
    ],
  },
};

/** What controllers and the servers themselves rewrite in an object while we look. */
function settled(object: Body): Body {
  const { status: _, ...rest } = object;
  const metadata = { ...(rest["metadata"] as Body) };
  const ours = ((metadata["managedFields"] ?? []) as Body[]).filter((entry) => entry["subresource"] === undefined);
  return { ...rest, metadata: { ...metadata, managedFields: ours } };
}

const read = async (target: Target, made: Made): Promise<Body> => {
  const answer = await target.call("GET", `${made.path}/${made.name}`);
  expect(answer.status, `${made.path}/${made.name}: ${answer.text}`).toBe(200);
  return answer.json as Body;
};
const rewritten = (made: Made) => ["apiservices", "nodes", "namespaces"].some((plural) => made.path.endsWith(plural));
const create = async (target: Target, { path, body }: Made) => {
  const answer = await target.call("POST", path, { body });
  expect(answer.status, `${path}: ${answer.text}`).toBe(201);
};
async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (attempt > 300) throw new Error("it did not come to be");
    await systemClock.sleep(100);
  }
}
const served = (target: Target) =>
  until(async () =>
    (await target.call("GET", `/apis/stable.example.com/v1/namespaces/${NS}/crontabs`)).status === 200
      ? true
      : undefined,
  );

it.runIf(missing.length > 0)(`not run here: ${missing.join(" and ")} not built`, () => expect(missing).not.toEqual([]));

describe.skipIf(missing.length > 0)("one etcd, two kinds of server", () => {
  const folder = mkdtempSync(join(tmpdir(), "tenon-round-"));
  const pkiFolder = join(folder, "pki");
  let etcd: EtcdProcess;
  let real: Target;
  let ours: Target;
  let plane: TestControlPlane;
  let stopReal: () => Promise<void>;
  const first = objects("a");
  const second = objects("b");
  const remembered = new Map<string, Body>();
  const id = (made: Made) => `${made.path}/${made.name}`;

  async function startReal() {
    const peer = await startPeer({ folder: join(folder, "peer"), etcd: `http://${etcd.endpoint}`, pki: pkiFolder });
    stopReal = peer.stop;
    real = openTarget(peer.kubeconfig);
  }

  beforeAll(async () => {
    etcd = await startEtcd();
    await startReal();
    await create(real, { path: "/api/v1/namespaces", name: NS, body: { metadata: { name: NS } } });
    await create(real, { path: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", name: "", body: definition });
    await served(real);
    for (const made of first) await create(real, made);
  }, 120_000);

  afterAll(async () => {
    await stopReal?.();
    await plane?.close();
    await etcd?.remove();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  it("Tenon reads everything as the real server does, field by field", async () => {
    for (const made of first) remembered.set(id(made), await read(real, made));
    await stopReal();
    plane = await startControlPlane({
      engine: etcdEngine({ endpoints: [etcd.endpoint], clock: systemClock, random: systemRandom }),
      pki: await openPKI(pkiFolder, { clock: systemClock, random: systemRandom }),
    });
    ours = openTarget(plane.kubeconfig);
    await served(ours);
    for (const made of first) {
      const [there, here] = [remembered.get(id(made))!, await read(ours, made)];
      if (rewritten(made))
        expect({ ...settled(here), metadata: { ...(settled(here)["metadata"] as Body), resourceVersion: "" } }).toEqual(
          { ...settled(there), metadata: { ...(settled(there)["metadata"] as Body), resourceVersion: "" } },
        );
      else expect(here, id(made)).toEqual(there);
    }
  }, 60_000);

  it("lists and watches them, and serves what is its own beside", async () => {
    const list = await ours.call("GET", `/api/v1/namespaces/${NS}/configmaps?labelSelector=made%3Dthere`);
    expect(list.json.items.map((item: { metadata: { name: string } }) => item.metadata.name)).toEqual(["cm-a"]);
    for await (const event of ours.stream(
      `/apis/stable.example.com/v1/namespaces/${NS}/crontabs?watch=1&resourceVersion=0`,
    )) {
      expect(event).toMatchObject({ type: "ADDED", object: { kind: "CronTab", metadata: { name: "cron-a" } } });
      break;
    }
    expect((await ours.call("GET", "/api/v1/namespaces/default/services/kubernetes")).status).toBe(200);
  });

  it("changes them, and makes and deletes others", async () => {
    for (const made of first) {
      const body = { metadata: { labels: { changed: "here" } } };
      const answer = await ours.call("PATCH", id(made), { body, contentType: "application/merge-patch+json" });
      expect(answer.status, `${id(made)}: ${answer.text}`).toBe(200);
      remembered.set(id(made), answer.json as Body);
    }
    for (const made of second) {
      await create(ours, made);
      remembered.set(id(made), await read(ours, made));
    }
    const gone = first.find((made) => made.name === "secret-a")!;
    expect((await ours.call("DELETE", id(gone))).status).toBe(200);
  });

  it("afterwards the real server has all of it, managedFields included", async () => {
    await plane.close();
    await startReal();
    await served(real);
    for (const made of [...first, ...second]) {
      if (made.name === "secret-a") continue;
      const [here, there] = [remembered.get(id(made))!, await read(real, made)];
      const label = (there["metadata"] as { labels?: Body }).labels;
      if (made.name.includes("-a") || made.name.includes(".a."))
        expect(label, id(made)).toMatchObject({ changed: "here" });
      const plain = (object: Body) => ({
        ...settled(object),
        metadata: { ...(settled(object)["metadata"] as Body), resourceVersion: "" },
      });
      if (rewritten(made)) expect(plain(there), id(made)).toEqual(plain(here));
      else expect(there, id(made)).toEqual(here);
    }
    expect((await real.call("GET", `/api/v1/namespaces/${NS}/secrets/secret-a`)).status).toBe(404);
    // An update by the real server of what Tenon wrote last.
    for (const made of second) {
      const body = { metadata: { labels: { again: "there" } } };
      const answer = await real.call("PATCH", id(made), { body, contentType: "application/merge-patch+json" });
      expect(answer.status, `${id(made)}: ${answer.text}`).toBe(200);
    }
  }, 120_000);

  it("what nobody can read is an error for who names it, and is not in the way of the rest", async () => {
    const connection = new EtcdConnection({ endpoints: [etcd.endpoint], clock: systemClock, random: systemRandom });
    await connection.open();
    const { encodePut } = await import("../src/store/engines/etcd-messages.ts");
    const put = (key: string, value: string) => connection.call("KV/Put", encodePut(key, value), "read");
    await put(`/registry/configmaps/${NS}/garbage`, "\u0000\u0001garbage");
    await put(`/registry/configmaps/${NS}/encrypted`, "k8s:enc:aescbc:v1:key1:xyz");
    await put("/registry/configmaps", "no key of ours");
    await put("/elsewhere", "not below the prefix");
    await stopReal();
    plane = await startControlPlane({
      engine: etcdEngine({ endpoints: [etcd.endpoint], clock: systemClock, random: systemRandom }),
      pki: await openPKI(pkiFolder, { clock: systemClock, random: systemRandom }),
    });
    ours = openTarget(plane.kubeconfig);
    // One more while it runs, over an object that was good.
    await put(`/registry/configmaps/${NS}/cm-b`, "k8s\u0000broken");
    connection.close();
    const get = (name: string) => ours.call("GET", `/api/v1/namespaces/${NS}/configmaps/${name}`);
    const encrypted = await get("encrypted");
    expect(encrypted.status).toBe(500);
    expect(encrypted.json.message).toBe("Internal error occurred: identity transformer tried to read encrypted data");
    expect((await get("garbage")).status).toBe(500);
    expect((await get("cm-b")).status).toBe(500);
    expect((await get("cm-a")).status).toBe(200);
    const list = await ours.call("GET", `/api/v1/namespaces/${NS}/configmaps?labelSelector=made`);
    expect(list.json.items.map((item: { metadata: { name: string } }) => item.metadata.name)).toEqual(["cm-a"]);
    const again = await ours.call("POST", `/api/v1/namespaces/${NS}/configmaps`, {
      body: { metadata: { name: "encrypted" } },
    });
    expect(again.json).toMatchObject({ code: 409, reason: "AlreadyExists" });
    expect((await ours.call("DELETE", `/api/v1/namespaces/${NS}/configmaps/garbage`)).status).toBe(500);
  }, 60_000);
});
