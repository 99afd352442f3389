import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { envelope } from "../representation/protobuf.ts";
import { BASE, type Bench, bench, tinyCodec, WIDGET, widget, widgets } from "./fixture.test-support.ts";

const WIDGETS = `${BASE}/namespaces/default/widgets`;
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
const PARTIAL = "as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
const PARTIALS = "as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
const PROTOBUF = "application/vnd.kubernetes.protobuf";
let b: Bench;
beforeEach(async () => {
  b = await bench();
  await b.send(
    "POST",
    WIDGETS,
    widget("a", { metadata: { labels: { x: "y" } }, spec: { color: "red", list: [1, { k: [] }], empty: {} } }),
  );
});
afterEach(() => b.close());
const get = (path: string, accept: string, headers = {}) => b.send("GET", path, undefined, { accept, ...headers });

describe("what an Accept header gets", () => {
  test.each([
    ["", "application/json"],
    ["*/*", "application/json"],
    ["application/*", "application/json"],
    ["application/yaml", "application/yaml"],
    ["text/html, application/yaml;q=0.5, application/json;q=0.9", "application/json"],
    [`${PROTOBUF}, application/json`, "application/json"],
    ["application/json;charset=utf-8", "application/json"],
    ["application/json;as=Odd;v=v1;g=meta.k8s.io, application/yaml", "application/yaml"],
  ])("%s: %s", async (accept, type) => {
    const answer = await get(`${WIDGETS}/a`, accept);
    expect([answer.status, answer.headers["content-type"]]).toEqual([200, type]);
  });

  test.each([
    "text/html",
    PROTOBUF,
    "application/json;as=Odd;v=v1;g=meta.k8s.io",
    "application/json;as=Table;v=v2;g=meta.k8s.io",
  ])("%s: 406, in JSON", async (accept) => {
    const answer = await get(`${WIDGETS}/a`, accept);
    expect(answer.headers["content-type"]).toMatch(/json|protobuf/);
    expect(answer.status).toBe(406);
  });

  test("the 406 says what there is", async () => {
    expect((await get(`${WIDGETS}/a`, "text/html")).json).toMatchObject({
      reason: "NotAcceptable",
      message: "only the following media types are accepted: application/json, application/yaml",
    });
  });

  test("a body nobody can read is 415", async () => {
    const answer = await b.send("POST", WIDGETS, "<a/>", { "content-type": "text/xml" });
    expect(answer.json).toMatchObject({
      code: 415,
      message:
        "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml",
    });
  });
});

describe("forms", () => {
  test("pretty is for people, and asked for by their agents", async () => {
    const plain = (await get(`${WIDGETS}/a`, "")).text;
    const expected = JSON.stringify(JSON.parse(plain), null, 2);
    expect((await get(`${WIDGETS}/a?pretty=true`, "")).text).toBe(expected);
    expect((await get(`${WIDGETS}/a`, "", { "user-agent": "curl/8" })).text).toBe(expected);
    expect((await get(`${WIDGETS}/a?pretty=0`, "", { "user-agent": "curl/8" })).text).toBe(plain);
    expect((await get(`${WIDGETS}?pretty=1`, "")).text).toContain('\n  "items": [\n');
  });

  test("metadata alone, of one and of many, in every version", async () => {
    const one = await get(`${WIDGETS}/a`, `application/json;${PARTIAL}`);
    expect(one.json).toMatchObject({
      kind: "PartialObjectMetadata",
      apiVersion: "meta.k8s.io/v1",
      metadata: { name: "a", labels: { x: "y" } },
    });
    expect(Object.keys(one.json)).toEqual(["kind", "apiVersion", "metadata"]);
    const many = await get(WIDGETS, `application/json;${PARTIALS}`);
    expect(many.json).toEqual({
      kind: "PartialObjectMetadataList",
      apiVersion: "meta.k8s.io/v1",
      metadata: { resourceVersion: "1" },
      items: [one.json],
    });
    expect((await get(WIDGETS, `application/json;${PARTIAL}`)).status).toBe(406);
    expect((await get(`${WIDGETS}/a`, `application/json;${PARTIALS}`)).status).toBe(406);
  });

  test("a table, of one and of many, with as much of the object as asked for", async () => {
    const many = await get(WIDGETS, TABLE);
    expect(many.json).toMatchObject({
      kind: "Table",
      apiVersion: "meta.k8s.io/v1",
      metadata: { resourceVersion: "1" },
    });
    expect(many.json.columnDefinitions[0]).toMatchObject({ name: "Name", type: "string", format: "name", priority: 0 });
    expect(many.json.rows).toMatchObject([
      { cells: ["a", "2026-01-01T00:00:00Z"], object: { kind: "PartialObjectMetadata" } },
    ]);
    expect((await get(`${WIDGETS}?includeObject=None`, TABLE)).json.rows[0].object).toBeNull();
    expect((await get(`${WIDGETS}/a?includeObject=Object`, TABLE)).json.rows[0].object.spec.color).toBe("red");
    expect((await get(`${WIDGETS}?includeObject=All`, TABLE)).json).toMatchObject({
      code: 400,
      message: `Unable to convert to Table as requested: includeObject: Invalid value: "All": must be 'Metadata', 'Object', 'None', or empty`,
    });
  });

  test("errors and the Status of a delete are never transformed", async () => {
    expect((await get(`${WIDGETS}/none`, TABLE)).json.kind).toBe("Status");
    expect((await b.send("DELETE", `${WIDGETS}/a`, undefined, { accept: TABLE })).json.kind).toBe("Status");
  });
});

describe("protobuf", () => {
  beforeEach(async () => {
    await b.close();
    // Field 1 the metadata (its name as field 1), field 2 the colour.
    const field = (number: number, bytes: Uint8Array) =>
      Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
    const codec = {
      ...tinyCodec(WIDGET),
      encodeProtobuf: (object: { metadata: { name?: string }; spec?: { color: string } }) =>
        envelope(
          "test.example.com/v1",
          "Widget",
          Buffer.concat([
            field(1, field(1, Buffer.from(object.metadata.name ?? ""))),
            field(2, Buffer.from(object.spec?.color ?? "")),
          ]),
        ),
    };
    b = await bench({ resources: [{ definition: widgets({ codec }) }] });
    for (const name of ["a", "b"]) await b.send("POST", WIDGETS, widget(name, { spec: { color: "red" } }));
  });
  const bytes = async (path: string, accept: string) => {
    const response = await b.open(path, { accept });
    const chunks: Uint8Array[] = [];
    for await (const chunk of response.body) chunks.push(chunk);
    return Buffer.concat(chunks);
  };

  test("an object is encoded once", async () => {
    for (let index = 0; index < 3; index++) {
      expect((await bytes(`${WIDGETS}/a`, PROTOBUF)).subarray(0, 4).toString("latin1")).toBe("k8s\0");
    }
    expect(b.backend.encodings).toMatchObject({ hits: 2, misses: 1 });
    expect(b.backend.counters.decodes).toBe(3);
  });

  test("lists and metadata are made of the same bytes", async () => {
    const list = await bytes(WIDGETS, PROTOBUF);
    expect(list.toString("latin1")).toContain("WidgetList");
    expect(list.toString("latin1").match(/red/g)).toHaveLength(2);
    const partial = await bytes(WIDGETS, `${PROTOBUF};${PARTIALS}`);
    expect(partial.toString("latin1")).toContain("PartialObjectMetadataList");
    expect(partial.toString("latin1")).not.toContain("red");
  });

  test("JSON lists of a kind that has it leave out what all items have in common, as upstream's typed lists do", async () => {
    const { json } = await get(WIDGETS, "");
    expect(Object.keys(json.items[0])).toEqual(["metadata", "spec"]);
    expect(json.items[1].metadata.name).toBe("b");
  });

  test("a watch is framed by length", async () => {
    const response = await b.open(`${WIDGETS}?watch=1&timeoutSeconds=1`, { accept: PROTOBUF });
    expect(response.headers["content-type"]).toBe("application/vnd.kubernetes.protobuf;stream=watch");
    const body = response.body[Symbol.asyncIterator]();
    const chunk = Buffer.from((await body.next()).value);
    const first = chunk.readUInt32BE(0);
    expect(chunk.subarray(4, 4 + first).toString("latin1")).toContain("ADDED");
    expect(chunk.length).toBe(8 + first + chunk.readUInt32BE(4 + first));
    await body.return?.();
  });
});

describe("what has protobuf for its metadata only", () => {
  const metadataMessage = ({ name = "" }: { name?: string }) =>
    Buffer.concat([Buffer.from([0x0a, name.length + 2, 0x0a, name.length]), Buffer.from(name)]);
  const TYPES = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
  beforeEach(async () => {
    await b.close();
    b = await bench({ resources: [{ definition: widgets({ metadataMessage }) }] });
    for (const name of ["a", "b"]) await b.send("POST", WIDGETS, widget(name, { spec: { color: "red" } }));
  });
  const bytes = async (path: string, accept: string) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of (await b.open(path, { accept })).body) chunks.push(chunk);
    return Buffer.concat(chunks);
  };
  const NAMED_A = metadataMessage({ name: "a" });
  const NAMED_B = metadataMessage({ name: "b" });

  test("an object, encoded once", async () => {
    const expected = envelope("meta.k8s.io/v1", "PartialObjectMetadata", NAMED_A);
    for (let index = 0; index < 3; index++)
      expect(await bytes(`${WIDGETS}/a`, `${PROTOBUF};${PARTIAL}`)).toEqual(expected);
    expect(b.backend.counters.metadataParses).toBe(1);
  });

  test.each([
    ["v1", [0x12, 5], 0x0a],
    ["v1beta1", [0x0a, 5], 0x12],
  ] as const)("a list of %s", async (version, item, metadata) => {
    const list = await bytes(WIDGETS, `${PROTOBUF};${PARTIALS.replace("v=v1", `v=${version}`)}`);
    expect(list.includes(Buffer.concat([Buffer.from(item), NAMED_A]))).toBe(true);
    expect(list.includes(NAMED_B)).toBe(true);
    const message = list.subarray(list.indexOf("PartialObjectMetadataList") + "PartialObjectMetadataList".length + 2);
    expect(message[0]).toBe(metadata);
    expect(list.toString("latin1")).not.toContain("red");
  });

  test("a watch, with its bookmarks", async () => {
    const path = `${WIDGETS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`;
    const response = await b.open(path, { accept: `${PROTOBUF};${PARTIAL}` });
    expect(response.headers["content-type"]).toBe(`${PROTOBUF};stream=watch`);
    const body = response.body[Symbol.asyncIterator]();
    let seen = Buffer.alloc(0);
    while (!seen.includes("BOOKMARK")) seen = Buffer.concat([seen, (await body.next()).value]);
    expect(seen.includes(NAMED_A) && seen.includes(NAMED_B)).toBe(true);
    expect(seen.readUInt32BE(0)).toBeLessThan(seen.length);
    await body.return?.();
  });

  test.each([
    ["", "text/html", TYPES],
    ["", PROTOBUF, TYPES],
    ["?watch=1", "application/json;as=Table;v=v9;g=meta.k8s.io", TYPES],
    ["?watch=1", "application/yaml, application/json", `application/json;stream=watch, ${PROTOBUF};stream=watch`],
  ])("406 for GET %s as %s names what there is", async (query, accept, types) => {
    const text = (await bytes(WIDGETS + query, accept)).toString("latin1");
    expect(text).toContain(`only the following media types are accepted: ${types}`);
    expect(text.includes(`${types}, `)).toBe(false);
  });

  test("what is no list, and what is one", async () => {
    const list = await get(WIDGETS, `${PROTOBUF};${PARTIAL}`);
    expect([list.status, list.json.message]).toEqual([
      406,
      "you requested PartialObjectMetadata, but the requested object is a list (*unstructured.UnstructuredList)",
    ]);
    const one = await get(`${WIDGETS}/a`, `${PROTOBUF};${PARTIALS}`);
    expect(one.json).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: "content is not a list",
      code: 500,
    });
  });
});

test("an error is in the media type asked for without a transform, and in JSON for people where there is none", async () => {
  const missing = (accept: string) => get(`${WIDGETS}/none`, accept);
  expect((await missing(`${TABLE},application/yaml`)).headers["content-type"]).toBe("application/yaml");
  const plain = await missing(`application/yaml;${PARTIAL}`);
  expect([plain.status, plain.headers["content-type"]]).toEqual([404, "application/json"]);
  expect(plain.text).toContain('\n  "kind": "Status"');
});

describe("large answers", () => {
  test("are compressed when the client takes it, and whole either way", async () => {
    const text = "x".repeat(1000);
    for (let index = 0; index < 300; index++) await b.send("POST", WIDGETS, widget(`w${index}`, { spec: { text } }));
    const plain = await b.send("GET", WIDGETS);
    expect([plain.json.items.length, plain.headers["content-encoding"]]).toEqual([301, undefined]);
    const response = await b.open(WIDGETS, { "accept-encoding": "br, gzip" });
    expect(response.headers).toMatchObject({ "content-encoding": "gzip", vary: "Accept-Encoding" });
    const chunks: Uint8Array[] = [];
    for await (const chunk of response.body) chunks.push(chunk);
    expect(gunzipSync(Buffer.concat(chunks)).toString()).toBe(plain.text);
    expect((await b.open(`${WIDGETS}/a`, { "accept-encoding": "gzip" })).headers["content-encoding"]).toBeUndefined();
  });
});

describe("built-in kinds are refused in the router's words", () => {
  beforeEach(async () => {
    await b.close();
    const codec = { ...tinyCodec(WIDGET), encodeProtobuf: () => envelope("v1", "Widget", new Uint8Array()) };
    b = await bench({ resources: [{ definition: widgets({ codec, fields: {} }) }] });
  });

  test("406", async () => {
    const answer = await get(WIDGETS, "text/html");
    expect(answer.json).toMatchObject({
      code: 406,
      reason: "NotAcceptable",
      details: {},
      message:
        "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf, application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch",
    });
    expect(answer.text).toContain('\n  "kind"');
    expect((await get(WIDGETS, "application/json;as=Table;v=v9;g=meta.k8s.io")).json.message).toMatch(
      /^only the following/,
    );
  });

  test("415 and field selectors", async () => {
    const patched = await b.send("PATCH", `${WIDGETS}/a`, {}, { "content-type": "text/plain" });
    expect(patched.json).toMatchObject({ code: 415, message: "415: Unsupported Media Type", details: {} });
    expect((await get(`${WIDGETS}?fieldSelector=data.a%3D1`, "")).json.message).toBe(
      '"data.a" is not a known field selector: only "metadata.name", "metadata.namespace"',
    );
  });
});
