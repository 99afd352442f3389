import { afterEach, beforeEach, expect, test } from "vitest";
import { BASE, type Bench, bench, widget } from "./fixture.test-support.ts";

const WIDGETS = `${BASE}/namespaces/default/widgets`;
const JSON_PATCH = "application/json-patch+json";
const MERGE_PATCH = "application/merge-patch+json";
let b: Bench;
beforeEach(async () => {
  b = await bench();
  await b.send("POST", WIDGETS, widget("a", { spec: { color: "red" } }));
});
afterEach(() => b.close());

const patch = (body: unknown, type: string, query = "") =>
  b.send("PATCH", `${WIDGETS}/a${query}`, body, { "content-type": type });

test("JSON patch and merge patch change what is stored", async () => {
  const one = await patch([{ op: "add", path: "/spec/size", value: 3 }], JSON_PATCH);
  expect(one.json.spec).toEqual({ color: "red", size: 3 });
  const two = await patch({ spec: { color: null } }, `${MERGE_PATCH}; charset=utf-8`);
  expect(two.json.spec).toEqual({ size: 3 });
  expect((await b.send("GET", `${WIDGETS}/a`)).text).toBe(two.text);
});

test.each([
  [
    "apply is not served",
    { a: 1 },
    "application/apply-patch+yaml",
    "",
    415,
    "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json",
  ],
  [
    "no media type",
    { a: 1 },
    "",
    "",
    415,
    "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json",
  ],
  [
    "a failing test",
    [{ op: "test", path: "/spec/color", value: "blue" }],
    JSON_PATCH,
    "",
    422,
    "the server rejected our request due to an error in our request",
  ],
  ["no patch at all", "[", JSON_PATCH, "", 400, "error decoding patch: unexpected end of JSON input"],
  [
    "force",
    {},
    MERGE_PATCH,
    "?force=true",
    422,
    'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch',
  ],
  [
    "another name",
    { metadata: { name: "b" } },
    MERGE_PATCH,
    "",
    400,
    "the name of the object (b) does not match the name on the URL (a)",
  ],
  [
    "another namespace",
    { metadata: { namespace: "b" } },
    MERGE_PATCH,
    "",
    400,
    "the namespace of the object (b) does not match the namespace on the request (default)",
  ],
  [
    "another version",
    { apiVersion: "test.example.com/v2" },
    MERGE_PATCH,
    "",
    400,
    "the API version in the data (test.example.com/v2) does not match the expected API version (test.example.com/v1)",
  ],
])("%s is refused", async (_, body, type, query, status, message) => {
  const answer = await patch(body, type, query);
  expect({ status: answer.status, message: answer.json.message }).toEqual({ status, message });
  expect(b.state.revision).toBe(1);
});

test("unknown fields: refused when strict, a warning by default, silence on demand", async () => {
  const strict = await patch({ nope: 1 }, MERGE_PATCH, "?fieldValidation=Strict");
  expect(strict.status).toBe(422);
  expect(strict.json.message).toMatch(
    /^ "" is invalid: patch: Invalid value: "\{.*\}": strict decoding error: unknown field "nope"$/,
  );
  expect(strict.json.details.causes).toMatchObject([{ reason: "FieldValueInvalid", field: "patch" }]);
  expect((await patch({ nope: 1 }, MERGE_PATCH)).headers["warning"]).toBe('299 - "unknown field \\"nope\\""');
  expect((await patch({ nope: 1 }, MERGE_PATCH, "?fieldValidation=Ignore")).headers["warning"]).toBeUndefined();
});

test("the same for a body: strict is 400", async () => {
  const strict = await b.send("POST", `${WIDGETS}?fieldValidation=Strict`, { ...widget("b"), nope: 1 });
  expect(strict.json).toMatchObject({
    code: 400,
    reason: "BadRequest",
    message: 'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "nope"',
  });
  const warned = await b.send("PUT", `${WIDGETS}/a`, { ...widget("a"), nope: 1 });
  expect([warned.status, warned.headers["warning"]]).toEqual([200, '299 - "unknown field \\"nope\\""']);
});

test("a missing object is 404", async () => {
  const answer = await b.send("PATCH", `${WIDGETS}/none`, {}, { "content-type": MERGE_PATCH });
  expect(answer.json).toMatchObject({ code: 404, message: 'widgets.test.example.com "none" not found' });
});
