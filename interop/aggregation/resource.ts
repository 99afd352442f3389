/** Cases 1 to 15: what an APIService may say, and what becomes of it. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { eventually } from "../story.ts";
import type { Answer } from "../target.ts";
import { define } from "./case.ts";
import { APISERVICES, apiService, base64, type Stage } from "./stage.ts";

const service = { name: "s", namespace: "n" };
const insecure = { service, insecureSkipTLSVerify: true };

interface Cause {
  readonly reason: string;
  readonly message: string;
  readonly field: string;
}

function causes(answer: Answer): Cause[] {
  equal(answer.status, 422, answer.text);
  return answer.json.details.causes;
}

async function refused({ create }: Stage, body: ReturnType<typeof apiService>): Promise<Cause[]> {
  return causes(await create(APISERVICES, body));
}

const invalid = (field: string, value: string | number | boolean, detail: string): Cause => ({
  reason: "FieldValueInvalid",
  message: `Invalid value: ${typeof value === "string" ? JSON.stringify(value) : value}: ${detail}`,
  field,
});

const available = (status: string) => ({ conditions: [{ type: "Available", status, reason: "R", message: "m" }] });

async function put(stage: Stage, body: { metadata: { name: string } }, path = ""): Promise<Answer> {
  return await stage.target.call("PUT", `${APISERVICES}/${body.metadata.name}${path}`, { body });
}

/** Reads, changes and writes until nobody else wrote in between. */
async function change(stage: Stage, name: string, edit: (object: ReturnType<typeof apiService>) => object, path = "") {
  return await eventually(
    async () => put(stage, edit((await stage.target.call("GET", `${APISERVICES}/${name}`)).json) as never, path),
    ({ status }) => status !== 409,
  );
}

export const RESOURCE = [
  define(1, "a name that is not version.group is refused", async (stage) => {
    const body = { ...apiService("foo.io", insecure, "v2"), metadata: { name: "v1.foo.io" } };
    deepEqual(await refused(stage, body), [
      invalid("metadata.name", "v1.foo.io", 'must be `spec.version+"."+spec.group`: "v2.foo.io"'),
    ]);
  }),

  define(2, "only v1 may have no group", async (stage) => {
    const body = { ...apiService("", insecure, "v1beta1"), metadata: { name: "v1beta1." } };
    deepEqual(await refused(stage, body), [
      {
        reason: "FieldValueRequired",
        message: "Required value: only v1 may have an empty group and it better be legacy kube",
        field: "spec.group",
      },
    ]);
  }),

  define(3, "priorities end at 20000 and 1000", async (stage) => {
    const most = { ...insecure, groupPriorityMinimum: 20_000, versionPriority: 1000 };
    equal((await stage.create(APISERVICES, apiService(stage.group, most))).status, 201);
    for (const value of [20_001, 0, -1]) {
      deepEqual(await refused(stage, apiService(stage.group, { ...insecure, groupPriorityMinimum: value })), [
        invalid("spec.groupPriorityMinimum", value, "must be positive and less than 20000"),
      ]);
    }
    for (const value of [1001, 0, -1]) {
      deepEqual(await refused(stage, apiService(stage.group, { ...insecure, versionPriority: value })), [
        invalid("spec.versionPriority", value, "must be positive and less than 1000"),
      ]);
    }
  }),

  define(4, "the port is 443 when none is given, and never 0", async (stage) => {
    const answer = await stage.make(APISERVICES, apiService(stage.group, insecure));
    equal(answer.json.spec.service.port, 443);
    for (const port of [0, 65_536]) {
      deepEqual(await refused(stage, apiService(stage.group, { ...insecure, service: { ...service, port } })), [
        invalid("spec.service.port", port, "port is not valid: must be between 1 and 65535, inclusive"),
      ]);
    }
  }),

  define(5, "a bundle and no verification exclude each other", async (stage) => {
    deepEqual(await refused(stage, apiService(stage.group, { ...insecure, caBundle: base64("abc") })), [
      invalid("spec.insecureSkipTLSVerify", true, "may not be true if caBundle is present"),
    ]);
  }),

  define(6, "a local one has no bundle, and nothing more is said about its service", async (stage) => {
    deepEqual(await refused(stage, apiService(stage.group, { caBundle: base64("abc") })), [
      invalid("spec.caBundle", "3 bytes", "local APIServices may not have a caBundle"),
    ]);
    deepEqual(
      (await refused(stage, apiService(stage.group, { caBundle: base64("abc"), insecureSkipTLSVerify: true }))).map(
        ({ field }) => field,
      ),
      ["spec.caBundle", "spec.insecureSkipTLSVerify"],
    );
  }),

  define(7, "a bundle that is no PEM is taken", async (stage) => {
    const answer = await stage.create(APISERVICES, apiService(stage.group, { service, caBundle: base64("garbage") }));
    equal(answer.status, 201);
    equal(answer.json.spec.caBundle, base64("garbage"));
  }),

  define(8, "all faults are listed at once", async (stage) => {
    const bad = {
      groupPriorityMinimum: 0,
      versionPriority: 2000,
      service: { name: "", namespace: "", port: 70_000 },
      insecureSkipTLSVerify: true,
      caBundle: base64("abc"),
    };
    const body = { ...apiService("Foo.io", bad, "1v"), metadata: { name: "v1.foo.io" } };
    const found = await refused(stage, body);
    deepEqual(
      found.map(({ field }) => field),
      [
        "metadata.name",
        "spec.group",
        "spec.version",
        "spec.groupPriorityMinimum",
        "spec.versionPriority",
        "spec.service.namespace",
        "spec.service.name",
        "spec.service.port",
        "spec.insecureSkipTLSVerify",
      ],
    );
    deepEqual(
      [found[5], found[6]],
      ["namespace", "name"].map((field) => ({
        reason: "FieldValueRequired",
        message: "Required value",
        field: `spec.service.${field}`,
      })),
    );
  }),

  define(9, "a local one is available in the answer to its creation", async (stage) => {
    const { json } = await stage.make(APISERVICES, apiService(stage.group));
    const { lastTransitionTime, ...condition } = json.status.conditions[0];
    deepEqual(condition, {
      type: "Available",
      status: "True",
      reason: "Local",
      message: "Local APIServices are always available",
    });
    equal(json.status.conditions.length, 1);
    ok(Math.abs(Date.parse(lastTransitionTime) - Date.now()) < 60_000, lastTransitionTime);
  }),

  define(10, "a status in the body of a creation is dropped", async (stage) => {
    const body = { ...apiService(stage.group, insecure), status: available("True") };
    deepEqual((await stage.make(APISERVICES, body)).json.status, {});
  }),

  define(11, "an update keeps the status; an update of the status keeps all else", async (stage) => {
    const { name } = (await stage.make(APISERVICES, apiService(stage.group, insecure))).json.metadata;
    const before = await stage.condition(name, (found) => found?.reason === "ServiceNotFound");
    equal(before?.reason, "ServiceNotFound");
    const main = await change(stage, name, (object) => ({
      ...object,
      spec: { ...object.spec, versionPriority: 7 },
      status: available("True"),
    }));
    equal(main.status, 200, main.text);
    equal(main.json.spec.versionPriority, 7);
    const kept = (main.json.status.conditions as { type: string }[]).filter(({ type }) => type === "Available");
    deepEqual(kept, [before]);
    const status = await change(
      stage,
      name,
      (object) => ({
        ...object,
        metadata: { ...object.metadata, labels: { a: "b" }, annotations: { c: "d" } },
        spec: { ...object.spec, versionPriority: 8, service: { ...service, name: "other" } },
        status: { conditions: [{ type: "Mine", status: "Unknown", reason: "", message: "" }] },
      }),
      "/status",
    );
    equal(status.status, 200, status.text);
    equal(status.json.spec.versionPriority, 7);
    equal(status.json.spec.service.name, "s");
    deepEqual([status.json.metadata.labels, status.json.metadata.annotations], [undefined, undefined]);
    deepEqual(
      status.json.status.conditions.map(({ type }: { type: string }) => type),
      ["Mine"],
    );
  }),

  define(12, "a condition is True, False or Unknown", async (stage) => {
    const { name } = (await stage.make(APISERVICES, apiService(stage.group, insecure))).json.metadata;
    const answer = await change(stage, name, (object) => ({ ...object, status: available("Maybe") }), "/status");
    deepEqual(causes(answer), [
      {
        reason: "FieldValueNotSupported",
        message: 'Unsupported value: "Maybe": supported values: "True", "False", "Unknown"',
        field: "status.conditions[0].status",
      },
    ]);
  }),

  define(13, "a PUT needs the version it replaces, and an object to replace", async (stage) => {
    const body = apiService(stage.group, insecure);
    equal((await put(stage, body)).status, 404);
    await stage.make(APISERVICES, body);
    const blind = await put(stage, body);
    deepEqual(causes(blind), [invalid("metadata.resourceVersion", 0, "must be specified for an update")]);
  }),

  define(14, "a table shows name, service, availability and age", async (stage) => {
    const [missing, local, untouched] = ["a", "b", "c"].map((letter) => `${letter}.${stage.group}`);
    await stage.make(APISERVICES, apiService(missing!, insecure));
    await stage.make(APISERVICES, apiService(local!));
    // No check ever ends for a bundle like this one upstream; here it is said at once.
    const broken = await stage.server();
    const named = await stage.expose(broken);
    await stage.make(APISERVICES, apiService(untouched!, { service: named, caBundle: base64("garbage") }));
    await stage.condition(`v1.${missing}`, (found) => found?.reason === "ServiceNotFound");
    const accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    const { json } = await stage.target.call("GET", APISERVICES, { headers: { accept } });
    deepEqual(
      json.columnDefinitions.map(({ name, type, priority }: Record<string, unknown>) => [name, type, priority]),
      [
        ["Name", "string", 0],
        ["Service", "string", 0],
        ["Available", "string", 0],
        ["Age", "string", 0],
      ],
    );
    const row = (group: string) => json.rows.find(({ cells }: { cells: string[] }) => cells[0] === `v1.${group}`).cells;
    deepEqual(row(missing!).slice(0, 3), [`v1.${missing}`, "n/s", "False (ServiceNotFound)"]);
    deepEqual(row(local!).slice(0, 3), [`v1.${local}`, "Local", "True"]);
    deepEqual(row(untouched!).slice(0, 3), [`v1.${untouched}`, `${stage.namespace}/s`, "Unknown"]);
    ok(/^\d+s$/.test(row(local!)[3]), row(local!)[3]);
  }),

  define(15, "discovery of its own group", async ({ target }) => {
    const { json } = await target.call("GET", "/apis/apiregistration.k8s.io/v1");
    const find = (name: string) => json.resources.find((one: { name: string }) => one.name === name);
    const { storageVersionHash: _, ...main } = find("apiservices");
    deepEqual(main, {
      name: "apiservices",
      singularName: "apiservice",
      namespaced: false,
      kind: "APIService",
      verbs: ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
      categories: ["api-extensions"],
    });
    deepEqual(find("apiservices/status"), {
      name: "apiservices/status",
      singularName: "",
      namespaced: false,
      kind: "APIService",
      verbs: ["get", "patch", "update"],
    });
    equal(json.resources.length, 2);
    equal((await target.call("GET", "/apis/apiregistration.k8s.io/v1beta1")).status, 404);
  }),
];
