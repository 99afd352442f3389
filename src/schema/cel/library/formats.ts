/** Kubernetes' named formats: `format.dns1123Label().validate(name)`. */
import { dns1035Label, dns1123Label, dns1123Subdomain, labelValue, qualifiedName } from "../../../api/names.ts";
import { declare, type Overload } from "../check/declarations.ts";
import { ListValue } from "../values/list.ts";
import { daysIn, parseTimestamp, Timestamp } from "../values/time.ts";
import { NONE, Opaque, Optional } from "../values/value.ts";
import { requestURIError } from "./urls.ts";

const TYPE = "kubernetes.NamedFormat";

export class NamedFormat extends Opaque {
  readonly typeName = TYPE;
  readonly name: string;
  readonly validate: (text: string) => string[];
  /** How long a pattern the cost of a call assumes. */
  readonly patternSize: number;
  constructor(name: string, patternSize: number, validate: (text: string) => string[]) {
    super();
    this.name = name;
    this.patternSize = patternSize;
    this.validate = validate;
  }
  equals(other: Opaque): boolean {
    return other === this;
  }
  override size(): number {
    return this.patternSize;
  }
}

const matching =
  (pattern: RegExp, message: string) =>
  (text: string): string[] =>
    pattern.test(text) ? [] : [message];

function date(text: string): string[] {
  const match = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text);
  const month = Number(match?.[2]);
  const fine =
    match !== null &&
    month >= 1 &&
    month <= 12 &&
    Number(match[3]) >= 1 &&
    Number(match[3]) <= daysIn(Number(match[1]), month);
  return fine ? [] : ["invalid date"];
}

const UUID = /^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$/;

const FORMATS = new Map(
  [
    new NamedFormat("dns1123Label", 30, (text) => dns1123Label(text)),
    new NamedFormat("dns1123Subdomain", 60, (text) => dns1123Subdomain(text)),
    new NamedFormat("dns1035Label", 30, (text) => dns1035Label(text)),
    new NamedFormat("qualifiedName", 60, qualifiedName),
    new NamedFormat("dns1123LabelPrefix", 30, (text) => dns1123Label(text, true)),
    new NamedFormat("dns1123SubdomainPrefix", 60, (text) => dns1123Subdomain(text, true)),
    new NamedFormat("dns1035LabelPrefix", 30, (text) => dns1035Label(text, true)),
    new NamedFormat("labelValue", 40, labelValue),
    new NamedFormat("uri", 1104, (text) => {
      const error = requestURIError(text);
      return error === undefined ? [] : [error];
    }),
    new NamedFormat("uuid", 72, matching(UUID, "does not match the UUID format")),
    new NamedFormat("byte", 84, matching(BASE64, "invalid base64")),
    new NamedFormat("date", 72, date),
    new NamedFormat("datetime", 72, (text) => (parseTimestamp(text) instanceof Timestamp ? [] : ["invalid datetime"])),
  ].map((format) => [format.name, format]),
);

export const FORMAT_FUNCTIONS: readonly Overload[] = [
  declare(`format.named: (string) optional_type(${TYPE}) @format-named`, (name: string) => {
    const format = FORMATS.get(name);
    return format === undefined ? NONE : new Optional(format);
  }),
  ...[...FORMATS.values()].map((format) =>
    declare(`format.${format.name}: () ${TYPE} @format.${format.name}`, () => format),
  ),
  declare(
    `validate: ${TYPE}.(string) optional_type(list(string)) @format-validate`,
    (format: NamedFormat, text: string) => {
      const errors = format.validate(text);
      return errors.length === 0 ? NONE : new Optional(new ListValue(errors));
    },
  ),
];
