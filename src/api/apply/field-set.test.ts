import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type FieldSet, fieldSetOf, fromFieldsV1 } from "./field-set.ts";

const element = fc.constantFrom("f:a", "f:b", 'k:{"name":"x"}', 'k:{"port":80}', 'v:"s"', "v:1");
const path = fc.array(element, { minLength: 1, maxLength: 4 });
const set = fc.array(path, { maxLength: 12 }).map((paths) => fieldSetOf(...paths));
const shown = (fields: FieldSet) => Array.from(fields.paths(), (at) => at.join("|")).sort();

describe("sets of fields", () => {
  it("are the sets of their paths, whatever is done to them", () => {
    fc.assert(
      fc.property(set, set, (a, b) => {
        const [left, right] = [shown(a), shown(b)];
        expect(shown(a.union(b))).toEqual([...new Set([...left, ...right])].sort());
        expect(shown(a.intersection(b))).toEqual(left.filter((one) => right.includes(one)));
        expect(shown(a.difference(b))).toEqual(left.filter((one) => !right.includes(one)));
        const under = (one: string) => right.some((other) => one === other || one.startsWith(`${other}|`));
        expect(shown(a.without(b))).toEqual(left.filter((one) => !under(one)));
        expect(a.equals(b)).toBe(left.join() === right.join());
      }),
    );
  });

  it("say what they hold, and nothing else", () => {
    fc.assert(
      fc.property(set, path, (fields, at) => {
        expect(fields.has(at)).toBe(shown(fields).includes(at.join("|")));
        expect(fields.empty).toBe(shown(fields).length === 0);
      }),
    );
  });

  it("come back from FieldsV1 as they went", () => {
    fc.assert(
      fc.property(set, (fields) => {
        expect(fromFieldsV1(fields.toFieldsV1()).equals(fields)).toBe(true);
      }),
    );
  });

  it("write fields by name, then keys by value, then set elements", () => {
    const fields = fieldSetOf(
      ['v:"b"'],
      ["v:10"],
      ["v:9"],
      ['k:{"port":443}'],
      ['k:{"port":80}'],
      ['k:{"name":"z","port":1}'],
      ["f:z"],
      ["f:a"],
      ["f:a", "f:inner"],
    );
    expect(JSON.stringify(fields.toFieldsV1())).toBe(
      '{"f:a":{".":{},"f:inner":{}},"f:z":{},"k:{\\"name\\":\\"z\\",\\"port\\":1}":{},"k:{\\"port\\":80}":{},"k:{\\"port\\":443}":{},"v:9":{},"v:10":{},"v:\\"b\\"":{}}',
    );
  });

  it.each<[string, unknown, string]>([
    ["a list", [], "fieldsV1 is no object"],
    ["an element nobody knows", { x: {} }, "is no path element"],
    ["a value that is no object", { "f:a": 1 }, "no object at"],
  ])("refuse %s", (_, value, why) => {
    expect(() => fromFieldsV1(value as never)).toThrow(why);
  });

  it("refuse what nests without end", () => {
    let value: object = {};
    for (let depth = 0; depth < 5000; depth++) value = { "f:a": value };
    expect(() => fromFieldsV1(value as never)).toThrow("nests too deep");
  });

  it("hold any name as data", () => {
    const fields = fieldSetOf(["f:__proto__", "f:constructor"]);
    expect(fromFieldsV1(fields.toFieldsV1()).has(["f:__proto__", "f:constructor"])).toBe(true);
    expect(({} as Record<string, unknown>)["f:constructor"]).toBeUndefined();
  });
});
