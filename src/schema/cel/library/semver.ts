/** Kubernetes' library of semantic versions. */
import { declare, type Overload } from "../check/declarations.ts";
import { CelError } from "../values/errors.ts";
import { type Int, integer } from "../values/numbers.ts";
import { compareStrings } from "../values/strings.ts";
import { Opaque } from "../values/value.ts";

const TYPE = "kubernetes.Semver";
type Identifier = string | bigint;

class Semver extends Opaque {
  readonly typeName = TYPE;
  readonly numbers: readonly [bigint, bigint, bigint];
  readonly prerelease: readonly Identifier[];
  constructor(numbers: readonly [bigint, bigint, bigint], prerelease: readonly Identifier[]) {
    super();
    this.numbers = numbers;
    this.prerelease = prerelease;
  }

  equals(other: Opaque): boolean {
    return other instanceof Semver && this.compare(other) === 0;
  }

  /** A version before its release is below it; build metadata does not count. */
  compare(other: Semver): number {
    for (let i = 0; i < 3; i++) {
      if (this.numbers[i]! !== other.numbers[i]!) return this.numbers[i]! < other.numbers[i]! ? -1 : 1;
    }
    const [a, b] = [this.prerelease, other.prerelease];
    if (a.length === 0 || b.length === 0) return Math.sign(b.length - a.length) * (a.length === b.length ? 0 : 1);
    for (let i = 0; i < Math.min(a.length, b.length); i++) {
      const order = compareIdentifiers(a[i]!, b[i]!);
      if (order !== 0) return order;
    }
    return Math.sign(a.length - b.length);
  }
}

/** Numbers are below words. */
function compareIdentifiers(a: Identifier, b: Identifier): number {
  if (typeof a === "bigint") return typeof b === "bigint" ? (a < b ? -1 : a > b ? 1 : 0) : -1;
  return typeof b === "bigint" ? 1 : Math.sign(compareStrings(a, b));
}

const NAMES = ["Major", "Minor", "Patch"] as const;
const MAX = 2n ** 64n - 1n;
const MAX_LENGTH = 10_000;

function parse(text: string): Semver | CelError {
  if (text === "") return new CelError("Version string empty");
  if (text.length > MAX_LENGTH) return new CelError("Version string too long");
  const parts = text.split(".");
  if (parts.length < 3) return new CelError("No Major.Minor.Patch elements found");
  let patch = parts.slice(2).join(".");
  let build: string[] = [];
  let prerelease: string[] = [];
  const plus = patch.indexOf("+");
  if (plus !== -1) {
    build = patch.slice(plus + 1).split(".");
    patch = patch.slice(0, plus);
  }
  const dash = patch.indexOf("-");
  if (dash !== -1) {
    prerelease = patch.slice(dash + 1).split(".");
    patch = patch.slice(0, dash);
  }
  const numbers: bigint[] = [];
  for (const [i, part] of [parts[0]!, parts[1]!, patch].entries()) {
    if (!/^[0-9]*$/.test(part))
      return new CelError(`Invalid character(s) found in ${NAMES[i]!.toLowerCase()} number ${JSON.stringify(part)}`);
    if (part.length > 1 && part.startsWith("0"))
      return new CelError(`${NAMES[i]} number must not contain leading zeroes ${JSON.stringify(part)}`);
    if (part === "") return new CelError('strconv.ParseUint: parsing "": invalid syntax');
    if (BigInt(part) > MAX)
      return new CelError(`strconv.ParseUint: parsing ${JSON.stringify(part)}: value out of range`);
    numbers.push(BigInt(part));
  }
  const identifiers: Identifier[] = [];
  for (const one of prerelease) {
    if (one === "") return new CelError("Prerelease is empty");
    if (/^[0-9]+$/.test(one)) {
      if (one.length > 1 && one.startsWith("0"))
        return new CelError(`Numeric PreRelease version must not contain leading zeroes ${JSON.stringify(one)}`);
      identifiers.push(BigInt(one));
    } else if (/^[0-9A-Za-z-]+$/.test(one)) identifiers.push(one);
    else return new CelError(`Invalid character(s) found in prerelease ${JSON.stringify(one)}`);
  }
  for (const one of build) {
    if (one === "") return new CelError("Build meta data is empty");
    if (!/^[0-9A-Za-z-]+$/.test(one))
      return new CelError(`Invalid character(s) found in build meta data ${JSON.stringify(one)}`);
  }
  return new Semver(numbers as [bigint, bigint, bigint], identifiers);
}

/** Takes `v1.2` and leading zeros too. */
function normalize(text: string): Semver | CelError {
  const [major, minor, ...rest] = (text.startsWith("v") ? text.slice(1) : text).split(".");
  const parts = [major!, ...(minor === undefined ? [] : [minor]), ...(rest.length > 0 ? [rest.join(".")] : [])].map(
    (part) => {
      if (part.length <= 1) return part;
      const trimmed = part.replace(/^0+/, "");
      return /^[0-9]/.test(trimmed) ? trimmed : `0${trimmed}`;
    },
  );
  if (parts.length < 3) {
    if (/[+-]/.test(parts.at(-1)!)) return new CelError("short version cannot contain PreRelease/Build meta data");
    while (parts.length < 3) parts.push("0");
  }
  return parse(parts.join("."));
}

const read = (text: string, lenient: boolean): Semver | CelError => (lenient ? normalize(text) : parse(text));
const number =
  (i: 0 | 1 | 2) =>
  (version: Semver): Int | CelError =>
    integer(BigInt.asIntN(64, version.numbers[i]));

export const SEMVER_FUNCTIONS: readonly Overload[] = [
  declare(`semver: (string) ${TYPE} @string_to_semver`, (text: string) => parse(text)),
  declare(`semver: (string, bool) ${TYPE} @string_bool_to_semver`, read),
  declare("isSemver: (string) bool @is_semver_string", (text: string) => !(parse(text) instanceof CelError)),
  declare(
    "isSemver: (string, bool) bool @is_semver_string_bool",
    (text: string, lenient: boolean) => !(read(text, lenient) instanceof CelError),
  ),
  declare(`isGreaterThan: ${TYPE}.(${TYPE}) bool @semver_is_greater_than`, (a: Semver, b: Semver) => a.compare(b) > 0),
  declare(`isLessThan: ${TYPE}.(${TYPE}) bool @semver_is_less_than`, (a: Semver, b: Semver) => a.compare(b) < 0),
  declare(`compareTo: ${TYPE}.(${TYPE}) int @semver_compare_to`, (a: Semver, b: Semver) => a.compare(b)),
  declare(`major: ${TYPE}.() int @semver_major`, number(0)),
  declare(`minor: ${TYPE}.() int @semver_minor`, number(1)),
  declare(`patch: ${TYPE}.() int @semver_patch`, number(2)),
];
