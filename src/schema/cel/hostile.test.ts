/** No expression does more than be refused; numbers follow the laws of integers of 64 bits. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { answer } from "./answer.test-support.ts";
import { compile } from "./compile.ts";
import { kubernetesEnvironment } from "./library/kubernetes.ts";

const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);
const env = kubernetesEnvironment();

const word = fc.constantFrom(
  ..."a self true null in 1 -2 3.5 2u 'x' b'y' \"\"\" r'\\q' '\\u00' ( ) [ ] { } . , ? : ! - + * / % < <= == != && || .? [? {? has(a.b) .all(x, x) .map(x, x) .exists( optional.of(1) .optMap(y, y) size( ` @ é 😀 0x1 1e5 // \n".split(
    " ",
  ),
);

describe("hostile expressions", () => {
  it("give an expression or located errors, whatever the text", () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 25 }), fc.constantFrom("", " "), (words, blank) => {
        const compiled = compile(words.join(blank), env);
        if ("expression" in compiled) {
          compiled.expression.evaluate([], 10_000);
          return true;
        }
        return "instantiation" in compiled || /^ERROR: <input>:-?\d+:\d+: /.test(compiled.syntax);
      }),
      { numRuns: 1500 },
    );
  });

  it("give errors for any characters", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), (text) => {
        const compiled = compile(text, env);
        return "expression" in compiled || "instantiation" in compiled || compiled.syntax.startsWith("ERROR: <input>:");
      }),
    );
  });

  it.each([
    ["parentheses", "(".repeat(50_000), "expression recursion limit exceeded: 250"],
    ["lists", "[".repeat(50_000), "expression recursion limit exceeded: 250"],
    ["sums", `1${"+1".repeat(20_000)}`, "max recursion depth exceeded"],
    ["fields", `a${".a".repeat(20_000)}`, "max recursion depth exceeded"],
    ["calls", "f(".repeat(20_000), "expression recursion limit exceeded: 250"],
    ["choices", "true?1:".repeat(9_000), "expression recursion limit exceeded: 250"],
    ["macros that double", `a${".optMap(x, x)".repeat(100)}`, "macros expand to more than 100000 nodes"],
    ["types that double", `[1]${".map(x, {x: x})".repeat(100)}`, "the types of the expression are too large"],
    ["characters", "1 + ".repeat(25_001), "expression code point size exceeds limit: size: 100004, limit 100000"],
  ])("are refused: too many %s", (_, text, message) => {
    const compiled = compile(text, env);
    expect("syntax" in compiled && compiled.syntax.split("\n")[0]).toContain(message);
  });

  it.each([
    ["terms", `true${" && true".repeat(10_000)}`, true],
    ["signs", `${"!".repeat(10_000)}true`, true],
    ["elements", `[${"1,".repeat(20_000)}].size() == 20000`, true],
  ])("may have many %s", (_, text, value) => {
    expect(answer({ expr: text })).toMatchObject({ value });
  });

  it("stop at their limit, whatever they do", () => {
    for (const expr of [
      "lists.range(9223372036854775807).size()",
      "lists.range(5000).all(x, lists.range(5000).all(y, true))",
      "lists.range(100000).map(x, [x]).flatten().sort().size()",
      "lists.range(2000).distinct().size()",
    ]) {
      expect(answer({ expr })).toMatchObject({ error: "operation cancelled: actual cost limit exceeded" });
    }
  });
});

describe("arithmetic", () => {
  const int = fc.oneof(
    fc.bigInt({ min: MIN, max: MAX }),
    fc.bigInt({ min: -20n, max: 20n }),
    fc.constantFrom(MIN, MAX, MIN + 1n, 2n ** 53n, -(2n ** 53n)),
  );
  const laws: [string, (a: bigint, b: bigint) => bigint | string][] = [
    ["+", (a, b) => a + b],
    ["-", (a, b) => a - b],
    ["*", (a, b) => a * b],
    ["/", (a, b) => (b === 0n ? "division by zero" : a / b)],
    ["%", (a, b) => (b === 0n ? "modulus by zero" : a === MIN && b === -1n ? "integer overflow" : a % b)],
  ];

  it.each(laws)("%s is that of 64 bits, or overflows", (operator, law) => {
    fc.assert(
      fc.property(int, int, (a, b) => {
        const exact = law(a, b);
        const wanted =
          typeof exact === "string" ? exact : exact > MAX || exact < MIN ? "integer overflow" : String(exact);
        const { value, error } = answer({ expr: `${a} ${operator} ${b}` });
        expect(value ?? error).toBe(wanted);
      }),
      { numRuns: 300 },
    );
  });

  it("orders ints as integers", () => {
    fc.assert(
      fc.property(int, int, (a, b) => {
        expect(answer({ expr: `${a} < ${b}` }).value).toBe(a < b);
        expect(answer({ expr: `${a} == ${b}` }).value).toBe(a === b);
      }),
      { numRuns: 200 },
    );
  });

  it("reads back what it prints", () => {
    fc.assert(
      fc.property(int, (a) => {
        expect(answer({ expr: `int(string(${a})) == ${a}` }).value).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});
