/** Bodies nobody should send: each gets the documented refusal, and the server is the same as before. */
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { story } from "../story.ts";

const { target, namespace } = story();
const configMaps = `/api/v1/namespaces/${namespace}/configmaps`;
const PROTOBUF = "application/vnd.kubernetes.protobuf";
const YAML = "application/yaml";
const keys = Object.getOwnPropertyNames(Object.prototype).join();

afterEach(async () => {
  expect((await target.call("GET", "/readyz")).text).toBe("ok");
  expect(Object.getOwnPropertyNames(Object.prototype).join()).toBe(keys);
});

const nested = (open: string, close: string, depth: number) => open.repeat(depth) + 1 + close.repeat(depth);
const send = (body: string | Buffer, contentType = "application/json", query = "") =>
  target.call("POST", `${configMaps}${query}`, { body, contentType });

async function refused(body: string | Buffer, code: number, text: string, contentType?: string) {
  const answer = await send(body, contentType);
  expect([answer.status, answer.json.kind, answer.json.code]).toEqual([code, "Status", code]);
  expect(answer.json.message).toContain(text);
}

describe("text that is no JSON", () => {
  it.each([
    ["cut off", '{"metadata":{"name":"a"', "unexpected end of JSON input"],
    ["not UTF-8", Buffer.from("fffe", "hex"), "invalid character"],
    ["a byte order mark", "\ufeff{}", "invalid character"],
    ["UTF-16", Buffer.from('{"metadata":{}}', "utf16le"), "invalid character"],
    ["a control character in a string", '{"a":"\u0001"}', "invalid character '\\x01' in string literal"],
    ["a comma too many", '{"metadata":{},}', "invalid character '}' looking for beginning of object key string"],
    ["single quotes", "{'metadata':{}}", "looking for beginning of object key string"],
    ["a comment", "/* c */{}", "looking for beginning of value"],
    ["a broken escape", '{"a":"\\x"}', "in string escape code"],
    ["a second document", '{"metadata":{"name":"n"}}{}', "after top-level value"],
    ["NaN", '{"a":NaN}', "looking for beginning of value"],
    ["a leading zero", '{"a":01}', "after object key:value pair"],
    ["a hexadecimal number", '{"a":0x10}', "after object key:value pair"],
    ["half an exponent", '{"a":1e}', "in exponent of numeric literal"],
  ])("%s", async (_, body, text) => {
    const answer = await send(body);
    expect([answer.status, answer.json.reason]).toEqual([400, "BadRequest"]);
    expect(answer.json.message).toContain(text);
  });
});

describe("numbers", () => {
  it.each(["9223372036854775808", "-9223372036854775809", "1e400", "1.5", "1e30", "123456789012345678901234567890"])(
    "%s is no int64",
    (number) => refused(`{"metadata":{"name":"n","generation":${number}}}`, 400, "json: cannot unmarshal number"),
  );

  it("one more than a double can hold is still no string", () =>
    refused(
      '{"metadata":{"name":"n"},"data":{"a":9007199254740993}}',
      400,
      "json: cannot unmarshal number into Go struct field",
    ));
});

describe("keys that mean something to JavaScript", () => {
  const hostile = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf"];

  it.each(hostile)("%s is an unknown field like any other", async (key) => {
    const top = await send(
      `{"metadata":{"name":"a"},"${key}":{"polluted":true}}`,
      undefined,
      "?fieldValidation=Strict",
    );
    expect([top.status, top.json.message.includes(`unknown field "${key}"`)]).toEqual([400, true]);
    const below = await send(`{"metadata":{"name":"a","${key}":{}}}`, undefined, "?fieldValidation=Strict");
    expect(below.json.message).toContain(`unknown field "metadata.${key}"`);
    const yaml = await send(`metadata: {name: a}\n${key}: {polluted: true}\n`, YAML, "?fieldValidation=Strict");
    expect(yaml.json.message).toContain(`unknown field "${key}"`);
  });

  it.each(hostile.filter((key) => !key.startsWith("_")))("%s is data like any other", async (key) => {
    const name = `key-${key.toLowerCase()}`;
    const made = await send(
      JSON.stringify({ metadata: { name, labels: { [key]: "l" }, annotations: { [key]: "a" } }, data: { [key]: "d" } }),
    );
    expect(made.status).toBe(201);
    const { json } = await target.call("GET", `${configMaps}/${name}`);
    expect([json.metadata.labels, json.metadata.annotations, json.data]).toEqual([
      { [key]: "l" },
      { [key]: "a" },
      { [key]: "d" },
    ]);
    const listed = await target.call("GET", `${configMaps}?labelSelector=${key}%3Dl`);
    expect(listed.json.items).toHaveLength(1);
  });

  it("__proto__ is legal data, and no legal label", async () => {
    const made = await send('{"metadata":{"name":"proto"},"data":{"__proto__":"d"}}');
    expect([made.status, made.text.includes('"data":{"__proto__":"d"}')]).toEqual([201, true]);
    const { text } = await target.call("GET", `${configMaps}/proto`, { headers: { accept: PROTOBUF } });
    expect(text).toContain("__proto__");
    for (const field of ["labels", "annotations"]) {
      await refused(`{"metadata":{"name":"a","${field}":{"__proto__":"x"}}}`, 422, "__proto__");
    }
  });
});

describe("duplicates", () => {
  it("in any spelling are found", async () => {
    const answer = await send(
      '{"metadata":{"name":"dup"},"data":{"a":"1","\\u0061":"2"}}',
      undefined,
      "?fieldValidation=Strict",
    );
    expect(answer.json.message).toContain('duplicate field "data.a"');
    const yaml = await send("metadata: {name: dup}\ndata:\n  a: x\n  a: z\n", YAML, "?fieldValidation=Strict");
    expect(yaml.json.message).toContain('key "a" already set in map');
  });
});

describe("nesting", () => {
  it.each([10_001, 100_000, 1_000_000])("of %d levels is refused", async (depth) => {
    await refused(`{"zzz":${nested("[", "]", depth)}}`, 400, "exceeded max depth");
    await refused("[".repeat(depth), 400, "exceeded max depth");
    await refused(`{"zzz":${'{"a":'.repeat(Math.min(depth, 500_000))}`, 400, "exceeded max depth");
    await refused(`zzz: ${nested("[", "]", depth)}\n`, 400, "yaml:", YAML);
    await refused(`zzz: ${nested("{a: ", "}", Math.min(depth, 500_000))}\n`, 400, "yaml:", YAML);
  });

  it("that is allowed is allowed", async () => {
    const made = await send(`{"metadata":{"name":"deep"},"zzz":${nested("[", "]", 9_990)}}`);
    expect(made.status).toBe(201);
    expect((await send(`metadata: {name: deep-yaml}\nzzz: ${nested("[", "]", 900)}\n`, YAML)).status).toBe(201);
  });

  it("of block sequences is refused, too", () => refused(`zzz:\n${"- ".repeat(20_000)}1\n`, 400, "yaml:", YAML));
});

describe("YAML", () => {
  const laughs = (indent: string) =>
    `${indent}a: &a [x,x,x,x,x,x,x,x,x]\n${[..."bcdefghi"].map((key, index) => `${indent}${key}: &${key} [${Array(9).fill(`*${"abcdefgh"[index]}`).join()}]`).join("\n")}\n`;

  it.each([
    ["a billion laughs", laughs("")],
    ["a billion laughs in data", `metadata: {name: a}\ndata:\n${laughs("  ")}`],
    ["an anchor that holds itself", "a: &a [*a]\n"],
    ["an alias of nothing", "metadata: *no\n"],
    ["an open bracket", "a: [\n"],
    ["base64 that is none", "metadata: {name: a}\ndata: {a: !!binary '!!!'}\n"],
    ["a tab as indentation", "a:\n\tb: c\n"],
    ["bytes that are no UTF-8", Buffer.from("metadata: {name: \xff}\n", "latin1")],
  ])("%s", async (_, body) => {
    const answer = await send(body, YAML);
    expect([answer.status, answer.json.reason]).toEqual([400, "BadRequest"]);
    expect(answer.json.message).toContain("yaml:");
  });

  it("aliases within reason", async () => {
    const answer = await send("metadata: {name: alias}\ndata:\n  a: &x z\n  b: *x\n", YAML);
    expect([answer.status, answer.json.data]).toEqual([201, { a: "z", b: "z" }]);
  });
});

const field = (number: number, content: Buffer) => {
  const length: number[] = [];
  for (let rest = content.length; ; rest >>= 7) {
    length.push(rest > 127 ? (rest & 127) | 128 : rest);
    if (rest <= 127) break;
  }
  return Buffer.concat([Buffer.from([number * 8 + 2, ...length]), content]);
};
const envelope = (content: Buffer) => {
  const kind = Buffer.concat([field(1, Buffer.from("v1")), field(2, Buffer.from("ConfigMap"))]);
  return Buffer.concat([Buffer.from("k8s\0"), field(1, kind), field(2, content)]);
};

describe("protobuf", () => {
  it.each([
    ["nothing", Buffer.alloc(0)],
    ["no magic number", Buffer.from("hello")],
    ["half of the magic number", Buffer.from("k8s")],
    ["a length of four gigabytes", Buffer.from("6b38730012ffffffff0f", "hex")],
    ["a negative length", envelope(Buffer.from("0affffffffffffffffff01", "hex"))],
    ["a length past the end", envelope(Buffer.from("0a7f01", "hex"))],
    ["a wire type that does not exist", envelope(Buffer.from("0f01", "hex"))],
    ["the end of no group", envelope(Buffer.from("0c", "hex"))],
    ["field 0", envelope(Buffer.from("0200", "hex"))],
    ["a varint of eleven bytes", envelope(Buffer.from("088080808080808080808001", "hex"))],
    ["100,000 groups that never end", envelope(Buffer.alloc(100_000, 0x7b))],
  ])("%s", async (_, body) => {
    const answer = await send(body, PROTOBUF);
    expect([answer.status, answer.headers["content-type"]]).toEqual([400, "application/json"]);
  });
});

it("protobuf messages within messages", async () => {
  let deep = Buffer.alloc(0);
  while (deep.length < 100_000) deep = field(1, deep);
  expect([400, 422]).toContain((await send(envelope(deep), PROTOBUF)).status);
});

describe("size and encoding", () => {
  const padded = (size: number) => {
    const body = `{"metadata":{"name":"padded-${size}"}}`;
    return body + " ".repeat(size - body.length);
  };

  it("three megabytes are enough, one byte more is too much", async () => {
    expect((await send(padded(3 * 1024 * 1024))).status).toBe(201);
    for (const size of [3 * 1024 * 1024 + 1, 10 * 1024 * 1024]) {
      const answer = await send(padded(size));
      expect([answer.status, answer.json.reason]).toEqual([413, "RequestEntityTooLarge"]);
      expect((await target.call("GET", configMaps)).status).toBe(200);
    }
  });

  it("of annotations is counted in bytes", async () => {
    const annotated = (text: string) =>
      send(JSON.stringify({ metadata: { name: "annotated", annotations: { a: text } } }));
    expect((await annotated("é".repeat(131_072))).json.message).toContain(
      "metadata.annotations: Too long: may not be more than 262144 bytes",
    );
    expect((await annotated(`${"é".repeat(131_071)}x`)).status).toBe(201);
  });

  it("compressed bodies are not opened", async () => {
    const headers = { "content-encoding": "gzip" };
    const body = gzipSync(`{"metadata":{"name":"gz"},"data":{"a":"${"x".repeat(50_000_000)}"}}`);
    const answer = await target.call("POST", configMaps, { body, headers });
    expect(answer.status).toBe(400);
  });

  it.each([
    "text/plain",
    "garbage",
    "application/*",
    "*/*",
    ";",
    "application/json;;",
    "application/json; charset",
    "application/cbor",
    "multipart/form-data; boundary=x",
  ])("Content-Type %s", async (contentType) => {
    const answer = await send('{"metadata":{"name":"typed"}}', contentType);
    expect([answer.status, answer.json.reason]).toEqual([415, "UnsupportedMediaType"]);
  });

  it.each(["application/json; charset=utf-8", "APPLICATION/JSON", "application/json;", 'application/json; a="b;c"'])(
    "Content-Type %s",
    async (contentType) => {
      expect((await send('{"metadata":{"generateName":"typed-"}}', contentType)).status).toBe(201);
    },
  );
});

describe("names", () => {
  it.each([
    "..",
    ".",
    "a/b",
    "a%2fb",
    "A",
    "-a",
    "a..b",
    "a_b",
    " ",
    "a\u0000",
    "é",
    "x".repeat(254),
    "__proto__",
    "constructor-",
  ])("%j", async (name) => {
    const answer = await send(JSON.stringify({ metadata: { name } }));
    expect([answer.status, answer.json.reason, answer.json.details.causes[0].field]).toEqual([
      422,
      "Invalid",
      "metadata.name",
    ]);
  });

  it("unpaired surrogates become what Go makes of them", async () => {
    const answer = await send(
      '{"metadata":{"name":"surrogates","annotations":{"a":"\\ud800","b":"\\udc00x","c":"\\ud83d\\ude00"}}}',
    );
    expect([answer.status, answer.json.metadata.annotations]).toEqual([201, { a: "\ufffd", b: "\ufffdx", c: "😀" }]);
  });
});
