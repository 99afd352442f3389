/** Resource quantities, exact: `100m`, `1.5Gi`, `2e3`; canonical forms as Go's resource.Quantity writes them. */

export type QuantityFormat = "DecimalSI" | "BinarySI" | "DecimalExponent";

const PATTERN = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$";
const WRONG_FORMAT = `quantities must match the regular expression '${PATTERN}'`;
const BAD_SUFFIX = "unable to parse quantity's suffix";

/** What is larger is refused here, though not upstream: arithmetic on it could hold the event loop. */
const MAX_LENGTH = 512;
const MAX_EXPONENT = 4096;
const NANO = -9;
const INT64_MAX = 9223372036854775807n;

const DECIMAL = new Map<string, number>([
  ["n", -9],
  ["u", -6],
  ["m", -3],
  ["", 0],
  ["k", 3],
  ["M", 6],
  ["G", 9],
  ["T", 12],
  ["P", 15],
  ["E", 18],
]);
const BINARY = new Map<string, number>([
  ["Ki", 10],
  ["Mi", 20],
  ["Gi", 30],
  ["Ti", 40],
  ["Pi", 50],
  ["Ei", 60],
]);
const DECIMAL_NAMES = new Map(Array.from(DECIMAL, ([name, exponent]) => [exponent, name]));
const BINARY_NAMES = new Map(Array.from(BINARY, ([name, exponent]) => [exponent, name]));

/** An immutable fixed-point number: `unscaled × 10^exponent`. */
export class Quantity {
  readonly #unscaled: bigint;
  readonly #exponent: number;
  readonly format: QuantityFormat;
  /** What was written, where Go keeps it. */
  readonly #text: string | undefined;

  constructor(unscaled: bigint, exponent: number, format: QuantityFormat = "DecimalSI", text?: string) {
    this.#unscaled = unscaled;
    this.#exponent = exponent;
    this.format = format;
    this.#text = text;
  }

  get isZero(): boolean {
    return this.#unscaled === 0n;
  }

  get sign(): -1 | 0 | 1 {
    return this.#unscaled === 0n ? 0 : this.#unscaled < 0n ? -1 : 1;
  }

  /** In units of 10^exponent, rounded away from zero: `scaled(-3)` are thousandths. */
  scaled(exponent: number): bigint {
    const shift = this.#exponent - exponent;
    return shift >= 0 ? this.#unscaled * 10n ** BigInt(shift) : divideAway(this.#unscaled, 10n ** BigInt(-shift));
  }

  /** Whole units, rounded away from zero. */
  value(): bigint {
    return this.scaled(0);
  }

  /** Thousandths, rounded away from zero. */
  milliValue(): bigint {
    return this.scaled(-3);
  }

  /** The nearest double. */
  toNumber(): number {
    return Number(`${this.#unscaled}e${this.#exponent}`);
  }

  /** As Go's AsApproximateFloat64: the digits times a power of ten, rounded twice. */
  approximate(): number {
    const digits = Number(this.#unscaled);
    return this.#exponent === 0 ? digits : digits * Number(`1e${this.#exponent}`);
  }

  /** Negative, zero or positive. */
  compare(other: Quantity): number {
    const exponent = Math.min(this.#exponent, other.#exponent);
    const left = this.scaled(exponent);
    const right = other.scaled(exponent);
    return left < right ? -1 : left > right ? 1 : 0;
  }

  /** A sum has the format of its first summand that is not zero. */
  add(other: Quantity): Quantity {
    const exponent = Math.min(this.#exponent, other.#exponent);
    const format = this.isZero ? other.format : this.format;
    return new Quantity(this.scaled(exponent) + other.scaled(exponent), exponent, format);
  }

  subtract(other: Quantity): Quantity {
    return this.add(other.negate());
  }

  multiply(factor: bigint): Quantity {
    return new Quantity(this.#unscaled * factor, this.#exponent, this.format);
  }

  negate(): Quantity {
    return new Quantity(-this.#unscaled, this.#exponent, this.format);
  }

  /** The canonical form: no fraction, the largest suffix that loses nothing. */
  toString(): string {
    return this.#text ?? this.#canonical();
  }

  toJSON(): string {
    return this.toString();
  }

  #canonical(): string {
    if (this.isZero) return "0";
    const negative = this.#unscaled < 0n;
    let amount = negative ? -this.#unscaled : this.#unscaled;
    if (this.format === "BinarySI" && this.#fitsBinary()) {
      amount = this.value();
      if (negative) amount = -amount;
      let exponent = 0;
      while (amount % 1024n === 0n) {
        amount /= 1024n;
        exponent += 10;
      }
      // Beyond the last suffix upstream prints none at all.
      return `${negative ? "-" : ""}${amount}${BINARY_NAMES.get(exponent) ?? ""}`;
    }
    let exponent = this.#exponent;
    while (amount % 10n === 0n) {
      amount /= 10n;
      exponent++;
    }
    while (exponent % 3 !== 0) {
      amount *= 10n;
      exponent--;
    }
    const suffix =
      this.format === "DecimalExponent" ? (exponent === 0 ? "" : `e${exponent}`) : (DECIMAL_NAMES.get(exponent) ?? "");
    return `${negative ? "-" : ""}${amount}${suffix}`;
  }

  /** Small numbers and fractions are printed as decimals even when written in powers of two. */
  #fitsBinary(): boolean {
    const magnitude = this.sign < 0 ? this.negate() : this;
    if (magnitude.compare(KIBI) < 0) return false;
    return this.#exponent >= 0 || this.#unscaled % 10n ** BigInt(-this.#exponent) === 0n;
  }
}

const KIBI = new Quantity(1024n, 0);
export const ZERO = new Quantity(0n, 0);

function divideAway(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  if (value % by === 0n) return quotient;
  return value < 0n ? quotient - 1n : quotient + 1n;
}

/** `value` whole units. */
export function quantityOf(value: bigint | number, format: QuantityFormat = "DecimalSI"): Quantity {
  return new Quantity(BigInt(value), 0, format);
}

/** `value` thousandths. */
export function milliQuantity(value: bigint | number, format: QuantityFormat = "DecimalSI"): Quantity {
  return new Quantity(BigInt(value), -3, format);
}

const LEXICAL = /^([+-]?)0*([0-9]*)(?:(\.)([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)$/;

/** Parses `100m`, `1Gi`, `1e3`, … Throws with upstream's text. */
export function parseQuantity(text: string): Quantity {
  if (text === "" || text.length > MAX_LENGTH) throw new Error(WRONG_FORMAT);
  if (text === "0") return new Quantity(0n, 0, "DecimalSI", "0");
  const match = LEXICAL.exec(text);
  if (match === null) throw new Error(WRONG_FORMAT);
  const negative = match[1] === "-";
  const whole = match[2] === "" ? "0" : match[2]!;
  const fraction = match[4] ?? "";
  const { base, exponent, format } = interpretSuffix(match[5]!);
  const digits = whole + fraction;
  const signed = negative ? -BigInt(digits) : BigInt(digits);
  const scale = -fraction.length;

  if (base === 10) {
    const shifted = exponent + scale;
    // Go keeps what was written when its fast path takes it for canonical.
    if (digits.length <= 18 && shifted >= NANO) {
      const kept = shifted % 3 === 0 && !digits.endsWith("000") && digits[0] !== "0" ? text : undefined;
      return new Quantity(signed, shifted, format, kept);
    }
    return new Quantity(...roundToNano(signed, shifted), format);
  }
  const amount = signed * (1n << BigInt(exponent));
  const precision = 15 - whole.length - Math.trunc((exponent * 3) / 10) - 1;
  if (fraction === "" && precision >= 0 && abs(amount) <= INT64_MAX) {
    return new Quantity(amount, 0, "BinarySI", (abs(signed) & 7n) !== 0n ? text : undefined);
  }
  const [unscaled, rounded] = roundToNano(amount, scale);
  const magnitude = new Quantity(abs(unscaled), rounded);
  if (magnitude.compare(CAP) > 0) return new Quantity(negative ? -INT64_MAX : INT64_MAX, 0, "BinarySI");
  const small = !magnitude.isZero && magnitude.compare(ONE) < 0;
  return new Quantity(unscaled, rounded, small ? "DecimalSI" : "BinarySI");
}

const ONE = new Quantity(1n, 0);
const CAP = new Quantity(INT64_MAX, 0);

function abs(value: bigint): bigint {
  return value < 0n ? -value : value;
}

/** Nothing is more precise than a billionth: what is left is rounded away from zero. */
function roundToNano(unscaled: bigint, exponent: number): [bigint, number] {
  if (exponent >= NANO || unscaled === 0n) return [unscaled, Math.max(exponent, NANO)];
  return [divideAway(unscaled, 10n ** BigInt(NANO - exponent)), NANO];
}

function interpretSuffix(suffix: string): { base: 2 | 10; exponent: number; format: QuantityFormat } {
  const decimal = DECIMAL.get(suffix);
  if (decimal !== undefined) return { base: 10, exponent: decimal, format: "DecimalSI" };
  const binary = BINARY.get(suffix);
  if (binary !== undefined) return { base: 2, exponent: binary, format: "BinarySI" };
  if (/^[eE][+-]?[0-9]+$/.test(suffix)) {
    const exponent = Number(suffix.slice(1));
    if (Math.abs(exponent) <= MAX_EXPONENT) return { base: 10, exponent, format: "DecimalExponent" };
  }
  throw new Error(BAD_SUFFIX);
}

/** The canonical text of a quantity given as JSON (a string or a number); throws with upstream's text. Surrounding space is dropped, as upstream does. */
export function canonicalQuantity(value: string | number | bigint): string {
  return parseQuantity(`${value}`.trim()).toString();
}
