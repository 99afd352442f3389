import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalQuantity, milliQuantity, parseQuantity, quantityOf } from "./quantity.ts";

describe("canonical forms, as resource.Quantity of apimachinery 0.36.3 prints them", () => {
  const cases: [string, string][] = [
    ["0", "0"],
    ["0m", "0"],
    ["1000m", "1"],
    ["1500m", "1500m"],
    ["0.5", "500m"],
    ["1.5Gi", "1536Mi"],
    ["0.5Gi", "512Mi"],
    ["1024Ki", "1Mi"],
    ["1Ki", "1Ki"],
    ["3.5Ki", "3584"],
    ["1023", "1023"],
    ["1000000", "1M"],
    ["123456789m", "123456789m"],
    ["100e3", "100e3"],
    ["1e1", "10"],
    ["1E3", "1E3"],
    ["0.1n", "1n"],
    ["-0.5", "-500m"],
    ["-512Mi", "-512Mi"],
    ["8Ei", "9223372036854775807"],
    // Go keeps these as they were written.
    ["+5", "+5"],
    ["1.100", "1.100"],
    ["1.Gi", "1.Gi"],
    ["05", "05"],
    // And has no suffix beyond E.
    ["1000E", "1"],
    ["", "!"],
    ["abc", "!"],
    ["1ki", "!"],
    ["1e", "!"],
    [`1${"0".repeat(600)}`, "!"],
  ];
  it.each(cases)("%.20s is %s", (text, expected) => {
    let actual: string;
    try {
      actual = parseQuantity(text).toString();
    } catch {
      actual = "!";
    }
    expect(actual).toBe(expected);
  });

  it("takes JSON numbers and surrounding space", () => {
    expect([canonicalQuantity(2), canonicalQuantity(0.25), canonicalQuantity(" 1Gi ")]).toEqual(["2", "250m", "1Gi"]);
  });

  it.each([
    ["x", "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"],
    ["1K", "unable to parse quantity's suffix"],
    ["1e99999", "unable to parse quantity's suffix"],
  ])("refuses %s", (text, message) => {
    expect(() => parseQuantity(text)).toThrow(message);
  });
});

describe("arithmetic", () => {
  it("keeps the format of the first summand that is not zero", () => {
    expect(`${parseQuantity("1Gi").add(parseQuantity("1G"))}`).toBe("2073741824");
    expect(`${parseQuantity("0").add(parseQuantity("1Gi"))}`).toBe("1Gi");
    expect(`${parseQuantity("1").subtract(parseQuantity("250m"))}`).toBe("750m");
    expect(`${milliQuantity(1500).multiply(2n)}`).toBe("3");
  });

  it("rounds away from zero", () => {
    expect([parseQuantity("1m").value(), parseQuantity("-1m").value(), parseQuantity("1.0001").milliValue()]).toEqual([
      1n,
      -1n,
      1001n,
    ]);
  });
});

describe("laws", () => {
  const quantity = fc
    .tuple(
      // Short of 10^21, which upstream prints without a suffix.
      fc.bigInt({ min: 1n - 10n ** 12n, max: 10n ** 12n - 1n }),
      fc.constantFrom("", "m", "u", "n", "k", "M", "G", "Ki", "Mi", "Gi", "e3"),
    )
    .map(([value, suffix]) => `${value}${suffix}`);

  it("the canonical form has the same value and is its own canonical form", () => {
    fc.assert(
      fc.property(quantity, (text) => {
        const parsed = parseQuantity(text);
        const again = parseQuantity(parsed.toString());
        expect(again.compare(parsed)).toBe(0);
        expect(again.toString()).toBe(parsed.toString());
      }),
    );
  });

  it("order is total and fits addition", () => {
    fc.assert(
      fc.property(quantity, quantity, quantity, (a, b, c) => {
        const [x, y, z] = [parseQuantity(a), parseQuantity(b), parseQuantity(c)];
        expect(Math.sign(x.compare(y))).toBe(0 - Math.sign(y.compare(x)));
        expect(Math.sign(x.add(z).compare(y.add(z)))).toBe(Math.sign(x.compare(y)));
        expect(x.add(y).subtract(y).compare(x)).toBe(0);
        if (x.compare(y) <= 0 && y.compare(z) <= 0) expect(x.compare(z)).toBeLessThanOrEqual(0);
      }),
    );
  });

  it("small integers are themselves", () => {
    fc.assert(
      fc.property(fc.integer(), (value) => {
        expect(quantityOf(value).value()).toBe(BigInt(value));
      }),
    );
  });
});
