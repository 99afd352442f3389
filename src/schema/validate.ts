/**
 * Checks a value against a schema in the order, the words and with the peculiarities of kube-openapi, which kube-apiserver uses (spec: apiserver 8.5).
 * A value may break several rules at once; `matches` is upstream's count of checks that applied, by which it picks the alternative to report.
 */
import { invalidValue, notSupported, Printed, required, tooLong, tooMany, typeInvalid } from "../api/field-errors.ts";
import { goQuote } from "../api/go-quote.ts";
import { stringifySorted } from "../api/json/canonical.ts";
import { equalJSON } from "../api/json/object.ts";
import type { JSONObject, JSONValue } from "../api/meta.ts";
import type { Correlated } from "./correlation.ts";
import { Findings, type Place } from "./findings.ts";
import { hasFormat } from "./formats.ts";
import type { SchemaNode } from "./node.ts";
import { isInteger, isJSONInteger, numberErrors } from "./numbers.ts";
import { matchesPattern } from "./patterns.ts";
import type { SchemaType } from "./types.ts";

/** With `correlated` errors in what did not change are left out (spec: apiserver 8.7); inside alternatives nothing is. */
export function check(
  node: SchemaNode,
  value: JSONValue,
  place: Place,
  found: Findings,
  correlated?: Correlated | undefined,
): void {
  if (correlated === undefined) {
    checkValue(node, value, place, found, undefined);
    return;
  }
  const own = new Findings();
  checkValue(node, value, place, own, correlated);
  if (own.errors.length > 0 && correlated.unchanged()) own.errors.length = 0;
  found.merge(own);
}

function checkValue(
  node: SchemaNode,
  value: JSONValue,
  place: Place,
  found: Findings,
  correlated: Correlated | undefined,
): void {
  if (found.full) return;
  if (place.tooDeep) {
    found.add(place.unplaced(`${place.path} is nested too deeply`));
    return;
  }
  const kind = kindOf(value);
  if (node.types.length > 0 || node.format !== "") checkType(node, value, kind, place, found);
  if (kind !== "null") {
    found.matches += 2;
    if (node.hasJunctors) checkJunctors(node, value, place, found);
    if (kind === "string") checkString(node, value as string, place, found);
    else if (kind === "integer" || kind === "number") {
      found.matches += 2;
      const { sound } = node.numbers;
      const right =
        sound !== undefined &&
        kind === "integer" &&
        typeof value === "number" &&
        value >= sound.least &&
        value <= sound.most &&
        (sound.multipleOf === 1 || value % sound.multipleOf === 0);
      if (!right) {
        for (const error of numberErrors(value as number | bigint, node.schema, node.numbers, place)) found.add(error);
      }
    } else if (kind === "array") checkList(node, value as JSONValue[], place, found, correlated);
    found.matches += 2;
  }
  const { enum: allowed } = node.schema;
  if (allowed !== undefined && allowed.length > 0 && !allowed.some((one) => isAllowed(value, one))) {
    const names = allowed.map((one) => (typeof one === "string" ? one : stringifySorted(one)));
    found.add(notSupported(place.field(), shown(value), names));
  }
  if (kind === "object") checkObject(node, value as JSONObject, place, found, correlated);
}

type Kind = SchemaType | "null";

function kindOf(value: JSONValue): Kind {
  switch (typeof value) {
    case "string":
      return "string";
    case "boolean":
      return "boolean";
    case "number":
    case "bigint":
      return isInteger(value) ? "integer" : "number";
    default:
      if (value === null) return "null";
      return Array.isArray(value) ? "array" : "object";
  }
}

/** Structures are printed with sorted keys, as Go prints maps. */
function shown(value: JSONValue): unknown {
  return typeof value === "object" ? new Printed(stringifySorted(value)) : value;
}

/** A format takes the place of the type in errors, and a list passes for a string with one: as upstream has it. */
function checkType(
  { types, format, nullable }: SchemaNode,
  value: JSONValue,
  kind: Kind,
  place: Place,
  found: Findings,
) {
  const fits =
    types.includes(kind as SchemaType) ||
    (kind === "integer" && types.includes("number")) ||
    (kind === "number" && types.includes("integer") && isJSONInteger(Number(value)));
  if (kind === "null") {
    if (types.length > 0 && !nullable) wrong(types.join(","), "null");
    else found.matches++;
    return;
  }
  const numeric = types.includes("number") || types.includes("integer");
  if (fits) found.matches += 2;
  else if (format !== "" && kind !== "string" && kind !== "array") {
    wrong(format, kind === "integer" ? "int64" : kind === "number" ? "float64" : "");
    found.matches++;
  } else if (format !== "" && !numeric) found.matches += 2;
  else {
    wrong(types.join(","), kind);
    found.matches++;
  }

  function wrong(expected: string, actual: string): void {
    const path = place.path;
    found.add(typeInvalid(place.field(path), actual, `${path} in body must be of type ${expected}: "${actual}"`));
  }
}

/** Go compares after converting: a float loses its fraction, and an integer becomes the character of that number. */
function isAllowed(value: JSONValue, allowed: JSONValue): boolean {
  if (value === null || allowed === null) return false;
  if (typeof value === "number" || typeof value === "bigint") {
    if (typeof allowed === "string") return isInteger(value) && characterOf(value) === allowed;
    if (typeof allowed !== "number" && typeof allowed !== "bigint") return false;
    return equalJSON(value, allowed) || (isInteger(allowed) && Math.trunc(Number(value)) === Number(allowed));
  }
  return equalJSON(value, allowed);
}

function characterOf(value: number | bigint): string {
  const point = Number(value);
  const valid = point >= 0 && point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff);
  return valid ? String.fromCodePoint(point) : "\ufffd";
}

/** The number of code points: what lengths of strings count. */
function codePoints(text: string): number {
  let count = 0;
  for (let index = 0; index < text.length; index++) {
    if ((text.charCodeAt(index) & 0xfc00) !== 0xdc00) count++;
  }
  return count;
}

/** Of length and pattern only the first that fails is said. */
function checkString(node: SchemaNode, value: string, place: Place, found: Findings): void {
  const { maxLength, minLength, pattern } = node.schema;
  found.matches++;
  if (maxLength !== undefined && value.length > maxLength && codePoints(value) > maxLength) {
    found.add(tooLong(place.field(), maxLength));
  } else if (minLength !== undefined && codePoints(value) < minLength) {
    const path = place.path;
    found.add(invalidValue(place.field(path), value, `${path} in body should be at least ${minLength} chars long`));
  } else if (pattern !== undefined && pattern !== "") {
    const matches = matchesPattern(pattern, value);
    if (matches !== true) {
      const path = place.path;
      const reason = matches === false ? "" : `, but pattern is invalid: ${matches}`;
      found.add(invalidValue(place.field(path), value, `${path} in body should match '${pattern}${reason}'`));
    }
  }
  const { format } = node;
  if (format === "") return;
  found.matches++;
  if (hasFormat(format, value)) return;
  const path = place.path;
  found.add(typeInvalid(place.field(path), value, `${path} in body must be of type ${format}: ${goQuote(value)}`));
}

function checkList(
  node: SchemaNode,
  list: readonly JSONValue[],
  place: Place,
  found: Findings,
  correlated: Correlated | undefined,
): void {
  const { minItems, maxItems } = node.schema;
  found.matches += 2;
  const { items } = node;
  if (items !== undefined) {
    for (let index = 0; index < list.length && !found.full; index++) {
      place.enter(index);
      check(items, list[index]!, place, found, correlated?.index(index));
      place.leave();
    }
  }
  if (minItems !== undefined && list.length < minItems) {
    const path = place.path;
    found.add(invalidValue(place.field(path), list.length, `${path} in body should have at least ${minItems} items`));
  }
  if (maxItems !== undefined && list.length > maxItems) found.add(tooMany(place.field(), list.length, maxItems));
}

function checkObject(
  node: SchemaNode,
  object: JSONObject,
  place: Place,
  found: Findings,
  correlated: Correlated | undefined,
): void {
  const { minProperties, maxProperties, required: wanted } = node.schema;
  if (minProperties !== undefined || maxProperties !== undefined) {
    const count = Object.keys(object).length;
    if (minProperties !== undefined && count < minProperties) {
      const path = place.path;
      const detail = `${path} in body should have at least ${minProperties} properties`;
      found.add(invalidValue(place.field(path), count, detail));
    }
    if (maxProperties !== undefined && count > maxProperties) found.add(tooMany(place.field(), count, maxProperties));
  }
  const { additional } = node;
  if (node.hasProperties || additional !== undefined) {
    const root = place.atRoot;
    for (const name of Object.keys(object)) {
      const property = node.property(name);
      const child = property ?? additional;
      if (child === undefined) continue;
      // Members that no property describes are named with a dot even at the root.
      place.enter(root && property === undefined ? `.${name}` : name);
      // Both versions of an object have been converted to the same type: a change of these two cannot be seen.
      const visible = correlated !== undefined && !(root && (name === "kind" || name === "apiVersion"));
      check(child, object[name]!, place, found, visible ? correlated.key(name) : undefined);
      place.leave();
      if (found.full) return;
    }
  }
  if (wanted !== undefined) {
    for (const name of wanted) {
      if (!Object.hasOwn(object, name)) found.add(required(place.field(`${place.path}.${name}`)));
    }
  }
}

/** Alternatives: what the one that fits best complains about is said together with the verdict. */
function checkJunctors(node: SchemaNode, value: JSONValue, place: Place, found: Findings): void {
  const { anyOf, oneOf, allOf, not } = node;
  const named = goQuote(place.path);
  const examine = (schema: SchemaNode): Findings => {
    const result = new Findings();
    checkValue(schema, value, place, result, undefined);
    return result;
  };
  if (anyOf.length > 0) {
    let best: Findings | undefined;
    let passed: Findings | undefined;
    for (const schema of anyOf) {
      const result = examine(schema);
      if (result.errors.length === 0) {
        passed = result;
        break;
      }
      if (best === undefined || result.matches > best.matches) best = result;
    }
    if (passed === undefined) found.add(place.unplaced(`${named} must validate at least one schema (anyOf)`));
    found.merge((passed ?? best)!);
  }
  if (oneOf.length > 0) {
    let best: Findings | undefined;
    let first: Findings | undefined;
    let count = 0;
    for (const schema of oneOf) {
      const result = examine(schema);
      if (result.errors.length === 0) {
        count++;
        first ??= result;
        best = undefined;
      } else if (count === 0 && (best === undefined || result.matches > best.matches)) best = result;
    }
    if (count === 1) found.merge(first!);
    else {
      const detail = count === 0 ? "Found none valid" : `Found ${count} valid alternatives`;
      found.add(place.unplaced(`${named} must validate one and only one schema (oneOf). ${detail}`));
      if (best !== undefined) found.merge(best);
    }
  }
  if (allOf.length > 0) {
    let count = 0;
    for (const schema of allOf) {
      const result = examine(schema);
      if (result.errors.length === 0) count++;
      found.merge(result);
    }
    if (count < allOf.length) {
      found.add(
        place.unplaced(`${named} must validate all the schemas (allOf)${count === 0 ? ". None validated" : ""}`),
      );
    }
  }
  if (not !== undefined && examine(not).errors.length === 0) {
    found.add(place.unplaced(`${named} must not validate the schema (not)`));
  }
}
