import { expect, it } from "vitest";
import { printGo } from "./go-print.ts";
import { parseJSON } from "./json/index.ts";
import type { JSONValue } from "./meta.ts";

it.each([
  ["null", "<nil>"],
  ["1", "1"],
  ['"a b"', "a b"],
  ["[]", "[]"],
  ["{}", "map[]"],
  ['{"b":[1,"x",null,{}],"a":{"c":true}}', "map[a:map[c:true] b:[1 x <nil> map[]]]"],
  ['{"__proto__":{"a":1}}', "map[__proto__:map[a:1]]"],
])("%s", (text, printed) => {
  expect(printGo(parseJSON(Buffer.from(text)).value)).toBe(printed);
});

it("any depth a body can have", () => {
  let deep: JSONValue = 1;
  for (let level = 0; level < 100_000; level++) deep = [deep];
  expect(printGo(deep)).toBe(`${"[".repeat(100_000)}1${"]".repeat(100_000)}`);
});
