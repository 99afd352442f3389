import { describe, expect, it } from "vitest";
import { story } from "../story.ts";

const { target, namespace } = story();
const configMaps = `/api/v1/namespaces/${namespace}/configmaps`;
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
const PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
const PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
const PROTOBUF = "application/vnd.kubernetes.protobuf";

describe("what the client wants to see", () => {
  it("YAML", async () => {
    await target.call("POST", configMaps, {
      contentType: "application/yaml",
      body: "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: neg\n  labels: {app: x}\ndata:\n  key: 'yes'\n",
    });
    const answer = await target.call("GET", `${configMaps}/neg`, { headers: { accept: "application/yaml" } });
    expect(answer.headers["content-type"]).toBe("application/yaml");
    expect(answer.text).toMatch(/^apiVersion: v1\ndata:\n {2}key: "yes"\nkind: ConfigMap\nmetadata:\n/);
  });

  it("a Table", async () => {
    const { json } = await target.call("GET", configMaps, { headers: { accept: `${TABLE},application/json` } });
    expect(json).toMatchObject({ kind: "Table", apiVersion: "meta.k8s.io/v1" });
    expect(json.columnDefinitions.map((column: { name: string }) => column.name)).toEqual(["Name", "Data", "Age"]);
    expect(json.columnDefinitions[0]).toMatchObject({ type: "string", format: "name", priority: 0 });
    const row = json.rows.find((one: { cells: unknown[] }) => one.cells[0] === "neg");
    expect(row.cells.slice(0, 2)).toEqual(["neg", 1]);
    expect(row.cells[2]).toMatch(/^\d+s$/);
    expect(row.object).toMatchObject({
      kind: "PartialObjectMetadata",
      apiVersion: "meta.k8s.io/v1",
      metadata: { name: "neg" },
    });
    expect(json.metadata.resourceVersion).toMatch(/^\d+$/);
    const none = await target.call("GET", `${configMaps}?includeObject=None`, { headers: { accept: TABLE } });
    expect(none.json.rows[0].object ?? null).toBeNull();
    const whole = await target.call("GET", `${configMaps}/neg?includeObject=Object`, { headers: { accept: TABLE } });
    expect(whole.json.rows[0].object).toMatchObject({ kind: "ConfigMap", data: { key: "yes" } });
  });

  it("only metadata", async () => {
    const one = await target.call("GET", `${configMaps}/neg`, { headers: { accept: PARTIAL } });
    expect(one.json).toMatchObject({
      kind: "PartialObjectMetadata",
      apiVersion: "meta.k8s.io/v1",
      metadata: { name: "neg" },
    });
    expect(one.json.data).toBeUndefined();
    const list = await target.call("GET", configMaps, { headers: { accept: PARTIAL_LIST } });
    expect(list.json).toMatchObject({ kind: "PartialObjectMetadataList", apiVersion: "meta.k8s.io/v1" });
    expect(list.json.items.map((item: { data?: unknown }) => item.data)).toEqual(list.json.items.map(() => undefined));
    expect((await target.call("GET", configMaps, { headers: { accept: PARTIAL } })).status).toBe(406);
  });

  it("protobuf", async () => {
    const answer = await target.call("GET", `${configMaps}/neg`, { headers: { accept: PROTOBUF } });
    expect(answer.headers["content-type"]).toBe(PROTOBUF);
    expect(answer.bytes.subarray(0, 4).toString("latin1")).toBe("k8s\0");
    expect(answer.text).toContain("neg");
    const made = await target.call("POST", `${configMaps}?dryRun=All`, {
      contentType: PROTOBUF,
      body: renamed(answer.bytes),
    });
    expect(made.status).toBe(201);
    expect(made.json.metadata.name).toBe("nag");
    const put = await target.call("PUT", `${configMaps}/neg`, { contentType: PROTOBUF, body: answer.bytes });
    expect(put.status).toBe(200);
    expect(put.json.data).toEqual({ key: "yes" });
    const broken = await target.call("POST", configMaps, { contentType: PROTOBUF, body: Buffer.from("nonsense") });
    expect(broken.status).toBe(400);
    expect(broken.json.message).toContain("provided data does not appear to be a protobuf message");
  });

  it("errors too come as protobuf", async () => {
    const answer = await target.call("GET", `${configMaps}/missing`, { headers: { accept: PROTOBUF } });
    expect(answer.status).toBe(404);
    expect(answer.headers["content-type"]).toBe(PROTOBUF);
    expect(answer.text).toContain('configmaps "missing" not found');
  });

  it("something nobody makes", async () => {
    const answer = await target.call("GET", configMaps, { headers: { accept: "image/png" } });
    expect(answer.status).toBe(406);
    expect(answer.json).toMatchObject({ reason: "NotAcceptable" });
    expect(answer.json.message).toContain(
      "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf",
    );
    expect((await target.call("GET", configMaps, { headers: { accept: "image/png, */*;q=0.1" } })).status).toBe(200);
  });

  it("a Table of a review kind", async () => {
    const answer = await target.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {
      headers: { accept: TABLE },
      body: { spec: { resourceAttributes: { verb: "get", resource: "pods" } } },
    });
    expect(answer.status).toBe(406);
  });

  it("big answers compressed", async () => {
    const data = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`key-${index}`, "x".repeat(1000)]));
    await target.call("POST", configMaps, { body: { metadata: { name: "big" }, data } });
    const answer = await target.call("GET", `${configMaps}/big`, { headers: { "accept-encoding": "gzip" } });
    expect(answer.headers["content-encoding"]).toBe("gzip");
    expect(answer.bytes.length).toBeLessThan(20_000);
    const plain = await target.call("GET", `${configMaps}/neg`, { headers: { "accept-encoding": "gzip" } });
    expect(plain.headers["content-encoding"]).toBeUndefined();
  });
});

/** The same object under another name of the same length. */
function renamed(envelope: Buffer): Buffer {
  return Buffer.from(envelope.toString("latin1").replaceAll("neg", "nag"), "latin1");
}

describe("what the client is told beside the answer", () => {
  it("Endpoints are out of date, whatever one does with them", async () => {
    const warning = '299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"';
    const endpoints = `/api/v1/namespaces/${namespace}/endpoints`;
    for (const path of [endpoints, `${endpoints}/none`, `${endpoints}?watch=1&timeoutSeconds=1`]) {
      expect((await target.call("GET", path)).headers["warning"], path).toBe(warning);
    }
    expect((await target.call("GET", configMaps)).headers["warning"]).toBeUndefined();
  });

  it("how a scale looks as a table", async () => {
    const deployments = `/apis/apps/v1/namespaces/${namespace}/deployments`;
    const labels = { app: "scaled" };
    const template = { metadata: { labels }, spec: { containers: [{ name: "c", image: "example.com/c" }] } };
    const spec = { replicas: 0, paused: true, selector: { matchLabels: labels }, template };
    await target.call("POST", deployments, { body: { metadata: { name: "scaled" }, spec } });
    const { status, json } = await target.call("GET", `${deployments}/scaled/scale`, { headers: { accept: TABLE } });
    expect(status).toBe(200);
    expect(json.columnDefinitions.map((column: { name: string; type: string }) => [column.name, column.type])).toEqual([
      ["Name", "string"],
      ["Desired", "integer"],
      ["Available", "integer"],
      ["Age", "string"],
    ]);
    expect(json.rows[0].cells).toEqual(["scaled", 0, 0, expect.stringMatching(/^\d+s$/)]);
  });
});

describe("what the client may send", () => {
  const send = (contentType: string, body: unknown) => target.call("POST", configMaps, { contentType, body });

  it.each([
    ["an unknown type", "text/html", "<b>", 415, "the body of the request was in an unknown format"],
    [
      "no JSON",
      "application/json",
      "{nonsense",
      400,
      "invalid character 'n' looking for beginning of object key string",
    ],
    ["half of a JSON object", "application/json", '{"metadata":', 400, "unexpected end of JSON input"],
    ["an empty body", "application/json", "", 400, ""],
    ["an array", "application/json", "[]", 400, "json: cannot unmarshal array into Go value"],
  ])("%s", async (_, contentType, body, code, text) => {
    const answer = await send(contentType, body);
    expect(answer.status).toBe(code);
    expect(answer.json.message).toContain(text);
  });

  it("more than three megabytes", async () => {
    const answer = await send("application/json", { metadata: { name: "huge" }, data: { a: "x".repeat(3_200_000) } });
    expect(answer.status).toBe(413);
    expect(answer.json).toMatchObject({
      reason: "RequestEntityTooLarge",
      message: "Request entity too large: limit is 3145728",
    });
  });

  it("a patch of an unknown type", async () => {
    const answer = await target.call("PATCH", `${configMaps}/neg`, { contentType: "application/json", body: {} });
    expect(answer.status).toBe(415);
    expect(answer.json).toMatchObject({
      message: "415: Unsupported Media Type",
      reason: "UnsupportedMediaType",
      details: {},
    });
  });

  it("a JSON patch that does not fit", async () => {
    const patch = (body: unknown) =>
      target.call("PATCH", `${configMaps}/neg`, { contentType: "application/json-patch+json", body });
    const failed = await patch([{ op: "test", path: "/data/key", value: "no" }]);
    expect(failed.status).toBe(422);
    expect(failed.json).toMatchObject({
      reason: "Invalid",
      message: "the server rejected our request due to an error in our request",
    });
    expect((await patch("{")).status).toBe(400);
    const many = await patch(Array.from({ length: 10_001 }, () => ({ op: "test", path: "/data/key", value: "yes" })));
    expect(many.status).toBe(413);
    expect(many.json.message).toBe(
      "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001",
    );
  });

  it("numbers and keys that other parsers trip over", async () => {
    const body =
      '{"metadata":{"name":"keys","annotations":{"__proto__":"p","constructor":"c"}},"data":{"__proto__":"x","a":"\\ud800"}}';
    const made = await send("application/json", body);
    expect([made.status, made.text.includes("__proto__")]).toEqual([422, true]);
    const legal = await send(
      "application/json",
      '{"metadata":{"name":"keys"},"data":{"constructor":"x","toString":"y","a":"\\ud800"}}',
    );
    expect(legal.status).toBe(201);
    expect(legal.json.data).toEqual({ constructor: "x", toString: "y", a: "\ufffd" });
  });
});
