import { expect, test } from "vitest";
import type { KubeObject } from "../../api/meta.ts";
import { BASE, bench, tinyCodec, WIDGET, widget, widgets } from "./fixture.test-support.ts";

const WIDGETS = `${BASE}/namespaces/default/widgets`;
const STORED = { ...WIDGET, version: "v2" };

// v1 says `color`, v2 (stored) says `colour`.
const rename = (object: KubeObject, from: string, to: string, version: string): KubeObject => {
  const { [from]: value, ...rest } = object["spec"] as Record<string, unknown>;
  return {
    ...object,
    apiVersion: `test.example.com/${version}`,
    spec: value === undefined ? rest : { ...rest, [to]: value },
  };
};

test("objects are stored in one version and served, listed, watched and selected in another", async () => {
  let conversions = 0;
  const storage = {
    codec: tinyCodec(STORED),
    fromStored: async (objects: KubeObject[]) => {
      conversions++;
      return objects.map((object) => rename(object, "colour", "color", "v1"));
    },
    toStored: async (object: KubeObject) => rename(object, "color", "colour", "v2"),
  };
  const b = await bench({ resources: [{ definition: widgets({ storage }) }] });
  const created = await b.send("POST", WIDGETS, widget("a", { spec: { color: "red" } }));
  expect(created.json).toMatchObject({ apiVersion: "test.example.com/v1", spec: { color: "red" } });
  const stored = b.state.view().get("/registry/test.example.com/widgets/default/a")!;
  expect(Buffer.from(stored.value).toString()).toContain('"apiVersion":"test.example.com/v2"');
  expect(Buffer.from(stored.value).toString()).toContain('"colour":"red"');
  const patched = await b.send(
    "PATCH",
    `${WIDGETS}/a`,
    { spec: { size: 1 } },
    { "content-type": "application/merge-patch+json" },
  );
  expect(patched.json).toMatchObject({ metadata: { resourceVersion: "2" }, spec: { color: "red", size: 1 } });
  const again = await b.send("PUT", `${WIDGETS}/a`, patched.json);
  expect(again.text).toBe(patched.text);
  expect(conversions).toBe(0);
  b.backend.encodings.clear();
  expect((await b.send("GET", `${WIDGETS}/a`)).json).toEqual(patched.json);
  expect((await b.send("GET", `${WIDGETS}?fieldSelector=spec.color%3Dred`)).json.items).toEqual([patched.json]);
  const watch = await b.open(`${WIDGETS}?watch=1&fieldSelector=spec.color%3Dred`);
  for await (const chunk of watch.body) {
    expect(JSON.parse(Buffer.from(chunk).toString()).object).toEqual(patched.json);
    break;
  }
  expect(conversions).toBe(1);
  await b.close();
});
