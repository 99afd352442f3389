/** The `fieldPath` of a rule: a JSON path of fields and map keys, read along the schema (spec: apiserver 8.6). */
import { at, child } from "../api/field-errors.ts";
import type { Schema } from "./types.ts";

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["a", "\x07"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ["v", "\v"],
  ["'", "'"],
  ["\\", "\\"],
]);

/** `.a['b'].c` as errors write it; undefined when it leads nowhere in the schema. */
export function rulePath(text: string, root: Schema): string | undefined {
  let schema: Schema | undefined = root;
  let path = "";
  let rest = text;
  while (rest !== "") {
    const step = /^(?:\.([^.[\]]+)|\['((?:[^'\\]|\\.)*)'\])/s.exec(rest);
    if (step === null || schema === undefined) return undefined;
    rest = rest.slice(step[0].length);
    let broken = false;
    const name =
      step[1] ??
      step[2]!.replaceAll(/\\(.)/gs, (_, escaped: string) => {
        const character = ESCAPES.get(escaped);
        if (character === undefined) broken = true;
        return character ?? "";
      });
    if (broken) return undefined;
    const { properties, additionalProperties }: Schema = schema;
    if (properties !== undefined) {
      schema = Object.hasOwn(properties, name) ? properties[name] : undefined;
      path = child(path, name);
    } else {
      schema = typeof additionalProperties === "object" ? additionalProperties : undefined;
      path = at(path, name);
    }
    if (schema === undefined) return undefined;
  }
  return path === "" ? undefined : path;
}
