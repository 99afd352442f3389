/** Field selectors: `path=value`, `path!=value`, joined by commas (spec: apiserver 2.13). */
import { compareUTF8 } from "./json/utf8.ts";
import { badRequest } from "./status.ts";

export interface FieldRequirement {
  readonly field: string;
  readonly operator: "=" | "!=";
  readonly value: string;
}

export interface FieldSelector {
  readonly requirements: readonly FieldRequirement[];
  readonly empty: boolean;
  /** `get` answers with the value of a field; "" for one that is not set. */
  matches(get: (field: string) => string): boolean;
  /** The value `field` must have, when the selector says so. */
  exact(field: string): string | undefined;
  toString(): string;
}

class Terms implements FieldSelector {
  readonly requirements: readonly FieldRequirement[];

  constructor(requirements: readonly FieldRequirement[]) {
    this.requirements = requirements;
  }

  get empty(): boolean {
    return this.requirements.length === 0;
  }

  matches(get: (field: string) => string): boolean {
    for (const { field, operator, value } of this.requirements) {
      if ((get(field) === value) !== (operator === "=")) return false;
    }
    return true;
  }

  exact(field: string): string | undefined {
    return this.requirements.find((term) => term.field === field && term.operator === "=")?.value;
  }

  toString(): string {
    return this.requirements
      .map(({ field, operator, value }) => `${field}${operator}${escapeFieldValue(value)}`)
      .join(",");
  }
}

/** Backslashes before `\`, `,` and `=`. */
export function escapeFieldValue(value: string): string {
  return value.replace(/[\\,=]/g, (character) => `\\${character}`);
}

/** Parses `fieldSelector=…`. Throws 400 with upstream's text. Whether a field is supported is the resource's affair. */
export function parseFieldSelector(text: string): FieldSelector {
  const requirements: FieldRequirement[] = [];
  for (const term of splitTerms(text).sort(compareUTF8)) {
    if (term === "") continue;
    const match = /!=|==|=/.exec(term);
    if (match === null) throw badRequest(`invalid selector: '${text}'; can't understand '${term}'`);
    requirements.push({
      field: term.slice(0, match.index),
      operator: match[0] === "!=" ? "!=" : "=",
      value: unescapeValue(term.slice(match.index + match[0].length)),
    });
  }
  return new Terms(requirements);
}

/** The terms between commas that no backslash protects. */
function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let start = 0;
  for (let index = 0; index < text.length; index++) {
    if (text[index] === "\\") index++;
    else if (text[index] === ",") {
      terms.push(text.slice(start, index));
      start = index + 1;
    }
  }
  terms.push(text.slice(start));
  return terms;
}

function unescapeValue(value: string): string {
  if (!/[\\,=]/.test(value)) return value;
  let plain = "";
  const characters = [...value];
  for (let index = 0; index < characters.length; index++) {
    const character = characters[index]!;
    if (character === "\\") {
      const escaped = characters[++index];
      if (escaped !== "\\" && escaped !== "," && escaped !== "=") {
        throw badRequest(`invalid field selector: invalid escape sequence: \\${escaped ?? ""}`);
      }
      plain += escaped;
    } else if (character === "," || character === "=") {
      throw badRequest(`invalid field selector: unescaped character in value: ${character.codePointAt(0)}`);
    } else plain += character;
  }
  return plain;
}

/** 400 for a field the resource does not select by. */
export function unsupportedField(field: string): Error {
  return badRequest(`field label not supported: ${field}`);
}
