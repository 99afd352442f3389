/** Cases 61 to 65, 71 and 74: what the server itself says of groups and versions. */
import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import { eventually } from "../story.ts";
import { define } from "./case.ts";
import { resourceList, THINGS } from "./extension-server.ts";
import { defineGadgets } from "./proxy-routes.ts";
import { APISERVICES, apiService, base64, type Stage } from "./stage.ts";

export const V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

interface Group {
  readonly name: string;
  readonly versions: { groupVersion: string; version: string }[];
  readonly preferredVersion: { version: string };
}

export interface VersionDiscovery {
  readonly version: string;
  readonly freshness: string;
  readonly resources?: {
    resource: string;
    responseKind: object | null;
    subresources?: { subresource: string; verbs: string[] }[];
    verbs: string[];
  }[];
}

/** Groups below that of the case, as `/apis` lists them. */
async function listed({ target, group }: Stage): Promise<Group[]> {
  const { json } = await target.call("GET", "/apis");
  return json.groups.filter(({ name }: Group) => name.endsWith(group));
}

/** Versions of a group in the aggregated document, once `good`. */
export function aggregated(
  stage: Stage,
  group: string,
  good: (versions: VersionDiscovery[] | undefined) => boolean,
  seconds = 15,
): Promise<VersionDiscovery[] | undefined> {
  return eventually(
    async () => {
      const { json } = await stage.target.call("GET", "/apis", { headers: { accept: V2 } });
      return json.items.find(({ metadata }: { metadata: { name: string } }) => metadata.name === group)?.versions as
        | VersionDiscovery[]
        | undefined;
    },
    good,
    seconds,
  );
}

export const names = (versions: VersionDiscovery[] | undefined) =>
  versions?.[0]?.resources?.map(({ resource }) => resource) ?? [];

export const DISCOVERY = [
  define(61, "groups stand by their highest priority, then by the name of the APIService", async (stage) => {
    for (const [letter, version, groupPriorityMinimum, versionPriority] of [
      ["a", "v1", 1000, 15],
      ["b", "v1", 1000, 100],
      ["b", "v2beta1", 1500, 9],
      ["c", "v1alpha1", 1000, 15],
      ["a", "v2", 1000, 15],
    ] as const) {
      const spec = { groupPriorityMinimum, versionPriority };
      await stage.make(APISERVICES, apiService(`${letter}.${stage.group}`, spec, version));
    }
    const groups = await eventually(
      () => listed(stage),
      (found) => found.flatMap(({ versions }) => versions).length === 5,
    );
    deepEqual(
      groups.map(({ name, versions, preferredVersion }) => [
        name.split(".")[0],
        preferredVersion.version,
        ...versions.map(({ version }) => version),
      ]),
      [
        ["b", "v1", "v1", "v2beta1"],
        ["a", "v2", "v2", "v1"],
        ["c", "v1alpha1", "v1alpha1"],
      ],
    );
    const { json } = await stage.target.call("GET", "/apis");
    equal(json.groups[0].name, "apiregistration.k8s.io");
  }),

  define(62, "versions of equal priority stand by what their names mean", async (stage) => {
    for (const version of ["v1", "v2", "v10", "v1beta1", "v11alpha2", "foo"]) {
      await stage.make(APISERVICES, apiService(stage.group, {}, version));
    }
    const [group] = await eventually(
      () => listed(stage),
      ([found]) => found?.versions.length === 6,
    );
    deepEqual(
      group?.versions.map(({ version }) => version),
      ["v10", "v2", "v1", "v1beta1", "v11alpha2", "foo"],
    );
    const { json } = await stage.target.call("GET", `/apis/${stage.group}`);
    deepEqual(
      [json.kind, json.versions, json.preferredVersion],
      ["APIGroup", group?.versions, group?.preferredVersion],
    );
  }),

  define(63, "a group that is not available is listed still", async (stage) => {
    const service = { namespace: stage.namespace, name: "missing" };
    await stage.make(APISERVICES, apiService(stage.group, { service, insecureSkipTLSVerify: true }));
    const groups = await eventually(
      () => listed(stage),
      (found) => found.length > 0,
    );
    deepEqual(
      groups.map(({ name }) => name),
      [stage.group],
    );
    const own = await stage.target.call("GET", `/apis/${stage.group}`);
    deepEqual([own.status, own.json.preferredVersion.version], [200, "v1"]);
    const answer = await stage.target.call("GET", `/apis/${stage.group}/v1`);
    deepEqual([answer.status, answer.text], [503, "service unavailable\n"]);
  }),

  define(64, "the aggregated document: its type, its tag, and 304", async ({ target }) => {
    const read = (tag?: string) =>
      target.call("GET", "/apis", { headers: { accept: V2, ...(tag !== undefined && { "if-none-match": tag }) } });
    const first = await read();
    equal(first.headers["content-type"], V2);
    match(first.headers["etag"] ?? "", /^"[0-9A-F]{128}"$/);
    match(first.headers["vary"] ?? "", /Accept/);
    match(first.headers["cache-control"] ?? "", /public/);
    // Other cases make groups all the time.
    let latest = first;
    const unchanged = await eventually(
      async () => {
        const answer = await read(latest.headers["etag"]);
        if (answer.status === 200) latest = answer;
        return answer;
      },
      ({ status }) => status === 304,
    );
    deepEqual([unchanged.status, unchanged.text, unchanged.headers["etag"]], [304, "", latest.headers["etag"]]);
  }),

  define(65, "v2beta1 is no longer spoken: the next choice, or 406", async ({ target }) => {
    const beta = V2.replace("v=v2;", "v=v2beta1;");
    const fallback = await target.call("GET", "/apis", { headers: { accept: `${beta},application/json` } });
    deepEqual([fallback.status, fallback.json.kind], [200, "APIGroupList"]);
    notEqual(fallback.headers["content-type"], beta);
    equal((await target.call("GET", "/apis", { headers: { accept: beta } })).status, 406);
  }),

  define(71, "an extension server's resources stand before a definition's", async (stage) => {
    await defineGadgets(stage, stage.group);
    deepEqual(names(await aggregated(stage, stage.group, (found) => names(found).length > 0)), ["gadgets"]);
    const server = await stage.server();
    const service = await stage.expose(server);
    const { spec, metadata } = apiService(stage.group, { service, caBundle: base64(server.ca) });
    const answer = await eventually(
      () =>
        stage.target.call("PATCH", `${APISERVICES}/${metadata.name}`, {
          contentType: "application/merge-patch+json",
          body: { metadata: { labels: null }, spec },
        }),
      ({ status }) => status === 200,
    );
    equal(answer.status, 200, answer.text);
    const taken = await aggregated(stage, stage.group, (found) => names(found).join() === "things");
    deepEqual([names(taken), taken?.[0]?.freshness], [["things"], "Current"]);
    await stage.target.call("DELETE", `${APISERVICES}/${metadata.name}`);
    const back = await aggregated(stage, stage.group, (found) => names(found).join() === "gadgets");
    deepEqual(names(back), ["gadgets"]);
  }),

  define(74, "without peers, in so many words", async ({ target }) => {
    const answer = await target.call("GET", "/apis", { headers: { accept: `${V2};profile=nopeer` } });
    equal(answer.status, 200, answer.text);
    match(
      answer.headers["content-type"] ?? "",
      /^application\/json;g=apidiscovery\.k8s\.io;v=v2;as=APIGroupDiscoveryList/,
    );
    equal(answer.json.kind, "APIGroupDiscoveryList");
    ok(answer.json.items.some(({ metadata }: { metadata: { name: string } }) => metadata.name === "apps"));
  }),
];

/** What a server says at `/apis` that speaks v2. */
export const document = (
  groupVersions: readonly string[],
  responseKind: object | null = { group: "", version: "", kind: "Thing" },
) => ({
  kind: "APIGroupDiscoveryList",
  apiVersion: "apidiscovery.k8s.io/v2",
  metadata: {},
  items: groupVersions.map((groupVersion) => ({
    metadata: { name: groupVersion.split("/")[0] },
    versions: [
      {
        version: groupVersion.split("/")[1],
        freshness: "Current",
        resources: [
          {
            resource: "widgets",
            responseKind,
            scope: "Namespaced",
            singularResource: "widget",
            verbs: ["get", "list"],
          },
        ],
      },
    ],
  })),
});

/** What one says that knows no v2. */
export const legacyGroups = (group: string) => ({
  kind: "APIGroupList",
  apiVersion: "v1",
  groups: [
    {
      name: group,
      versions: [{ groupVersion: `${group}/v1`, version: "v1" }],
      preferredVersion: { groupVersion: `${group}/v1`, version: "v1" },
    },
  ],
});

export const withSubresources = (group: string) =>
  resourceList(`${group}/v1`, [
    THINGS,
    { name: "things/status", singularName: "", namespaced: true, kind: "Thing", verbs: ["get", "update"] },
  ]);
