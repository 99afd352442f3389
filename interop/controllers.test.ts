import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubeObject } from "../src/api/meta.ts";
import type { Client } from "../src/client/client.ts";
import { HOLDS_NAMESPACES } from "../src/controllers/namespace-deletion.ts";
import { runControllers } from "../src/controlplane/controllers.ts";
import { startControlPlane, type TestControlPlane } from "../src/testing/control-plane.ts";
import { type Extension, expose, json, startExtension } from "./extension.ts";
import { eventually } from "./story.ts";
import { openTarget, type Target, uniqueName } from "./target.ts";

const NAMESPACES = { group: "", version: "v1", resource: "namespaces" };
const CONFIG_MAPS = { group: "", version: "v1", resource: "configmaps" };
const SERVICE_ACCOUNTS = { group: "", version: "v1", resource: "serviceaccounts" };
const PODS = { group: "", version: "v1", resource: "pods" };
const API_SERVICES = { group: "apiregistration.k8s.io", version: "v1", resource: "apiservices" };
const ROLES = { group: "rbac.authorization.k8s.io", version: "v1", resource: "clusterroles" };

let plane: TestControlPlane;
let client: Client;
let target: Target;
beforeAll(async () => {
  plane = await startControlPlane();
  client = plane.client();
  target = openTarget(plane.kubeconfig);
});
afterAll(() => plane.close());

const found = (resource: { group: string; version: string; resource: string }, name: string, namespace?: string) =>
  client
    .resource(resource, namespace)
    .get(name)
    .catch((error: { code?: number }) => {
      if (error.code === 404) return undefined;
      throw error;
    });

/** A namespace with what every namespace has in it. */
async function namespace(prefix: string): Promise<string> {
  const name = uniqueName(prefix);
  await client.resource(NAMESPACES).create({ metadata: { name } });
  await eventually(
    async () => [await found(SERVICE_ACCOUNTS, "default", name), await found(CONFIG_MAPS, "kube-root-ca.crt", name)],
    (both) => both.every((one) => one !== undefined),
  );
  return name;
}

const gone = (name: string, seconds = 20) =>
  eventually(
    () => found(NAMESPACES, name),
    (one) => one === undefined,
    seconds,
  );

type Condition = { type: string; status: string; reason: string; message: string };

function condition(object: KubeObject | undefined, type: string): Condition | undefined {
  return (object?.["status"]?.conditions as Condition[] | undefined)?.find((one) => one.type === type);
}

/** The namespace once the condition has the status. */
const until = (name: string, type: string, status: string) =>
  eventually(
    () => found(NAMESPACES, name),
    (one) => condition(one, type)?.status === status,
    20,
  );

interface Things {
  readonly extension: Extension;
  /** What is in it: `namespace/name`. */
  readonly stored: Set<string>;
  readonly apiService: string;
}

const extensions: Things[] = [];
afterAll(async () => {
  await Promise.all(extensions.map(({ extension }) => extension.kill().catch(() => {})));
});

/** An extension server that is available; its things can be deleted when `verbs` say so. */
async function serveThings(
  verbs: readonly string[] = ["delete", "deletecollection", "get", "list"],
  annotations: Record<string, string> = {},
): Promise<Things> {
  const service = { namespace: "default", name: uniqueName("things") };
  const group = `${service.name}.example.com`;
  const extension = await startExtension({ group, service, verbs });
  const stored = new Set<string>();
  extension.behave((request, response) => {
    const space = /\/namespaces\/([^/?]+)\//.exec(request.url ?? "")?.[1] ?? "";
    const mine = [...stored].filter((key) => key.startsWith(`${space}/`));
    if (request.method === "DELETE") for (const key of mine) stored.delete(key);
    const items = mine.map((key) => ({ metadata: { namespace: space, name: key.slice(space.length + 1) } }));
    json(response, 200, { kind: "ThingList", apiVersion: `${group}/v1`, metadata: {}, items });
  });
  const port = await expose(target, extension, service);
  const apiService = `v1.${group}`;
  await client.resource(API_SERVICES).create({
    metadata: { name: apiService, annotations },
    spec: {
      group,
      version: "v1",
      groupPriorityMinimum: 100,
      versionPriority: 100,
      caBundle: Buffer.from(extension.ca).toString("base64"),
      service: { ...service, port },
    },
  });
  const things = { extension, stored, apiService };
  extensions.push(things);
  await available(things, "True");
  // The controller knows what a server offers from having read it while it lived.
  await knownToController(things);
  return things;
}

/** A namespace that comes and goes makes the controller read discovery. */
async function knownToController({ apiService }: Things): Promise<void> {
  await eventually(
    async () => JSON.stringify(await client.call({ method: "GET", path: `/apis/${apiService.slice(3)}/v1` })),
    (text) => text.includes("things"),
  );
  const name = await namespace("probe");
  await client.resource(NAMESPACES).delete(name);
  expect(await gone(name)).toBeUndefined();
}

/** Asks for a new check at once instead of in half a minute, and waits for its answer. */
async function available({ apiService }: Things, status: string): Promise<void> {
  const objects = client.resource(API_SERVICES);
  await objects.patch(apiService, "merge", { metadata: { annotations: { checked: uniqueName("again") } } });
  const last = await eventually(
    () => objects.get(apiService),
    (one) => condition(one, "Available")?.status === status,
  );
  expect(condition(last, "Available")).toMatchObject({ status });
}

describe("a namespace with an extension server", () => {
  it("is deleted with what the server holds", async () => {
    const things = await serveThings();
    const name = await namespace("alive");
    things.stored.add(`${name}/one`).add("elsewhere/two");
    await client.resource(NAMESPACES).delete(name);
    expect(await gone(name)).toBeUndefined();
    expect([...things.stored]).toEqual(["elsewhere/two"]);
  }, 60_000);

  it("is not held by a dead one that offers nothing to delete", async () => {
    const things = await serveThings(["get", "list"]);
    const name = await namespace("readonly");
    await things.extension.kill();
    await available(things, "False");
    await client.resource(NAMESPACES).delete(name);
    expect(await gone(name)).toBeUndefined();
  }, 60_000);

  it("is not held by a dead one whose APIService says so", async () => {
    const things = await serveThings(undefined, { [HOLDS_NAMESPACES]: "false" });
    const name = await namespace("exempt");
    things.stored.add(`${name}/one`);
    await things.extension.kill();
    await available(things, "False");
    await client.resource(NAMESPACES).delete(name);
    expect(await gone(name)).toBeUndefined();
  }, 60_000);

  it("is held by any other dead one, named; what else is in it goes meanwhile, and the rest once the server is back", async () => {
    const things = await serveThings();
    const name = await namespace("held");
    things.stored.add(`${name}/one`);
    await client.resource(CONFIG_MAPS, name).create({ metadata: { name: "mine" } });
    await things.extension.kill();
    await available(things, "False");
    await client.resource(NAMESPACES).delete(name);
    const gv = `${things.extension.group}/v1`;
    const held = await until(name, "NamespaceDeletionDiscoveryFailure", "True");
    expect(condition(held, "NamespaceDeletionDiscoveryFailure")).toMatchObject({
      reason: "DiscoveryFailed",
      message: `Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: ${gv}: stale GroupVersion discovery: ${gv}`,
    });
    expect(held?.["status"].phase).toBe("Terminating");
    expect(condition(held, "NamespaceContentRemaining")).toMatchObject({ status: "False", reason: "ContentRemoved" });
    expect(await found(CONFIG_MAPS, "mine", name)).toBeUndefined();
    expect(await found(CONFIG_MAPS, "kube-root-ca.crt", name)).toBeUndefined();
    expect([...things.stored]).toEqual([`${name}/one`]);

    await things.extension.start();
    await available(things, "True");
    expect(await gone(name, 40)).toBeUndefined();
    expect([...things.stored]).toEqual([]);
  }, 90_000);
});

describe("a namespace with a dead server", () => {
  it("is let go when the claim is withdrawn", async () => {
    const things = await serveThings();
    const name = await namespace("withdrawn");
    await things.extension.kill();
    await available(things, "False");
    await client.resource(NAMESPACES).delete(name);
    await until(name, "NamespaceDeletionDiscoveryFailure", "True");
    await client.resource(API_SERVICES).delete(things.apiService);
    expect(await gone(name)).toBeUndefined();
  }, 60_000);

  it("is let go when the claim is annotated afterwards", async () => {
    const things = await serveThings();
    const name = await namespace("annotated");
    await things.extension.kill();
    await available(things, "False");
    await client.resource(NAMESPACES).delete(name);
    await until(name, "NamespaceDeletionDiscoveryFailure", "True");
    const annotations = { [HOLDS_NAMESPACES]: "false" };
    await client.resource(API_SERVICES).patch(things.apiService, "merge", { metadata: { annotations } });
    expect(await gone(name)).toBeUndefined();
  }, 60_000);

  it("goes beside a living server with what that one holds", async () => {
    const [dead, name] = [await serveThings(["get", "list"]), await namespace("beside")];
    const alive = await serveThings();
    alive.stored.add(`${name}/one`);
    await dead.extension.kill();
    await available(dead, "False");
    await client.resource(NAMESPACES).delete(name);
    expect(await gone(name)).toBeUndefined();
    expect([...alive.stored]).toEqual([]);
  }, 60_000);
});

describe("a namespace with objects that do not go", () => {
  it("names them and their finalizers, and ends with them", async () => {
    const name = await namespace("finalized");
    const finalizers = ["example.com/keep"];
    await client.resource(CONFIG_MAPS, name).create({ metadata: { name: "a", finalizers } });
    await client.resource(CONFIG_MAPS, name).create({
      metadata: { name: "b", finalizers: [...finalizers, "example.com/too"] },
    });
    await client.resource(NAMESPACES).delete(name);
    const held = await until(name, "NamespaceFinalizersRemaining", "True");
    expect(condition(held, "NamespaceContentRemaining")).toMatchObject({
      status: "True",
      reason: "SomeResourcesRemain",
      message: "Some resources are remaining: configmaps. has 2 resource instances",
    });
    expect(condition(held, "NamespaceFinalizersRemaining")).toMatchObject({
      reason: "SomeFinalizersRemain",
      message:
        "Some content in the namespace has finalizers remaining: example.com/keep in 2 resource instances, example.com/too in 1 resource instances",
    });
    for (const one of ["a", "b"]) {
      await client.resource(CONFIG_MAPS, name).patch(one, "merge", { metadata: { finalizers: null } });
    }
    expect(await gone(name)).toBeUndefined();
  }, 60_000);

  it("keeps what its pods may need until they are gone", async () => {
    const name = await namespace("pods");
    await client.resource(PODS, name).create({
      metadata: { name: "slow", finalizers: ["example.com/keep"] },
      spec: { containers: [{ name: "c", image: "example.com/c" }] },
    });
    await client.resource(CONFIG_MAPS, name).create({ metadata: { name: "needed" } });
    await client.resource(NAMESPACES).delete(name);
    const held = await until(name, "NamespaceContentRemaining", "True");
    expect(condition(held, "NamespaceContentRemaining")?.message).toBe(
      "Some resources are remaining: pods. has 1 resource instances",
    );
    expect(await found(CONFIG_MAPS, "needed", name)).toBeDefined();
    await client.resource(PODS, name).patch("slow", "merge", { metadata: { finalizers: null } });
    expect(await gone(name)).toBeUndefined();
  }, 60_000);
});

describe("what every namespace has", () => {
  it.each([
    ["the service account", SERVICE_ACCOUNTS, "default"],
    ["the root certificate", CONFIG_MAPS, "kube-root-ca.crt"],
  ])("comes back: %s", async (_, resource, object) => {
    const name = await namespace("defaults");
    const before = await found(resource, object, name);
    await client.resource(resource, name).delete(object);
    const after = await eventually(
      () => found(resource, object, name),
      (one) => one !== undefined,
    );
    expect(after?.metadata.uid).not.toBe(before?.metadata.uid);
    expect(after?.["data"]).toEqual(before?.["data"]);
  });

  it("is put right when somebody writes over the root certificate", async () => {
    const name = await namespace("defaults");
    const before = await found(CONFIG_MAPS, "kube-root-ca.crt", name);
    await client.resource(CONFIG_MAPS, name).update({ ...before!, data: { "ca.crt": "mine", more: "" } });
    const after = await eventually(
      () => found(CONFIG_MAPS, "kube-root-ca.crt", name),
      (one) => one?.["data"]["ca.crt"] !== "mine",
    );
    expect(after?.["data"]).toEqual(before?.["data"]);
  });

  it("does not come back where the namespace goes", async () => {
    const name = await namespace("going");
    await client.resource(CONFIG_MAPS, name).create({ metadata: { name: "kept", finalizers: ["example.com/keep"] } });
    await client.resource(NAMESPACES).delete(name);
    await until(name, "NamespaceFinalizersRemaining", "True");
    expect(await found(SERVICE_ACCOUNTS, "default", name)).toBeUndefined();
    expect(await found(CONFIG_MAPS, "kube-root-ca.crt", name)).toBeUndefined();
    // Whoever would bring them back has had a turn: another namespace got its own meanwhile.
    await namespace("witness");
    expect(await found(SERVICE_ACCOUNTS, "default", name)).toBeUndefined();
    expect(await found(CONFIG_MAPS, "kube-root-ca.crt", name)).toBeUndefined();
    await client.resource(CONFIG_MAPS, name).patch("kept", "merge", { metadata: { finalizers: null } });
    expect(await gone(name)).toBeUndefined();
  }, 60_000);
});

describe("roles that gather others", () => {
  const rulesOf = async (name: string) => (await found(ROLES, name))?.["rules"] as unknown[];
  const rule = { apiGroups: ["fun.example.com"], resources: ["jokes"], verbs: ["get"] };

  it("take the rules of a new one, also through another, and give them back", async () => {
    const name = uniqueName("jokes");
    const labels = { "rbac.authorization.k8s.io/aggregate-to-view": "true" };
    await client.resource(ROLES).create({ metadata: { name, labels }, rules: [rule] });
    for (const gathering of ["view", "edit", "admin"]) {
      const rules = await eventually(
        () => rulesOf(gathering),
        (all) => JSON.stringify(all).includes("fun.example.com"),
      );
      expect(rules).toContainEqual(rule);
    }
    await client.resource(ROLES).delete(name);
    const rules = await eventually(
      () => rulesOf("admin"),
      (all) => !JSON.stringify(all).includes("fun.example.com"),
    );
    expect(rules).not.toContainEqual(rule);
    expect(rules.length).toBeGreaterThan(5);
  });

  it("let somebody who may view do so from the start", async () => {
    const fresh = await startControlPlane({ pki: plane.pki, listen: false, controllers: false });
    await fresh
      .client()
      .resource({ ...ROLES, resource: "clusterrolebindings" })
      .create({
        metadata: { name: "jane-views" },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "view" },
        subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "jane" }],
      });
    const jane = fresh.client({ name: "jane", uid: "", groups: ["system:authenticated"], extra: {} });
    expect((await jane.resource(PODS, "default").list()).items).toEqual([]);
    await expect(jane.resource({ group: "", version: "v1", resource: "secrets" }, "default").list()).rejects.toThrow(
      /forbidden/,
    );
    await fresh.close();
  });
});

describe("the lease of the controllers", () => {
  it("lets one of two processes do the work, and the other when the first gives it back", async () => {
    const lease = await client
      .resource({ group: "coordination.k8s.io", version: "v1", resource: "leases" }, "kube-system")
      .get("tenon-controllers");
    expect(lease["spec"].holderIdentity).not.toBe("");

    const shared = await startControlPlane({ pki: plane.pki, listen: false, controllers: false });
    const stops = [new AbortController(), new AbortController()];
    const runs = stops.map(({ signal }, index) =>
      runControllers({
        client: shared.client(),
        rootCA: "pem",
        signal,
        log: undefined,
        identity: `candidate-${index}`,
      }),
    );
    const leases = shared
      .client()
      .resource({ group: "coordination.k8s.io", version: "v1", resource: "leases" }, "kube-system");
    const holder = async () => {
      const current = await leases.get("tenon-controllers").catch(() => undefined);
      return current?.["spec"].holderIdentity as string | undefined;
    };
    const first = await eventually(holder, (name) => Boolean(name));
    const index = first === "candidate-0" ? 0 : 1;
    stops[index]!.abort();
    await runs[index];
    const second = await eventually(holder, (name) => Boolean(name) && name !== first);
    expect([first, second].sort()).toEqual(["candidate-0", "candidate-1"]);
    const made = await eventually(
      () =>
        shared
          .client()
          .resource(SERVICE_ACCOUNTS, "default")
          .get("default")
          .catch(() => undefined),
      (one) => one !== undefined,
    );
    expect(made?.metadata.name).toBe("default");
    stops[1 - index]!.abort();
    await runs[1 - index];
    expect(await holder()).toBe("");
    await shared.close();
  }, 60_000);
});
