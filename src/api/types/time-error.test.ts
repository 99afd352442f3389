import { expect, test } from "vitest";
import { goTimeError } from "./time-error.ts";

const SECONDS = '"2006-01-02T15:04:05Z07:00"';

test.each([
  ["yesterday", `parsing time "yesterday" as ${SECONDS}: cannot parse "yesterday" as "2006"`],
  ["2020-01-01", `parsing time "2020-01-01" as ${SECONDS}: cannot parse "" as "T"`],
  ["2020-01-01 00:00:00Z", `parsing time "2020-01-01 00:00:00Z" as ${SECONDS}: cannot parse " 00:00:00Z" as "T"`],
  ["2020-13-01T00:00:00Z", 'parsing time "2020-13-01T00:00:00Z": month out of range'],
  ["2020-02-31T00:00:00Z", 'parsing time "2020-02-31T00:00:00Z": day out of range'],
  ["2020-02-01T24:00:00Z", 'parsing time "2020-02-01T24:00:00Z": hour out of range'],
  ["2020-02-01T00:00:00", `parsing time "2020-02-01T00:00:00" as ${SECONDS}: cannot parse "" as "Z07:00"`],
  ["2020-02-01T00:00:00Zulu", 'parsing time "2020-02-01T00:00:00Zulu": extra text: "ulu"'],
])("%s", (text, message) => {
  expect(goTimeError(text, false)).toBe(message);
});

test("a MicroTime has six digits", () => {
  expect(goTimeError("2020-01-01T00:00:00.1Z", true)).toBe(
    'parsing time "2020-01-01T00:00:00.1Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse ".1Z" as ".000000"',
  );
});
