import { afterAll, describe, expect, it } from "vitest";
import { type Extension, expose, json, startExtension } from "../extension.ts";
import { eventually, story } from "../story.ts";
import { uniqueName } from "../target.ts";

const { target, namespace } = story();
const APISERVICES = "/apis/apiregistration.k8s.io/v1/apiservices";
const apiService = (group: string, spec: object, version = "v1") => ({
  apiVersion: "apiregistration.k8s.io/v1",
  kind: "APIService",
  metadata: { name: `${version}.${group}` },
  spec: { group, version, groupPriorityMinimum: 100, versionPriority: 100, ...spec },
});
const made: string[] = [];
const extensions: Extension[] = [];
afterAll(async () => {
  for (const name of made) await target.call("DELETE", `${APISERVICES}/${name}`);
  for (const extension of extensions) await extension.kill().catch(() => {});
});

async function create(body: ReturnType<typeof apiService>) {
  const answer = await target.call("POST", APISERVICES, { body });
  if (answer.status === 201) made.push(body.metadata.name);
  return answer;
}

type Condition = { type: string; status: string; reason: string; message: string };
async function condition(
  name: string,
  good: (condition: Condition | undefined) => boolean,
  seconds = 30,
): Promise<Condition | undefined> {
  return eventually(
    async () =>
      (await target.call("GET", `${APISERVICES}/${name}`)).json.status?.conditions?.[0] as Condition | undefined,
    good,
    seconds,
  );
}

describe("what an APIService may say", () => {
  const service = { name: "s", namespace: "n" };
  it.each([
    [
      "a name that is not version.group",
      { ...apiService("a.example.com", { service }), metadata: { name: "v2.a.example.com" } },
      'metadata.name: Invalid value: "v2.a.example.com": must be `spec.version+"."+spec.group`: "v1.a.example.com"',
    ],
    [
      "no group but v1",
      { ...apiService("", { service }, "v1beta1"), metadata: { name: "v1beta1." } },
      "spec.group: Required value: only v1 may have an empty group and it better be legacy kube",
    ],
    [
      "a priority of 20001",
      apiService("a.example.com", { service, groupPriorityMinimum: 20001 }),
      "spec.groupPriorityMinimum: Invalid value: 20001: must be positive and less than 20000",
    ],
    [
      "a version priority of 0",
      apiService("a.example.com", { service, versionPriority: 0 }),
      "spec.versionPriority: Invalid value: 0: must be positive and less than 1000",
    ],
    [
      "port 0",
      apiService("a.example.com", { service: { ...service, port: 0 }, insecureSkipTLSVerify: true }),
      "spec.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive",
    ],
    [
      "both ways of trust",
      apiService("a.example.com", { service, insecureSkipTLSVerify: true, caBundle: "YWJj" }),
      "spec.insecureSkipTLSVerify: Invalid value: true: may not be true if caBundle is present",
    ],
    [
      "a local one with a bundle",
      apiService("a.example.com", { caBundle: "YWJj" }),
      'spec.caBundle: Invalid value: "3 bytes": local APIServices may not have a caBundle',
    ],
    ["a bad version", apiService("a.example.com", { service }, "1v"), "spec.version: Invalid value"],
    [
      "no service name",
      apiService("a.example.com", { service: { name: "", namespace: "n" } }),
      "spec.service.name: Required value",
    ],
  ])("not %s", async (_, body, text) => {
    const answer = await create(body);
    expect(answer.status).toBe(422);
    expect(answer.json.message).toContain(text);
  });

  it("is stored with its default port and without a status", async () => {
    const group = `${uniqueName("g")}.example.com`;
    const answer = await create({
      ...apiService(group, { service, insecureSkipTLSVerify: true }),
      status: { conditions: [{ type: "Available", status: "True" }] },
    } as never);
    expect(answer.status).toBe(201);
    expect(answer.json.spec.service.port).toBe(443);
    expect(answer.json.status).toEqual({});
    const unavailable = await condition(`v1.${group}`, (found) => found?.status === "False");
    expect(unavailable).toMatchObject({ reason: "ServiceNotFound", message: 'service/s in "n" is not present' });
    const blind = await target.call("PUT", `${APISERVICES}/v1.${group}`, {
      body: apiService(group, { service, insecureSkipTLSVerify: true }),
    });
    expect(blind.status).toBe(422);
    expect(blind.json.message).toContain("metadata.resourceVersion: Invalid value: 0: must be specified for an update");
    const status = await target.call("PATCH", `${APISERVICES}/v1.${group}/status`, {
      contentType: "application/merge-patch+json",
      body: { status: { conditions: [{ type: "Available", status: "Maybe" }] } },
    });
    expect(status.json.message).toContain('status.conditions[0].status: Unsupported value: "Maybe"');
  });

  it("is available at once when it is local", async () => {
    const group = `${uniqueName("local")}.example.com`;
    const answer = await create(apiService(group, {}));
    expect(answer.json.status.conditions[0]).toMatchObject({
      type: "Available",
      status: "True",
      reason: "Local",
      message: "Local APIServices are always available",
    });
  });

  it("shows in a table", async () => {
    const answer = await target.call("GET", APISERVICES, {
      headers: { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" },
    });
    expect(answer.json.columnDefinitions.map((column: { name: string }) => column.name)).toEqual([
      "Name",
      "Service",
      "Available",
      "Age",
    ]);
    expect(answer.json.rows.find((row: { cells: string[] }) => row.cells[0] === "v1.apps").cells.slice(0, 3)).toEqual([
      "v1.apps",
      "Local",
      "True",
    ]);
  });
});

describe("an extension server behind the API", () => {
  const group = `${uniqueName("ext")}.example.com`;
  const service = { namespace, name: "extension" };
  const name = `v1.${group}`;
  const things = `/apis/${group}/v1/namespaces/${namespace}/things`;
  let extension: Extension;

  it("becomes available and appears in discovery", async () => {
    extension = await startExtension({ group, service });
    extensions.push(extension);
    const port = await expose(target, extension, service);
    await create(
      apiService(group, { service: { ...service, port }, caBundle: Buffer.from(extension.ca).toString("base64") }),
    );
    const available = await condition(name, (found) => found?.status === "True");
    expect(available).toMatchObject({ reason: "Passed", message: "all checks passed" });
    const groups = await target.call("GET", "/apis");
    expect(groups.json.groups.map((one: { name: string }) => one.name)).toContain(group);
    expect((await target.call("GET", `/apis/${group}/v1`)).json.resources[0].name).toBe("things");
    const aggregated = await eventually(
      async () =>
        (
          await target.call("GET", "/apis", {
            headers: { accept: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList" },
          })
        ).json.items.find((item: { metadata: { name: string } }) => item.metadata.name === group),
      (item) => item?.versions[0].resources?.length === 1,
    );
    expect(aggregated.versions[0]).toMatchObject({
      freshness: "Current",
      resources: [{ resource: "things", verbs: ["get", "list"] }],
    });
  });

  it("was asked as the aggregator, with its certificate, by the service's name", () => {
    const probe = extension.seen.find((seen) => seen.url === `/apis/${group}/v1`)!;
    expect(extension.headers(probe, "x-remote-user")).toEqual(["system:kube-aggregator"]);
    expect(extension.headers(probe, "x-remote-group")).toEqual(["system:masters"]);
    expect(probe.peer).toBe("front-proxy-client");
    expect(probe.serverName).toBe(`extension.${namespace}.svc`);
  });

  it("sees who calls, and nothing that was forged", async () => {
    const before = extension.seen.length;
    const answer = await target.call("GET", `${things}?b=2&a=1&bad=%zz`, {
      headers: {
        "x-remote-user": "forged",
        "x-remote-extra-scopes": "forged",
        "impersonate-user": "jane",
        "impersonate-group": "system:masters",
      },
    });
    expect(answer.status).toBe(200);
    expect(answer.json.kind).toBe("ThingList");
    const seen = extension.seen.slice(before).find((one) => one.url.startsWith(things))!;
    expect(extension.headers(seen, "x-remote-user")).toEqual(["jane"]);
    expect(extension.headers(seen, "x-remote-group")).toEqual(["system:masters", "system:authenticated"]);
    const names = seen.rawHeaders.filter((_, index) => index % 2 === 0).map((header) => header.toLowerCase());
    expect(
      names.filter(
        (header) =>
          header.startsWith("x-remote-extra-") || header.startsWith("impersonate-") || header === "authorization",
      ),
    ).toEqual([]);
    expect(seen.url).toBe(`${things}?a=1&b=2`);
    expect(extension.headers(seen, "x-forwarded-proto")).toEqual(["https"]);
    expect(extension.headers(seen, "x-forwarded-uri")).toEqual([things]);
    expect(extension.headers(seen, "x-forwarded-for")).toEqual(["127.0.0.1"]);
    expect(extension.headers(seen, "audit-id")).toEqual([answer.headers["audit-id"]?.split("\n")[0]]);
  });

  it("is not reached by those who may not", async () => {
    const before = extension.seen.length;
    expect((await target.call("GET", things, { anonymous: true })).status).toBe(403);
    expect(extension.seen.slice(before).filter((seen) => seen.url.startsWith(things))).toEqual([]);
  });

  it("answers in its own words", async () => {
    extension.behave((_, response) => {
      response.setHeader("warning", '299 - "careful"');
      response.setHeader("access-control-allow-origin", "*");
      json(response, 409, { kind: "Status", own: "bytes" });
    });
    const answer = await target.call("GET", `${things}/x`);
    expect([answer.status, answer.text]).toEqual([409, '{"kind":"Status","own":"bytes"}']);
    expect(answer.headers["warning"]).toBe('299 - "careful"');
    expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
  });

  it("cannot send the client elsewhere", async () => {
    extension.behave((_, response) => {
      response.writeHead(302, { location: "https://elsewhere.example.com/" });
      response.end();
    });
    const answer = await target.call("GET", things);
    expect(answer.status).toBe(502);
    expect(answer.text).toContain("the backend attempted to redirect this request, which is not permitted");
    expect(answer.headers["location"]).toBeUndefined();
    extension.behave((_, response) => response.writeHead(304).end());
    expect((await target.call("GET", things)).status).toBe(304);
  });

  it("streams", async () => {
    extension.behave(async (_, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      for (let index = 0; index < 3; index++) {
        response.write(`${JSON.stringify({ type: "ADDED", object: { index } })}\n`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      response.end();
    });
    const events: unknown[] = [];
    for await (const event of target.stream(`${things}?watch=true`)) events.push(event.object.index);
    expect(events).toEqual([0, 1, 2]);
  });

  it("that breaks off breaks only its own answer", async () => {
    extension.behave((request, response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
      response.write("{");
      setTimeout(() => request.socket.destroy(), 50);
    });
    await expect(target.call("GET", things)).rejects.toThrow();
    extension.behave((request) => request.socket.destroy());
    const reset = await target.call("GET", things);
    expect(reset.status).toBe(503);
    expect(reset.text).toContain("error trying to reach service:");
    expect((await target.call("GET", "/apis/apps/v1/deployments")).status).toBe(200);
  });

  it("that dies is unavailable and says so, until it is back", async () => {
    await extension.kill();
    const direct = await target.call("GET", things);
    expect(direct.status).toBe(503);
    const down = await condition(name, (found) => found?.status === "False", 60);
    expect(down).toMatchObject({ status: "False", reason: "FailedDiscoveryCheck" });
    const refused = await target.call("GET", things);
    expect([refused.status, refused.text, refused.headers["content-type"]]).toEqual([
      503,
      "service unavailable\n",
      "text/plain; charset=utf-8",
    ]);
    expect((await target.call("GET", "/apis")).json.groups.map((one: { name: string }) => one.name)).toContain(group);
    expect((await target.call("GET", `/apis/${group}`)).status).toBe(200);
    extension.behave((_, response) => json(response, 200, { kind: "ThingList" }));
    await extension.start();
    expect(await condition(name, (found) => found?.status === "True", 60)).toMatchObject({ reason: "Passed" });
    expect((await target.call("GET", things)).status).toBe(200);
  }, 150_000);

  it("is gone with its APIService", async () => {
    await target.call("DELETE", `${APISERVICES}/${name}`);
    const answer = await eventually(
      () => target.call("GET", things),
      (found) => found.status === 404,
    );
    expect([answer.status, answer.text]).toEqual([404, "404 page not found\n"]);
  });
});

describe("an extension server that cannot be trusted", () => {
  it.each([
    ["for another name", { certificateName: "elsewhere.example.com" }],
    ["that has expired", { lifetime: -60_000 }],
  ])("because of a certificate %s stays unavailable", async (_, options) => {
    const group = `${uniqueName("bad")}.example.com`;
    const service = { namespace, name: uniqueName("bad") };
    const extension = await startExtension({ group, service, ...options });
    extensions.push(extension);
    const port = await expose(target, extension, service);
    await create(
      apiService(group, { service: { ...service, port }, caBundle: Buffer.from(extension.ca).toString("base64") }),
    );
    const failed = await condition(`v1.${group}`, (found) => found?.status === "False");
    expect(failed).toMatchObject({ status: "False", reason: "FailedDiscoveryCheck" });
    expect(failed?.message).toMatch(/certificate/);
    expect(extension.seen).toEqual([]);
  });

  it("because another authority signed it stays unavailable", async () => {
    const group = `${uniqueName("bad")}.example.com`;
    const service = { namespace, name: uniqueName("bad") };
    const [extension, other] = [await startExtension({ group, service }), await startExtension({ group, service })];
    extensions.push(extension, other);
    const port = await expose(target, extension, service);
    await create(
      apiService(group, { service: { ...service, port }, caBundle: Buffer.from(other.ca).toString("base64") }),
    );
    expect(await condition(`v1.${group}`, (found) => found?.status === "False")).toMatchObject({
      reason: "FailedDiscoveryCheck",
    });
    expect(extension.seen).toEqual([]);
  });
});
