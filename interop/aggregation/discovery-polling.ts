/** Cases 66 to 70, 72 and 73: what extension servers say of themselves, asked for again and again. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { eventually } from "../story.ts";
import { define } from "./case.ts";
import { aggregated, document, legacyGroups, names, V2, withSubresources } from "./discovery.ts";
import { type ExtensionServer, json } from "./extension-server.ts";
import type { Stage } from "./stage.ts";

const speaking = (groups: readonly string[]) => (server: ExtensionServer) =>
  server.on("/apis", (request, response) => {
    if (request.headers["if-none-match"] === '"tag"') response.writeHead(304, { etag: '"tag"' }).end();
    else json(response, 200, document(groups), { "content-type": V2, etag: '"tag"' });
  });

const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

const current = (stage: Stage, group: string, seconds = 15) =>
  aggregated(stage, group, (found) => found?.[0]?.freshness === "Current", seconds);

export const POLLING = [
  define(
    66,
    "it is asked again after a minute, with its tag, and 304 keeps what it said",
    async (stage) => {
      const { server, group } = await stage.behind({ prepare: speaking([`${stage.group}/v1`]) });
      deepEqual(names(await aggregated(stage, group, (found) => names(found).length > 0)), ["widgets"]);
      const before = server.asked("/apis").length;
      const later = await eventually(
        async () => server.asked("/apis").slice(before),
        (found) => found.length > 0,
        75,
      );
      deepEqual(later[0]?.header("if-none-match"), ['"tag"']);
      await pause(1);
      const found = await aggregated(stage, group, () => true);
      deepEqual([names(found), found?.[0]?.freshness], [["widgets"], "Current"]);
    },
    { slow: true },
  ),

  define(
    67,
    "two group-versions of one Service are one download",
    async (stage) => {
      const versions = ["v1", "v2"];
      const { server, group } = await stage.behind({ versions, prepare: speaking([`${stage.group}/v1`]) });
      await current(stage, group);
      // What their registration caused is over by then.
      await pause(10);
      const before = server.asked("/apis").length;
      await pause(65);
      const downloads = server.asked("/apis").length - before;
      ok(downloads >= 1 && downloads <= 2, `${downloads} downloads in 65 s`);
    },
    { slow: true },
  ),

  define(68, "a server that knows no v2 is asked for its list; sub-resources are folded", async (stage) => {
    const { server, group } = await stage.behind({
      prepare(prepared) {
        prepared.on("/apis", (_, response) => json(response, 200, legacyGroups(stage.group)));
        prepared.on(`/apis/${stage.group}/v1`, (_, response) => json(response, 200, withSubresources(stage.group)));
      },
    });
    const found = await aggregated(stage, group, (versions) => names(versions).length > 0);
    const [version] = found ?? [];
    equal(version?.freshness, "Current");
    deepEqual(names(found), ["things"]);
    deepEqual(
      version?.resources?.[0]?.subresources?.map(({ subresource, verbs }) => [subresource, verbs]),
      [["status", ["get", "update"]]],
    );
    const asked = server.asked(`/apis/${group}/v1`).find((seen) => seen.header("accept").join() === "application/json");
    deepEqual([asked?.header("x-remote-user"), asked?.header("x-remote-group")], [["system:kube-aggregator"], []]);
  }),

  define(
    69,
    "one that hangs is listed, empty and stale, until it answers",
    async (stage) => {
      const { server, group } = await stage.behind({ prepare: (prepared) => prepared.on("/apis", () => {}) });
      const [hanging] = (await aggregated(stage, group, (found) => found?.[0]?.freshness === "Stale", 20)) ?? [];
      deepEqual([hanging?.freshness, hanging?.resources ?? []], ["Stale", []]);
      const first = server.asked("/apis").length;
      speaking([`${group}/v1`])(server);
      const back = await current(stage, group, 70);
      deepEqual([names(back), back?.[0]?.freshness], [["widgets"], "Current"]);
      await server.kill();
      const [gone] = (await aggregated(stage, group, (found) => found?.[0]?.freshness === "Stale", 75)) ?? [];
      deepEqual([gone?.freshness, gone?.resources ?? []], ["Stale", []]);
      await server.start();
      const again = await current(stage, group, 70);
      deepEqual([names(again), again?.[0]?.freshness], [["widgets"], "Current"]);
      ok(first >= 1);
    },
    { slow: true },
  ),

  define(70, "a v2 document without the group-version: it is there, empty and current", async (stage) => {
    const { group } = await stage.behind({ prepare: speaking(["other.example.com/v1"]) });
    const [version] = (await current(stage, group)) ?? [];
    deepEqual([version?.version, version?.freshness, version?.resources ?? []], ["v1", "Current", []]);
  }),

  define(72, "a responseKind that is null is an object for clients", async (stage) => {
    const { group } = await stage.behind({
      prepare: (server) =>
        server.on("/apis", (_, response) =>
          json(response, 200, document([`${stage.group}/v1`], null), { "content-type": V2 }),
        ),
    });
    const [version] = (await aggregated(stage, group, (found) => names(found).length > 0)) ?? [];
    const kind = version?.resources?.[0]?.responseKind;
    deepEqual(kind, { group: "", version: "", kind: "" });
  }),

  define(
    73,
    "readiness waits until each was tried, not until it answers",
    async (stage) => {
      const own = await stage.start({ durable: true });
      const { server, group } = await own.stage.behind();
      equal((await current(own.stage, group))?.[0]?.freshness, "Current");
      server.on("/apis", () => {});
      server.on(`/apis/${group}/v1`, () => {});
      const begun = Date.now();
      await own.restart();
      const seconds = (Date.now() - begun) / 1000;
      ok(seconds < 60, `${seconds} s`);
      const verbose = await own.stage.target.call("GET", "/readyz?verbose");
      ok(verbose.text.includes("[+]poststarthook/apiservice-discovery-controller ok"), verbose.text);
      const [version] = (await aggregated(own.stage, group, () => true)) ?? [];
      deepEqual([version?.freshness, version?.resources ?? []], ["Stale", []]);
    },
    { world: "own", slow: true },
  ),
];
