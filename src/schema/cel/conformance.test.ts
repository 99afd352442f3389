/** The official suite of CEL: every test of a feature Kubernetes enables; what is left out is counted and printed with its reason. */
import { readFileSync } from "node:fs";
import {
  getConformanceSuite,
  type IncrementalTest,
  type IncrementalTestSuite,
} from "@bufbuild/cel-spec/testdata/tests.js";
import { afterAll, describe, expect, it } from "vitest";
import { type Answer, answer } from "./answer.test-support.ts";
import { Functions } from "./check/declarations.ts";
import { type Environment, STANDARD_TYPES } from "./check/environment.ts";
import { type CelType, DYN, listOf, mapOf, NAMED, NULL, opaque, typeOf } from "./check/types.ts";
import { compile } from "./compile.ts";

import { LIST_FUNCTIONS } from "./library/lists.ts";
import { OPTIONAL_FUNCTIONS } from "./library/optional.ts";
import { TWO_VARIABLE_FUNCTIONS } from "./library/regex.ts";
import { STANDARD_FUNCTIONS } from "./library/standard.ts";
import { STRING_FUNCTIONS } from "./library/strings.ts";
import { BINDINGS, EXISTS_ONE, Macros, OPTIONALS, STANDARD, TWO_VARIABLES } from "./syntax/macros.ts";
import { equal } from "./values/compare.ts";
import { CelError } from "./values/errors.ts";
import { ListValue } from "./values/list.ts";
import { LiteralMap } from "./values/map.ts";
import { Double, integer, Uint } from "./values/numbers.ts";
import { TypeValue, typeOfValue, type Value } from "./values/value.ts";

/** So that nothing is left out by mistake. */
const COUNTS = { passed: 1359, differs: 26, leftOut: 959 };

type SimpleTest = IncrementalTest["original"];
type ProtoValue = NonNullable<Extract<SimpleTest["resultMatcher"], { case: "value" }>["value"]>;
type ProtoType = NonNullable<Extract<SimpleTest["resultMatcher"], { case: "typedResult" }>["value"]["deducedType"]>;

/** Sections left out whole, and why. */
const LEFT_OUT: [RegExp, string][] = [
  [
    /^(proto2|proto3|proto2_ext|enums|dynamic|wrappers)\//,
    "messages and enumerations of protocol buffers, which Kubernetes has none of",
  ],
  [/^comparisons\/eq_wrapper$/, "messages and enumerations of protocol buffers, which Kubernetes has none of"],
  [
    /^type_deductions\/(wrappers|legacy_nullable_types|field_access)$/,
    "messages and enumerations of protocol buffers, which Kubernetes has none of",
  ],
  [/^math_ext\//, "the math library, which Kubernetes does not enable"],
  [/^encoders_ext\//, "the encoders library, which Kubernetes does not enable"],
  [/^block_ext\//, "the block extension, which Kubernetes does not enable"],
];
const MESSAGE = /TestAllTypes|NestedTestAll|google\.protobuf\.(?!Timestamp|Duration)|cel\.expr\.|proto[23]|GlobalEnum/;
/** A message in the expression, its variables or its result. */
const MESSAGES = "messages and enumerations of protocol buffers, which Kubernetes has none of";

const skipped = new Map<string, Map<string, number>>();

function skip(section: string, reason: string): void {
  const sections = skipped.get(reason) ?? new Map<string, number>();
  sections.set(section, (sections.get(section) ?? 0) + 1);
  skipped.set(reason, sections);
}

const FUNCTIONS = new Functions(
  STANDARD_FUNCTIONS,
  OPTIONAL_FUNCTIONS,
  STRING_FUNCTIONS,
  LIST_FUNCTIONS,
  TWO_VARIABLE_FUNCTIONS,
);

function environment(test: SimpleTest): Environment {
  const variables = new Map<string, CelType>();
  for (const { name, declKind } of test.typeEnv)
    if (declKind.case === "ident") variables.set(name, fromType(declKind.value.type));
  for (const name of Object.keys(test.bindings)) if (!variables.has(name)) variables.set(name, DYN);
  return {
    functions: FUNCTIONS,
    macros: test.disableMacros ? new Macros() : new Macros(STANDARD, EXISTS_ONE, OPTIONALS, TWO_VARIABLES, BINDINGS),
    variables,
    types: STANDARD_TYPES,
    container: test.container,
    checkLiterals: false,
    escapedNames: true,
  };
}

function fromType(type: ProtoType | undefined): CelType {
  const kind = type?.typeKind;
  switch (kind?.case) {
    case "primitive":
      return NAMED.get(["", "bool", "int", "uint", "double", "string", "bytes"][kind.value]!)!;
    case "null":
      return NULL;
    case "listType":
      return listOf(fromType(kind.value.elemType));
    case "mapType":
      return mapOf(fromType(kind.value.keyType), fromType(kind.value.valueType));
    case "wellKnown":
      return NAMED.get(["", "dyn", "timestamp", "duration"][kind.value]!)!;
    case "type":
      return typeOf(fromType(kind.value));
    case "abstractType":
      return opaque(kind.value.name, ...kind.value.parameterTypes.map(fromType));
    default:
      return DYN;
  }
}

function fromValue(value: ProtoValue): Value {
  const { kind } = value;
  switch (kind.case) {
    case "nullValue":
      return null;
    case "int64Value":
      return integer(kind.value);
    case "uint64Value":
      return new Uint(integer(kind.value));
    case "doubleValue":
      return new Double(kind.value);
    case "listValue":
      return new ListValue(kind.value.values.map(fromValue));
    case "mapValue":
      return LiteralMap.of(
        kind.value.entries.map((entry): [Value, Value] => [fromValue(entry.key!), fromValue(entry.value!)]),
      );
    case "typeValue":
      return new TypeValue(STANDARD_TYPES.get(kind.value) ?? NAMED.get(kind.value) ?? opaque(kind.value));
    case "boolValue":
    case "stringValue":
    case "bytesValue":
      return kind.value;
    default:
      throw new Error(`no such kind of value: ${kind.case}`);
  }
}

/** Undefined: the test can be run. */
function reasonToSkip(section: string, { original: test }: IncrementalTest): string | undefined {
  const whole = LEFT_OUT.find(([pattern]) => pattern.test(section));
  if (whole !== undefined) return whole[1];
  const json = JSON.stringify(test, (key, value) =>
    key === "$typeName" ? undefined : typeof value === "bigint" ? String(value) : value,
  );
  if (MESSAGE.test(json) || json.includes("objectValue") || json.includes("enumValue")) return MESSAGES;
  if (test.typeEnv.some(({ declKind }) => declKind.case === "function"))
    return "functions the test declares without an implementation";
  const fails = test.resultMatcher.case === "evalError" || test.resultMatcher.case === "anyEvalErrors";
  if (test.disableCheck && !fails)
    return "evaluation of expressions that were not checked, which Kubernetes never does";
  return undefined;
}

/** Where the suite is newer than Kubernetes: what Kubernetes answers. */
const DIFFERS = new Map(
  readFileSync(new URL("testdata/kubernetes-differs.jsonl", import.meta.url), "utf8")
    .trim()
    .split("\n")
    .map((line): [string, Answer] => {
      const { expr, ...known } = JSON.parse(line);
      return [expr, known];
    }),
);

/** What went wrong; undefined when the answer is the one that is wanted. */
function run(test: SimpleTest): string | undefined {
  const { resultMatcher: wanted } = test;
  const env = environment(test);
  const compiled = compile(test.expr, env);
  const fails = wanted.case === "evalError" || wanted.case === "anyEvalErrors";
  if (!("expression" in compiled)) {
    return fails ? undefined : "syntax" in compiled ? compiled.syntax : compiled.instantiation;
  }
  if (wanted.case === "typedResult" && wanted.value.deducedType !== undefined) {
    const type = fromType(wanted.value.deducedType);
    if (String(compiled.expression.type) !== String(type)) return `type ${compiled.expression.type}, not ${type}`;
  }
  if (test.checkOnly) return undefined;
  const values = [...env.variables.keys()].map((name): Value => {
    const bound = test.bindings[name]?.kind;
    return bound?.case === "value" ? fromValue(bound.value) : new CelError(`no such attribute: ${name}`);
  });
  const { value } = compiled.expression.evaluate(values, 1e6);
  if (fails) return value instanceof CelError ? undefined : `${show(value)}, not an error`;
  const expected =
    wanted.case === "value"
      ? fromValue(wanted.value)
      : wanted.case === "typedResult" && wanted.value.result
        ? fromValue(wanted.value.result)
        : true;
  return same(value, expected) ? undefined : `${show(value)}, not ${show(expected)}`;
}

/** Equal and of the same type, NaN equal to itself. */
function same(a: Value, b: Value): boolean {
  if (a instanceof Double && b instanceof Double && Number.isNaN(a.value) && Number.isNaN(b.value)) return true;
  if (a instanceof TypeValue && b instanceof TypeValue) return a.type.name === b.type.name;
  if (a instanceof CelError) return false;
  return typeOfValue(a).name === typeOfValue(b).name && (equal(a, b) === true || (a === null && b === null));
}

function show(value: Value): string {
  if (value instanceof CelError) return `error: ${value.message}`;
  if (value instanceof ListValue) return `[${value.values().map(show).join(", ")}]`;
  return value === null
    ? "null"
    : typeof value === "object"
      ? `${typeOfValue(value)} ${JSON.stringify(value, (_, v) => (typeof v === "bigint" ? String(v) : v))}`
      : (JSON.stringify(value) ?? String(value));
}

function sections(suite: IncrementalTestSuite, path: string[] = []): [string, IncrementalTest[]][] {
  const own: [string, IncrementalTest[]][] = suite.tests.length > 0 ? [[path.join("/"), suite.tests]] : [];
  return [...own, ...suite.suites.flatMap((child) => sections(child, [...path, child.name]))];
}

let passed = 0;
const differs: string[] = [];

describe("cel-spec conformance", () => {
  for (const [section, tests] of sections(getConformanceSuite())) {
    const runnable = tests.filter((test) => {
      const reason = reasonToSkip(section, test);
      if (reason !== undefined) skip(section, reason);
      return reason === undefined;
    });
    if (runnable.length === 0) continue;
    it(`${section}: ${runnable.length} of ${tests.length}`, () => {
      const wrong = runnable.flatMap((test) => {
        const { expr } = test.original;
        const problem = run(test.original);
        if (problem === undefined) {
          passed++;
          return [];
        }
        const known = DIFFERS.get(expr);
        if (known === undefined) return [`${test.name}: ${expr}: ${problem}`];
        expect({ expr, ...answer({ expr }) }).toEqual({ expr, ...known });
        differs.push(expr);
        return [];
      });
      expect(wrong).toEqual([]);
    });
  }
});

afterAll(() => {
  let total = 0;
  for (const [reason, where] of skipped) {
    const count = [...where.values()].reduce((a, b) => a + b, 0);
    total += count;
    console.error(`left out, ${count}: ${reason}: ${[...where].map(([section, n]) => `${section} ${n}`).join(", ")}`);
  }
  console.error(
    `${differs.length} as Kubernetes answers, which has older libraries than the suite: ${differs.join("  |  ")}`,
  );
  console.error(`passed ${passed}, left out ${total}`);
  expect({ passed, differs: differs.length, leftOut: total }).toEqual(COUNTS);
});
