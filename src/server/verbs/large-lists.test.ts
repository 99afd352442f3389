import { afterEach, expect, test } from "vitest";
import { SimulatedClock } from "../../api/simulated.ts";
import { memoryEngine, openState } from "../../store/index.ts";
import { BASE, type Bench, bench, widget } from "./fixture.test-support.ts";

const PREFIX = "/registry/test.example.com/widgets/default/";
const WIDGETS = `${BASE}/namespaces/default/widgets`;
let b: Bench;
afterEach(() => b.close());

/** A store whose objects nobody of this process wrote: nothing is known of them but their bytes. */
async function found(count: number) {
  const clock = new SimulatedClock();
  const engine = memoryEngine({ clock });
  await engine.open();
  for (let index = 0; index < count; index++) {
    const { metadata, ...rest } = widget(`w${index}`);
    const object = {
      kind: rest.kind,
      apiVersion: rest.apiVersion,
      metadata: {
        ...metadata,
        namespace: "default",
        uid: "u",
        resourceVersion: "",
        ...(index % 2 === 0 && { labels: { even: "yes" } }),
      },
      spec: { color: index % 3 === 0 ? "red" : "blue" },
    };
    await engine.commit({ key: `${PREFIX}w${index}`, expected: 0, value: Buffer.from(JSON.stringify(object)) });
  }
  b = await bench({ state: await openState(engine, { clock }), clock });
}

test("labels and fields of objects found at start are learned once", async () => {
  await found(100);
  const even = async () => (await b.send("GET", `${WIDGETS}?labelSelector=even`)).json.items.length;
  const red = async () => (await b.send("GET", `${WIDGETS}?fieldSelector=spec.color%3Dred`)).json.items.length;
  expect(await even()).toBe(50);
  // Those without labels are not parsed at all.
  expect(b.backend.counters).toMatchObject({ metadataParses: 50, decodes: 0 });
  expect(await red()).toBe(34);
  expect(b.backend.counters).toMatchObject({ metadataParses: 50, decodes: 100 });
  expect([await even(), await red()]).toEqual([50, 34]);
  expect(b.backend.counters).toMatchObject({ metadataParses: 50, decodes: 100, encodes: 0 });
});

test("a list that looks through many objects lets others go first", async () => {
  await found(9000);
  const order: string[] = [];
  const slow = b.send("GET", `${WIDGETS}?fieldSelector=spec.color%3Dgreen`).then(() => order.push("list"));
  const quick = b.send("GET", `${WIDGETS}/w1`).then(() => order.push("get"));
  await Promise.all([slow, quick]);
  expect(order).toEqual(["get", "list"]);
});

test("a list is sent while it is made, and given up when the client leaves", async () => {
  await found(9000);
  const response = await b.open(WIDGETS);
  let chunks = 0;
  for await (const chunk of response.body) {
    expect(chunk.length).toBeLessThan(128 * 1024);
    if (++chunks === 3) break;
  }
  expect(chunks).toBe(3);
  expect((await b.send("GET", `${WIDGETS}/w1`)).status).toBe(200);
});
