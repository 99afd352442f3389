/** Cases 85 to 89: the APIServices a server makes for what it serves itself. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { eventually } from "../story.ts";
import { define } from "./case.ts";
import { defineGadgets } from "./proxy-routes.ts";
import { APISERVICES, apiService, type Stage } from "./stage.ts";

const AUTOMANAGED = "kube-aggregator.kubernetes.io/automanaged";
const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

interface Registered {
  readonly metadata: { name: string; uid: string; labels?: Record<string, string> };
  readonly spec: { groupPriorityMinimum: number; versionPriority: number; service?: object };
  readonly status?: { conditions?: { type: string; status: string; reason: string }[] };
}

/** The APIService once `good`; undefined when there is none. */
function registered(
  { target }: Stage,
  name: string,
  good: (found: Registered | undefined) => boolean = (found) => found !== undefined,
  seconds = 15,
): Promise<Registered | undefined> {
  return eventually(
    async () => {
      const answer = await target.call("GET", `${APISERVICES}/${name}`);
      return answer.status === 200 ? (answer.json as Registered) : undefined;
    },
    good,
    seconds,
  );
}

const priorities = (found: Registered | undefined) => [found?.spec.groupPriorityMinimum, found?.spec.versionPriority];

/** Of the table upstream keeps: those both servers serve. */
const TABLE: readonly (readonly [name: string, group: number, version: number])[] = [
  ["v1.", 18_000, 1],
  ["v1.apps", 17_800, 15],
  ["v1.authentication.k8s.io", 17_700, 15],
  ["v1.authorization.k8s.io", 17_600, 15],
  ["v1.autoscaling", 17_500, 15],
  ["v2.autoscaling", 17_500, 30],
  ["v1.rbac.authorization.k8s.io", 17_000, 15],
  ["v1.apiextensions.k8s.io", 16_700, 15],
  ["v1.coordination.k8s.io", 16_500, 15],
  ["v1.discovery.k8s.io", 16_200, 15],
];

export const REGISTRATION = [
  define(85, "each built-in group-version is registered, with its priorities", async (stage) => {
    for (const [name, group, version] of TABLE) {
      const found = await registered(stage, name);
      deepEqual([name, ...priorities(found)], [name, group, version]);
      equal(found?.metadata.labels?.[AUTOMANAGED], "onstart");
      equal(found?.spec.service, undefined);
      deepEqual(
        found?.status?.conditions?.map(({ type, status, reason }) => [type, status, reason]),
        [["Available", "True", "Local"]],
      );
    }
    // All that is served, and nothing else.
    const { json } = await stage.target.call("GET", APISERVICES);
    const onstart = (json.items as Registered[]).filter(({ metadata }) => metadata.labels?.[AUTOMANAGED] === "onstart");
    const groups = (await stage.target.call("GET", "/apis")).json.groups as { versions: { groupVersion: string }[] }[];
    const served = groups.flatMap(({ versions }) => versions.map(({ groupVersion }) => groupVersion));
    for (const { metadata } of onstart) {
      const [version = "", ...group] = metadata.name.split(".");
      ok(metadata.name === "v1." || served.includes(`${group.join(".")}/${version}`), metadata.name);
    }
    match((await stage.target.call("GET", "/readyz?verbose")).text, /\[\+\]autoregister-completion ok/);
  }),

  define(
    86,
    "a built-in one that is deleted stays away until the server starts again",
    async (stage) => {
      const own = await stage.start({ durable: true });
      const name = "v2.autoscaling";
      ok((await registered(own.stage, name)) !== undefined);
      equal((await own.stage.target.call("DELETE", `${APISERVICES}/${name}`)).status, 200);
      await new Promise((resolve) => setTimeout(resolve, 5000));
      equal(await registered(own.stage, name, () => true), undefined);
      // Its paths are served still, by whoever stands behind the aggregator; it is claimed by nobody.
      const listed = await eventually(
        async () => (await own.stage.target.call("GET", "/apis/autoscaling")).json.versions as { version: string }[],
        (versions) => versions.length === 1,
      );
      deepEqual(
        listed.map(({ version }) => version),
        ["v1"],
      );
      equal((await own.stage.target.call("GET", "/apis/autoscaling/v2")).status, 200);
      equal((await own.stage.target.call("GET", "/readyz")).status, 200);
      await own.restart();
      const back = await registered(own.stage, name);
      equal(back?.metadata.labels?.[AUTOMANAGED], "onstart");
    },
    { world: "own", slow: true },
  ),

  define(87, "a definition's one comes back, as it was, and goes with its version", async (stage) => {
    const name = `v1.${stage.group}`;
    const definition = await defineGadgets(stage, stage.group);
    const first = await registered(stage, name);
    deepEqual([...priorities(first), first?.metadata.labels?.[AUTOMANAGED]], [1000, 100, "true"]);

    await stage.target.call("DELETE", `${APISERVICES}/${name}`);
    const second = await registered(
      stage,
      name,
      (found) => found !== undefined && found.metadata.uid !== first?.metadata.uid,
    );
    ok(second !== undefined && second.metadata.uid !== first?.metadata.uid);

    const edited = await stage.target.call("PATCH", `${APISERVICES}/${name}`, {
      contentType: "application/merge-patch+json",
      body: { spec: { groupPriorityMinimum: 2000, versionPriority: 7 } },
    });
    equal(edited.status, 200, edited.text);
    const reverted = await registered(stage, name, (found) => found?.spec.versionPriority === 100);
    deepEqual(priorities(reverted), [1000, 100]);

    const schema = { openAPIV3Schema: { type: "object" } };
    const versions = [
      { name: "v1", served: false, storage: true, schema },
      { name: "v2", served: true, storage: false, schema },
    ];
    const patched = await stage.target.call("PATCH", `${CRDS}/${definition}`, {
      contentType: "application/merge-patch+json",
      body: { spec: { versions } },
    });
    equal(patched.status, 200, patched.text);
    equal(await registered(stage, name, (found) => found === undefined), undefined);
    ok((await registered(stage, `v2.${stage.group}`)) !== undefined);
    await stage.target.call("DELETE", `${CRDS}/${definition}`);
    equal(await registered(stage, `v2.${stage.group}`, (found) => found === undefined), undefined);
  }),

  define(88, "an unlabelled one made first is left alone", async (stage) => {
    const spec = { groupPriorityMinimum: 3000, versionPriority: 9 };
    const made = await stage.make(APISERVICES, apiService(stage.group, spec));
    await defineGadgets(stage, stage.group);
    const served = await eventually(
      () => stage.target.call("GET", `/apis/${stage.group}/v1`),
      ({ status }) => status === 200,
    );
    equal(served.status, 200, served.text);
    const found = await registered(stage, `v1.${stage.group}`);
    deepEqual([found?.metadata.uid, ...priorities(found)], [made.json.metadata.uid, 3000, 9]);
    equal(found?.metadata.labels, undefined);
  }),

  define(
    89,
    "a restart deletes and makes none of them",
    async (stage) => {
      const own = await stage.start({ durable: true });
      const { group } = own.stage;
      await defineGadgets(own.stage, group);
      const uids = async () =>
        [`v1.${group}`, "v1.apps"].map(async (name) => (await registered(own.stage, name))?.metadata.uid);
      const before = await Promise.all(await uids());
      ok(before.every((uid) => uid !== undefined));
      await own.restart();
      const served = await eventually(
        () => own.stage.target.call("GET", `/apis/${group}/v1`),
        ({ status }) => status === 200,
      );
      equal(served.status, 200);
      deepEqual(await Promise.all(await uids()), before);
    },
    { world: "own", slow: true },
  ),
];
