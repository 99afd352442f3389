/** Cases 22 to 31: the probe, and what is written and counted of it. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { eventually } from "../story.ts";
import { claim, reason, service, slice } from "./availability.ts";
import { define } from "./case.ts";
import { type ExtensionServer, json, resourceList, type Seen } from "./extension-server.ts";
import { APISERVICES, apiService, base64, type Stage } from "./stage.ts";

/** Discovery asks for the same path, but says what it accepts. */
const isProbe = (seen: Pick<Seen, "header">) =>
  seen.header("x-remote-user").join() === "system:kube-aggregator" && seen.header("accept").length === 0;

const probes = (server: ExtensionServer, group: string) => server.asked(`/apis/${group}/v1`).filter(isProbe);

/** A server that answers its probe with `status`, registered. */
async function answering(stage: Stage, letter: string, status: number): Promise<string> {
  const group = `${letter}.${stage.group}`;
  const { name } = await stage.behind({
    group,
    names: [`${letter}.${stage.namespace}.svc`],
    available: false,
    prepare: (server) =>
      server.on(`/apis/${group}/v1`, (_, response) => {
        response.writeHead(status, status === 301 || status === 302 ? { location: "/elsewhere" } : {}).end();
      }),
  });
  return name;
}

/** Of a series with exactly these labels; undefined when there is none. */
async function series({ target }: Stage, name: string, labels: string): Promise<number | undefined> {
  const { text } = await target.call("GET", "/metrics");
  const line = text.split("\n").find((one) => one.startsWith(`${name}{${labels}} `));
  return line === undefined ? undefined : Number(line.split(" ").at(-1));
}

const GAUGE = "aggregator_unavailable_apiservice";
const COUNTER = "aggregator_unavailable_apiservice_total";

export const PROBES = [
  define(22, "200 and 204 pass", async (stage) => {
    for (const [letter, status] of [
      ["a", 200],
      ["b", 204],
    ] as const) {
      const name = await answering(stage, letter, status);
      const condition = await stage.condition(name, (found) => found?.status === "True", 15);
      deepEqual([condition?.reason, condition?.message], ["Passed", "all checks passed"]);
    }
  }),

  define(23, "301, 302, 304, 401, 403, 404 and 500 fail, and are named", async (stage) => {
    const statuses = [301, 302, 304, 401, 403, 404, 500];
    await Promise.all(
      statuses.map(async (status) => {
        const name = await answering(stage, `s${status}`, status);
        const condition = await stage.condition(name, (found) => found !== undefined, 20);
        deepEqual([condition?.status, condition?.reason], ["False", "FailedDiscoveryCheck"]);
        const url = `https://${stage.host}:\\d+/apis/s${status}\\.${stage.group}/v1`;
        match(
          condition?.message ?? "",
          new RegExp(`^failing or missing response from ${url}: bad status from ${url}: ${status}`),
        );
      }),
    );
  }),

  define(24, "one good answer of five is enough", async (stage) => {
    let turn = 0;
    const { name } = await stage.behind({
      available: false,
      prepare: (server) =>
        server.on(`/apis/${stage.group}/v1`, (request, response) => {
          const header = (key: string) => [request.headers[key] ?? []].flat();
          if (isProbe({ header }) && turn++ % 5 !== 4) response.writeHead(403).end();
          else json(response, 200, resourceList(`${stage.group}/v1`));
        }),
    });
    const condition = await stage.condition(name, (found) => found !== undefined, 15);
    deepEqual([condition?.status, condition?.reason], ["True", "Passed"]);
    ok(turn >= 5);
  }),

  define(25, "who probes: the aggregator, a master, with its certificate and no token", async (stage) => {
    const { server, group } = await stage.behind();
    const probe = probes(server, group)[0]!;
    ok(probe !== undefined);
    equal(probe.method, "GET");
    deepEqual(probe.header("x-remote-user"), ["system:kube-aggregator"]);
    deepEqual(probe.header("x-remote-group"), ["system:masters"]);
    deepEqual([probe.header("authorization"), probe.header("x-remote-uid")], [[], []]);
    deepEqual([probe.serverName, probe.peer], [`s.${stage.namespace}.svc`, "front-proxy-client"]);
    equal(probe.header("host")[0], `${server.host}:${server.port}`);
  }),

  define(
    26,
    "the legacy group is probed at /api/v1",
    async (stage) => {
      const { stage: own } = await stage.start();
      const server = await own.server();
      const reference = await own.expose(server);
      const { spec } = apiService("", { service: reference, caBundle: base64(server.ca) });
      const answer = await own.target.call("PATCH", `${APISERVICES}/v1.`, {
        contentType: "application/merge-patch+json",
        body: { metadata: { labels: null }, spec: { ...spec, group: null } },
      });
      equal(answer.status, 200, answer.text);
      await eventually(
        async () => server.asked("/api/v1").filter(isProbe),
        (found) => found.length > 0,
      );
      ok(server.asked("/api/v1").filter(isProbe).length > 0);
      const condition = await own.condition("v1.", (found) => found?.reason === "FailedDiscoveryCheck", 15);
      match(condition?.message ?? "", /\/api\/v1: 404/);
    },
    { world: "own", slow: true },
  ),

  define(
    27,
    "a server that hangs is unavailable within seconds, and asked again at least every 30",
    async (stage) => {
      const begun = Date.now();
      const { server, name, group } = await stage.behind({
        available: false,
        prepare: (prepared) => prepared.on(`/apis/${stage.group}/v1`, () => {}),
      });
      const condition = await stage.condition(name, (found) => found !== undefined, 20);
      const seconds = (Date.now() - begun) / 1000;
      deepEqual([condition?.status, condition?.reason], ["False", "FailedDiscoveryCheck"]);
      match(condition?.message ?? "", /Client.Timeout exceeded|timed out waiting/);
      ok(seconds < 10, `${seconds} s`);
      await new Promise((resolve) => setTimeout(resolve, 60_000));
      const times = probes(server, group).map(({ at }) => at);
      const gaps = [...times, Date.now()].slice(1).map((at, index) => at - times[index]!);
      // A round that hangs takes 5 s or 6 itself.
      ok(times.length >= 15 && Math.max(...gaps) < 38_000, `${times.length} probes, gaps ${gaps}`);
    },
    { slow: true },
  ),

  define(
    28,
    "a server that dies without a word is found out by the next round, and so is its return",
    async (stage) => {
      const { server, name } = await stage.behind();
      await server.kill();
      const down = await stage.condition(name, (found) => found?.status === "False", 45);
      deepEqual([down?.status, down?.reason], ["False", "FailedDiscoveryCheck"]);
      match(down?.message ?? "", /connect: connection refused/);
      await server.start();
      const up = await stage.condition(name, (found) => found?.status === "True", 35);
      deepEqual([up?.status, up?.reason], ["True", "Passed"]);
    },
    { slow: true },
  ),

  define(
    29,
    "a bundle that is none: no condition ever, and 503",
    async (stage) => {
      const server = await stage.server();
      await service(stage);
      await slice(stage, "s", { ports: [{ name: "https", port: server.port }] });
      const name = await claim(stage, { caBundle: base64("garbage") });
      equal(await stage.condition(name, (found) => found !== undefined, 35), undefined);
      const answer = await stage.target.call("GET", `/apis/${stage.group}/v1/things`);
      deepEqual([answer.status, answer.text], [503, "service unavailable\n"]);
      equal(server.seen.length, 0);
    },
    { slow: true },
  ),

  define(30, "the same finding is not written again; its time is that of the status", async (stage) => {
    const name = await claim(stage);
    const first = await reason(stage, "ServiceNotFound");
    const version = async () =>
      (await stage.target.call("GET", `${APISERVICES}/${name}`)).json.metadata.resourceVersion;
    const before = await version();
    await slice(stage, "s", { ready: false });
    // Whoever comes later is found the same, and by then the event of the slice was heard.
    const reference = { namespace: stage.namespace, name: "s" };
    const later = apiService(`later.${stage.group}`, { service: reference, insecureSkipTLSVerify: true });
    await stage.make(APISERVICES, later);
    await stage.condition(later.metadata.name, (found) => found?.reason === "ServiceNotFound");
    equal(await version(), before);
    // Times are whole seconds.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await service(stage);
    const second = await reason(stage, "MissingEndpoints");
    equal(second.lastTransitionTime, first.lastTransitionTime);
    ok((await version()) !== before);
  }),

  define(31, "metrics: a gauge for each, and a count of losses", async (stage) => {
    const { name, service: reference } = await stage.behind();
    equal(await series(stage, GAUGE, `name="${name}"`), 0);
    await stage.target.call("DELETE", `/api/v1/namespaces/${reference.namespace}/services/${reference.name}`);
    await reason(stage, "ServiceNotFound");
    const labels = `name="${name}",reason="ServiceNotFound"`;
    // It is counted after it is written.
    equal(
      await eventually(
        () => series(stage, COUNTER, labels),
        (count) => count === 1,
        5,
      ),
      1,
    );
    equal(await series(stage, GAUGE, `name="${name}"`), 1);

    const other = apiService(`other.${stage.group}`, {
      service: { namespace: stage.namespace, name: "s" },
      insecureSkipTLSVerify: true,
    });
    await stage.make(APISERVICES, other);
    await stage.condition(other.metadata.name, (found) => found?.status === "False");
    equal(await series(stage, GAUGE, `name="${other.metadata.name}"`), 1);
    equal(await series(stage, COUNTER, `name="${other.metadata.name}",reason="ServiceNotFound"`), undefined);

    await stage.target.call("DELETE", `${APISERVICES}/${name}`);
    const gone = await eventually(
      () => series(stage, GAUGE, `name="${name}"`),
      (value) => value === undefined,
      10,
    );
    equal(gone, undefined);
  }),
];
