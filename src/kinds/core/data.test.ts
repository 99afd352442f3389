import { describe, expect, test } from "vitest";
import { decoded, printedRow, rehearseCreate, rehearseUpdate } from "../rehearse.test-support.ts";
import { base64Length, configMaps } from "./config-map.ts";
import { secrets } from "./secret.ts";

const maps = configMaps();
const hidden = secrets();
const KEY =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

describe("ConfigMap", () => {
  test.each<[object, string[]]>([
    [{ data: { a: "b" }, binaryData: { c: "AA==" } }, []],
    [{ data: { "a b": "" } }, [`data[a b]: Invalid value: "a b": ${KEY}`]],
    [
      { data: { a: "" }, binaryData: { a: "" } },
      ['data[a]: Invalid value: "a": duplicate of key present in binaryData'],
    ],
    [{ data: { "..": "" } }, ["data[..]: Invalid value: \"..\": must not be '..'"]],
    [{ data: { a: "x".repeat(1048577) } }, [": Too long: may not be more than 1048576 bytes"]],
    [{ data: { a: "x".repeat(1048576) } }, []],
  ])("%#", (body, errors) => {
    expect(rehearseCreate(maps, { metadata: { name: "a" }, ...body }).errors).toEqual(errors);
  });

  test("an immutable one is frozen, also against thawing", () => {
    const stored = decoded(maps, { metadata: { name: "a" }, data: { a: "b" }, immutable: true });
    const { errors } = rehearseUpdate(maps, stored, (changed) => {
      changed.immutable = false;
      changed.data = { a: "c" };
      changed.binaryData = { b: "AA==" };
    });
    const frozen = "Forbidden: field is immutable when `immutable` is set";
    expect(errors).toEqual([`immutable: ${frozen}`, `data: ${frozen}`, `binaryData: ${frozen}`]);
    expect(
      rehearseUpdate(maps, stored, (changed) => {
        changed.metadata.labels = { a: "b" };
      }).errors,
    ).toEqual([]);
  });

  test("columns", () => {
    const object = decoded(maps, { metadata: { name: "a" }, data: { a: "b" }, binaryData: { c: "AA==" } });
    expect(printedRow(maps, object)).toEqual({ Name: "a", Data: 2, Age: "<unknown>" });
  });
});

test("base64Length counts bytes", () => {
  for (const bytes of ["", "a", "ab", "abc", "abcd"]) expect(base64Length(btoa(bytes))).toBe(bytes.length);
});

describe("Secret", () => {
  test("text goes into data, over what was there, and the type is Opaque", () => {
    const object = decoded(hidden, { metadata: { name: "a" }, data: { a: "eA==", b: "eQ==" }, stringData: { b: "é" } });
    expect(object.data).toEqual({ a: "eA==", b: "w6k=" });
    expect(object.stringData).toBeUndefined();
    expect(object.type).toBe("Opaque");
  });

  test("a key named like a prototype is a key", () => {
    const body = JSON.parse('{"metadata":{"name":"a"},"stringData":{"__proto__":"x"}}');
    const object = decoded(hidden, body);
    expect(Object.keys(object.data!)).toEqual(["__proto__"]);
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
  });

  test.each<[string, Record<string, string>, string[]]>([
    ["kubernetes.io/tls", {}, ["data[tls.crt]: Required value", "data[tls.key]: Required value"]],
    ["kubernetes.io/basic-auth", {}, ["data[username]: Required value", "data[password]: Required value"]],
    ["kubernetes.io/basic-auth", { username: "a" }, []],
    ["kubernetes.io/ssh-auth", { "ssh-privatekey": "" }, ["data[ssh-privatekey]: Required value"]],
    ["kubernetes.io/dockercfg", {}, ["data[.dockercfg]: Required value"]],
    ["kubernetes.io/dockerconfigjson", { ".dockerconfigjson": "{}" }, []],
    [
      "kubernetes.io/dockerconfigjson",
      { ".dockerconfigjson": "" },
      ['data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": unexpected end of JSON input'],
    ],
    [
      "kubernetes.io/service-account-token",
      {},
      ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
    ],
    ["example.com/any", {}, []],
  ])("%s with %j", (type, stringData, errors) => {
    expect(rehearseCreate(hidden, { metadata: { name: "a" }, type, stringData }).errors).toEqual(errors);
  });

  test("the type stays", () => {
    const stored = decoded(hidden, { metadata: { name: "a" } });
    expect(
      rehearseUpdate(hidden, stored, (changed) => {
        changed.type = "b";
      }).errors,
    ).toEqual(['type: Invalid value: "b": field is immutable']);
  });

  test("columns and fields", () => {
    const object = decoded(hidden, { metadata: { name: "a" }, stringData: { a: "b" } });
    expect(printedRow(hidden, object)).toEqual({ Name: "a", Type: "Opaque", Data: 1, Age: "<unknown>" });
    expect(hidden.fields!["type"]!(object)).toBe("Opaque");
  });
});
