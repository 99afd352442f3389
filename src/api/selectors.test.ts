import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  labelSelectorFromLabels,
  labelSelectorFromObject,
  parseFieldSelector,
  parseLabelSelector,
} from "./selectors.ts";

const KEY_RULE =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

describe("label selectors match", () => {
  const labels = { env: "prod", tier: "web", count: "7", empty: "" };
  const cases: [string, boolean][] = [
    ["", true],
    ["env", true],
    ["!env", false],
    ["gone", false],
    ["!gone", true],
    ["env=prod", true],
    ["env==prod", true],
    ["env = prod , tier=web", true],
    ["env=dev", false],
    ["env!=dev", true],
    ["gone!=dev", true],
    ["env in (dev,prod)", true],
    ["env notin (dev,prod)", false],
    ["gone notin (dev)", true],
    ["gone in (dev)", false],
    ["empty=", true],
    ["empty in ()", true],
    ["env in (,prod)", true],
    ["count>6", true],
    ["count>7", false],
    ["count<10", true],
    ["env>1", false],
    ["in in (in)", false],
    ["toString", false],
    ["!valueOf", true],
  ];
  it.each(cases)("%j: %s", (text, matches) => {
    expect(parseLabelSelector(text).matches(labels)).toBe(matches);
  });

  it("take absent labels as none", () => {
    expect(parseLabelSelector("!a").matches(undefined)).toBe(true);
    expect(parseLabelSelector("a").matches(null)).toBe(false);
  });
});

describe("label selectors refuse in upstream's words", () => {
  const cases: [string, string][] = [
    ["a in b", "unable to parse requirement: found 'b' expected: '('"],
    ["a=b c", "found 'c', expected: ',' or 'end of string'"],
    ["a,", "found '', expected: identifier after ','"],
    [",a", "found ',', expected: !, identifier, or 'end of string'"],
    ["a in (b", "unable to parse requirement: found '', expected: ',' or ')'"],
    ["a in (=)", "unable to parse requirement: found '=', expected: ',', ')' or identifier"],
    ["a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
    ["!!a", "unable to parse requirement: found '!', expected: identifier"],
    [
      "a>x",
      "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer",
    ],
    ["@", `unable to parse requirement: <nil>: Invalid value: "@": ${KEY_RULE}`],
  ];
  it.each(cases)("%j", (text, message) => {
    expect(() => parseLabelSelector(text)).toThrow(expect.objectContaining({ code: 400, message }));
  });
});

describe("LabelSelector objects", () => {
  it("match nothing when absent and everything when empty", () => {
    expect(labelSelectorFromObject(undefined).matches({ a: "1" })).toBe(false);
    expect(labelSelectorFromObject({}).matches({})).toBe(true);
  });

  it("combine labels and expressions", () => {
    const selector = labelSelectorFromObject({
      matchLabels: { app: "web" },
      matchExpressions: [
        { key: "tier", operator: "NotIn", values: ["b", "a"] },
        { key: "x", operator: "DoesNotExist" },
      ],
    });
    expect(`${selector}`).toBe("app=web,tier notin (a,b),!x");
    expect(selector.matches({ app: "web" })).toBe(true);
    expect(selector.matches({ app: "web", tier: "a" })).toBe(false);
  });

  it("refuse what they do not know", () => {
    const selector = { matchExpressions: [{ key: "a", operator: "Near", values: [] }] };
    expect(() => labelSelectorFromObject(selector)).toThrow('"Near" is not a valid label selector operator');
    expect(() => labelSelectorFromObject({ matchExpressions: [{ key: "a", operator: "In" }] })).toThrow(
      "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty",
    );
  });
});

describe("laws of label selectors", () => {
  const word = fc.stringMatching(/^[a-z][a-z0-9]{0,4}$/);
  const labels = fc.dictionary(fc.constantFrom("a", "b", "c"), word);
  const requirement = fc
    .tuple(
      fc.constantFrom("a", "b", "c"),
      fc.constantFrom("=", "!=", " in ", " notin ", "!"),
      fc.array(word, { minLength: 1, maxLength: 3 }),
    )
    .map(([key, operator, values]) => {
      if (operator === "!") return `!${key}`;
      return operator.startsWith(" ") ? `${key}${operator}(${values.join(",")})` : `${key}${operator}${values[0]}`;
    });

  it("printing and parsing is the identity", () => {
    fc.assert(
      fc.property(fc.array(requirement, { maxLength: 4 }), labels, (parts, given) => {
        const selector = parseLabelSelector(parts.join(","));
        const again = parseLabelSelector(`${selector}`);
        expect(`${again}`).toBe(`${selector}`);
        expect(again.matches(given)).toBe(selector.matches(given));
      }),
    );
  });

  it("a comma means and; `in` and `notin` exclude each other", () => {
    fc.assert(
      fc.property(requirement, requirement, labels, (one, two, given) => {
        const both = parseLabelSelector(`${one},${two}`).matches(given);
        expect(both).toBe(parseLabelSelector(one).matches(given) && parseLabelSelector(two).matches(given));
      }),
    );
    fc.assert(
      fc.property(labels, fc.array(word, { minLength: 1 }), (given, values) => {
        const list = `(${values.join(",")})`;
        expect(parseLabelSelector(`a in ${list}`).matches(given)).toBe(
          !parseLabelSelector(`a notin ${list}`).matches(given),
        );
        expect(labelSelectorFromLabels(given).matches(given)).toBe(true);
      }),
    );
  });

  it("any text either parses or is a 400", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."ab ,!=()<>in\0@") }), (text) => {
        try {
          parseLabelSelector(text);
        } catch (error) {
          expect(error).toMatchObject({ code: 400 });
        }
      }),
    );
  });
});

describe("field selectors", () => {
  const fields: Record<string, string> = { "metadata.name": "a", "spec.x": "b,c=d\\" };
  const get = (field: string) => fields[field] ?? "";
  const cases: [string, boolean][] = [
    ["", true],
    ["metadata.name=a", true],
    ["metadata.name==a", true],
    ["metadata.name!=a", false],
    ["metadata.name=a,spec.y=", true],
    ["spec.x=b\\,c\\=d\\\\", true],
    ["metadata.name=a,,", true],
  ];
  it.each(cases)("%j: %s", (text, matches) => {
    expect(parseFieldSelector(text).matches(get)).toBe(matches);
  });

  it.each([
    ["a", "invalid selector: 'a'; can't understand 'a'"],
    ["a=b=c", "invalid field selector: unescaped character in value: 61"],
    ["a=\\x", "invalid field selector: invalid escape sequence: \\x"],
    ["a=\\", "invalid field selector: invalid escape sequence: \\"],
  ])("refuses %j", (text, message) => {
    expect(() => parseFieldSelector(text)).toThrow(expect.objectContaining({ code: 400, message }));
  });

  it("know what they pin", () => {
    const selector = parseFieldSelector("metadata.name=a,status.phase!=Failed");
    expect([selector.exact("metadata.name"), selector.exact("status.phase")]).toEqual(["a", undefined]);
  });

  it("print what they parse, whatever the value", () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        const selector = parseFieldSelector(`f=${value.replace(/[\\,=]/g, "\\$&")}`);
        expect(selector.requirements[0]).toEqual({ field: "f", operator: "=", value });
        expect(parseFieldSelector(`${selector}`).requirements).toEqual(selector.requirements);
      }),
    );
  });
});
