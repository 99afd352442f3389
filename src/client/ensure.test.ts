import { expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { createClient } from "./client.ts";
import { createIfMissing, createOrUpdate } from "./ensure.ts";
import { type Answer, scriptedTransport } from "./scripted.test-support.ts";

const wanted = { metadata: { name: "a" }, data: { key: "new" } };
const found: Answer = { body: { metadata: { name: "a", resourceVersion: "7" }, data: { key: "old" } } };
const done: Answer = { body: {} };

const failed = (code: number, reason: string): Answer => ({
  status: code,
  body: { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message: reason },
});
const taken = failed(409, "AlreadyExists");
const conflict = failed(409, "Conflict");

/** A server that gives these answers in turn, the last one again and again. */
function scripted(...answers: Answer[]) {
  const transport = scriptedTransport((_, index) => answers[Math.min(index, answers.length - 1)]!);
  const client = createClient(transport, { clock: new SimulatedClock(), random: seededRandom(1) });
  const resource = client.resource({ group: "", version: "v1", resource: "configmaps" }, "default");
  return { resource, methods: () => transport.requests.map(({ method }) => method), requests: transport.requests };
}

it("leaves alone what is there, and passes on any other failure", async () => {
  const there = scripted(taken);
  await createIfMissing(there.resource, wanted);
  expect(there.methods()).toEqual(["POST"]);
  const refused = scripted(failed(403, "Forbidden"));
  await expect(createIfMissing(refused.resource, wanted)).rejects.toMatchObject({ status: { reason: "Forbidden" } });
});

it("writes its change into what is there, and nothing when nothing changes", async () => {
  const other = scripted(taken, found, done);
  await createOrUpdate(other.resource, wanted, (object) => ({ ...object, data: wanted.data }));
  expect(other.methods()).toEqual(["POST", "GET", "PUT"]);
  expect(JSON.parse(String(other.requests[2]!.body))).toMatchObject({
    metadata: { resourceVersion: "7" },
    data: { key: "new" },
  });
  const same = scripted(taken, found);
  await createOrUpdate(same.resource, wanted, (object) => object);
  expect(same.methods()).toEqual(["POST", "GET"]);
});

it("starts over when somebody else wrote or deleted it, and gives up after the fifth time", async () => {
  const change = (object: object) => ({ ...object, metadata: { name: "a" }, data: wanted.data });
  const raced = scripted(taken, found, conflict, taken, failed(404, "NotFound"), done);
  await createOrUpdate(raced.resource, wanted, change);
  expect(raced.methods()).toEqual(["POST", "GET", "PUT", "POST", "GET", "POST"]);

  const round = [taken, found, conflict];
  const hopeless = scripted(...round, ...round, ...round, ...round, ...round, done);
  await expect(createOrUpdate(hopeless.resource, wanted, change)).rejects.toMatchObject({
    status: { reason: "Conflict" },
  });
  expect(hopeless.methods().length).toBe(15);
});
