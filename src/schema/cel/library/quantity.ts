/** Kubernetes' library of quantities. */

import { parseQuantity, type Quantity, quantityOf } from "../../../api/quantity.ts";
import { declare, type Overload } from "../check/declarations.ts";
import { CelError } from "../values/errors.ts";
import { Double, INT_MAX, INT_MIN, type Int, integer } from "../values/numbers.ts";
import { Opaque, type Value } from "../values/value.ts";

class QuantityValue extends Opaque {
  readonly typeName = "kubernetes.Quantity";
  readonly quantity: Quantity;
  /** Kept in whole units: what was written with a fraction is not, whatever its value. */
  readonly whole: boolean;
  constructor(quantity: Quantity, whole: boolean) {
    super();
    this.quantity = quantity;
    this.whole = whole;
  }
  equals(other: Opaque): boolean {
    return other instanceof QuantityValue && this.quantity.compare(other.quantity) === 0;
  }
}

function parse(text: string): QuantityValue | CelError {
  try {
    const quantity = parseQuantity(text);
    return new QuantityValue(quantity, isWhole(text));
  } catch (error) {
    return new CelError((error as Error).message);
  }
}

const EXPONENTS: Record<string, number> = { n: -9, u: -6, m: -3, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };

/** As written, without looking at trailing zeros: `1000m` is not, `1.5e3` is. */
function isWhole(text: string): boolean {
  const [, fraction = "", power, suffix = ""] = /(?:\.(\d*))?(?:[eE]([+-]?\d+)|([a-zA-Z]*))$/.exec(text) ?? [];
  return fraction.length <= (power === undefined ? (EXPONENTS[suffix] ?? 0) : Number(power));
}

/** Undefined: not a whole number of 64 bits. */
function toInteger({ quantity, whole }: QuantityValue): Int | undefined {
  if (!whole) return undefined;
  const value = quantity.value();
  return value < INT_MIN || value > INT_MAX ? undefined : integer(value);
}

const number = (value: Int): QuantityValue => new QuantityValue(quantityOf(BigInt(value), "DecimalExponent"), true);
const add = (a: QuantityValue, b: QuantityValue): Value =>
  new QuantityValue(a.quantity.add(b.quantity), a.whole && b.whole);
const subtract = (a: QuantityValue, b: QuantityValue): Value =>
  new QuantityValue(a.quantity.subtract(b.quantity), a.whole && b.whole);
const TYPE = "kubernetes.Quantity";

export const QUANTITY_FUNCTIONS: readonly Overload[] = [
  declare(`quantity: (string) ${TYPE} @string_to_quantity`, parse),
  declare("isQuantity: (string) bool @is_quantity_string", (text: string) => !(parse(text) instanceof CelError)),
  declare(`sign: (${TYPE}) int @quantity_sign`, (one: QuantityValue) => one.quantity.sign),
  declare(`isInteger: ${TYPE}.() bool @quantity_is_integer`, (one: QuantityValue) => toInteger(one) !== undefined),
  declare(
    `asInteger: ${TYPE}.() int @quantity_get_int`,
    (one: QuantityValue) => toInteger(one) ?? new CelError("cannot convert value to integer"),
  ),
  declare(
    `asApproximateFloat: ${TYPE}.() double @quantity_get_float`,
    (one: QuantityValue) => new Double(one.quantity.toNumber()),
  ),
  declare(`add: ${TYPE}.(${TYPE}) ${TYPE} @quantity_add`, add),
  declare(`add: ${TYPE}.(int) ${TYPE} @quantity_add_int`, (a: QuantityValue, b: Int) => add(a, number(b))),
  declare(`sub: ${TYPE}.(${TYPE}) ${TYPE} @quantity_sub`, subtract),
  declare(`sub: ${TYPE}.(int) ${TYPE} @quantity_sub_int`, (a: QuantityValue, b: Int) => subtract(a, number(b))),
  declare(
    `isGreaterThan: ${TYPE}.(${TYPE}) bool @quantity_is_greater_than`,
    (a: QuantityValue, b: QuantityValue) => a.quantity.compare(b.quantity) > 0,
  ),
  declare(
    `isLessThan: ${TYPE}.(${TYPE}) bool @quantity_is_less_than`,
    (a: QuantityValue, b: QuantityValue) => a.quantity.compare(b.quantity) < 0,
  ),
  declare(`compareTo: ${TYPE}.(${TYPE}) int @quantity_compare_to`, (a: QuantityValue, b: QuantityValue) =>
    a.quantity.compare(b.quantity),
  ),
];
