/** Cases 57 to 60: when a path leads to an extension server, and when no longer. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { eventually } from "../story.ts";
import type { Answer } from "../target.ts";
import { define } from "./case.ts";
import { json, resourceList } from "./extension-server.ts";
import { APISERVICES, apiService, base64, type Stage } from "./stage.ts";

const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/** A definition of `gadgets`, once it is served. */
export async function defineGadgets(stage: Stage, group: string, version = "v1"): Promise<string> {
  const name = `gadgets.${group}`;
  await stage.make(CRDS, {
    metadata: { name },
    spec: {
      group,
      names: { plural: "gadgets", singular: "gadget", kind: "Gadget" },
      scope: "Namespaced",
      versions: [{ name: version, served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
    },
  } as never);
  await eventually(
    () => stage.target.call("GET", `${CRDS}/${name}`),
    ({ json }) =>
      json.status?.conditions?.some(
        ({ type, status }: { type: string; status: string }) => type === "Established" && status === "True",
      ),
  );
  return name;
}

const resourcesAt = async ({ target }: Stage, groupVersion: string): Promise<string[] | number> => {
  const answer = await target.call("GET", `/apis/${groupVersion}`);
  return answer.status === 200 ? answer.json.resources.map(({ name }: { name: string }) => name) : answer.status;
};
const same = (a: unknown) => (b: unknown) => JSON.stringify(a) === JSON.stringify(b);

export const ROUTES = [
  define(
    57,
    "a server that starts says 503, not 404, of a path it does not know yet",
    async (stage) => {
      const own = await stage.start({ durable: true });
      const { things } = await own.stage.behind();
      equal((await own.stage.target.call("GET", things)).status, 200);
      const answers: Answer[] = [];
      let restarting = true;
      const asking = (async () => {
        while (restarting) {
          const answer = await own.stage.target.call("GET", things).catch(() => undefined);
          if (answer !== undefined) answers.push(answer);
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      })();
      await own.restart();
      const after = await eventually(
        () => own.stage.target.call("GET", things),
        ({ status }) => status === 200,
      );
      restarting = false;
      await asking;
      equal(after.status, 200, after.text);
      const statuses = [...new Set(answers.map(({ status }) => status))];
      // What authorizes may not be read yet either.
      deepEqual(
        statuses.filter((status) => ![200, 403, 503].includes(status)),
        [],
      );
      for (const { status, text, headers } of answers) {
        if (status !== 503 || !text.startsWith("{")) continue;
        match(text, /the request has been made before all known HTTP paths have been installed, please try again/);
        equal(headers["retry-after"], "5");
      }
    },
    { world: "own", slow: true, note: "asked every few milliseconds during the start" },
  ),

  define(58, "without its APIService a definition shows, or 404; without versions the group is gone", async (stage) => {
    const { group } = stage;
    await defineGadgets(stage, group);
    const groupVersion = `${group}/v1`;
    deepEqual(await eventually(() => resourcesAt(stage, groupVersion), same(["gadgets"])), ["gadgets"]);
    // It takes over by what it is called; the definition's own claim is replaced.
    const { name } = await replaced(stage, group);
    deepEqual(await eventually(() => resourcesAt(stage, groupVersion), same(["things"])), ["things"]);
    await stage.target.call("DELETE", `${APISERVICES}/${name}`);
    deepEqual(await eventually(() => resourcesAt(stage, groupVersion), same(["gadgets"])), ["gadgets"]);

    const other = `other.${group}`;
    const behind = await stage.behind({ group: other, versions: ["v1", "v2"], names: [`t.${stage.namespace}.svc`] });
    await stage.target.call("DELETE", `${APISERVICES}/v1.${other}`);
    equal(await eventually(() => resourcesAt(stage, `${other}/v1`), same(404)), 404);
    equal((await stage.target.call("GET", `/apis/${other}`)).status, 200);
    await stage.target.call("DELETE", `${APISERVICES}/v2.${other}`);
    const gone = await eventually(
      () => stage.target.call("GET", `/apis/${other}`),
      ({ status }) => status === 404,
    );
    deepEqual([gone.status, gone.text], [404, "404 page not found\n"]);
    equal(await resourcesAt(stage, `${other}/v2`), 404);
    ok(behind.server.seen.length > 0);
  }),

  define(
    59,
    "a built-in group-version can be claimed, its own registration cannot",
    async (stage) => {
      const { stage: own } = await stage.start();
      const server = await own.server({ group: "apps" });
      const service = await own.expose(server);
      const claim = (group: string) => {
        const { spec, metadata } = apiService(group, { service, caBundle: base64(server.ca) });
        return own.target.call("PATCH", `${APISERVICES}/${metadata.name}`, {
          contentType: "application/merge-patch+json",
          body: { metadata: { labels: null }, spec },
        });
      };
      const taken = await claim("apps");
      equal(taken.status, 200, taken.text);
      deepEqual(await eventually(() => resourcesAt(own, "apps/v1"), same(["things"])), ["things"]);
      await own.target.call("GET", "/apis/apps/v1/deployments");
      ok(server.asked("/apis/apps/v1/deployments").length > 0);

      const registration = "apiregistration.k8s.io";
      server.on(`/apis/${registration}/`, (_, response) => json(response, 200, resourceList(`${registration}/v1`)));
      const body = apiService(registration, { service, caBundle: base64(server.ca) });
      const made = await own.create(APISERVICES, body);
      equal(made.status, 201, made.text);
      await own.condition(`v1.${registration}`, (found) => found?.status === "True", 10);
      equal((await own.target.call("GET", APISERVICES)).json.kind, "APIServiceList");
      deepEqual(await resourcesAt(own, `${registration}/v1`), ["apiservices", "apiservices/status"]);
      equal(server.asked(APISERVICES).length, 0);
    },
    { world: "own", slow: true },
  ),

  define(
    60,
    "an extension server that hangs on /openapi/v2 delays no other one's registration",
    async (stage) => {
      const { stage: own } = await stage.start();
      const slow = await own.behind({
        prepare: (server) => server.on("/openapi/v2", () => {}),
      });
      // Any change of it makes the download, before whatever else waits for the same worker upstream.
      const touched = await own.target.call("PATCH", `${APISERVICES}/${slow.name}`, {
        contentType: "application/merge-patch+json",
        body: { metadata: { labels: { touched: "yes" } } },
      });
      equal(touched.status, 200, touched.text);
      await eventually(
        async () => slow.server.seen,
        (seen) => seen.some(({ url }) => url === "/openapi/v2"),
        10,
      );
      const group = `quick.${own.group}`;
      const begun = Date.now();
      await own.behind({ group, names: [`q.${own.namespace}.svc`], available: false });
      const registered = await eventually(
        () => resourcesAt(own, `${group}/v1`),
        (found) => found !== 404,
        20,
      );
      const seconds = (Date.now() - begun) / 1000;
      if (own.upstream) equal(registered, 404);
      else ok(registered !== 404 && seconds < 10, `${seconds} s`);
    },
    { world: "own", slow: true, differs: "registration while OpenAPI is downloaded" },
  ),
];

/** The definition's claim becomes one on an extension server. */
async function replaced(stage: Stage, group: string): Promise<{ name: string }> {
  const server = await stage.server();
  const service = await stage.expose(server);
  const { spec, metadata } = apiService(group, { service, caBundle: base64(server.ca) });
  const answer = await eventually(
    () =>
      stage.target.call("PATCH", `${APISERVICES}/${metadata.name}`, {
        contentType: "application/merge-patch+json",
        body: { metadata: { labels: null }, spec },
      }),
    ({ status }) => status === 200,
  );
  equal(answer.status, 200, answer.text);
  return metadata;
}
