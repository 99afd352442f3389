import { expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { createClient } from "./client.ts";
import { eventRecorder } from "./recorder.ts";
import { scriptedTransport } from "./scripted.test-support.ts";

const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "p", namespace: "n", uid: "u" } };

it("the same event is counted, another is created, an expired one begins anew", async () => {
  const clock = new SimulatedClock();
  let expired = false;
  const transport = scriptedTransport((request) =>
    request.method === "PATCH" && expired
      ? { status: 404, body: { kind: "Status", apiVersion: "v1", code: 404, reason: "NotFound" } }
      : { body: {} },
  );
  const errors: unknown[] = [];
  const client = createClient(transport, { clock, random: seededRandom(1) });
  const recorder = eventRecorder(client, "tester", (error) => errors.push(error));
  recorder.record(pod, "Warning", "Broken", "it broke");
  recorder.record(pod, "Warning", "Broken", "it broke");
  recorder.record(pod, "Normal", "Fixed", "x".repeat(2000));
  await clock.advance(0);
  expect(transport.requests.map(({ method }) => method)).toEqual(["POST", "PATCH", "POST"]);
  expect(JSON.parse(String(transport.requests[1]!.body))).toMatchObject({ count: 2 });
  expect(JSON.parse(String(transport.requests[2]!.body)).message).toHaveLength(1024);
  expired = true;
  recorder.record(pod, "Warning", "Broken", "it broke");
  await clock.advance(0);
  expect(transport.requests.slice(3).map(({ method }) => method)).toEqual(["PATCH", "POST"]);
  expect(errors).toEqual([]);
});

it("a failure is reported and the next event still goes out", async () => {
  const clock = new SimulatedClock();
  const transport = scriptedTransport((_, index) => (index === 0 ? { status: 500, body: "no" } : { body: {} }));
  const errors: unknown[] = [];
  const recorder = eventRecorder(createClient(transport, { clock, random: seededRandom(1) }), "t", (e) =>
    errors.push(e),
  );
  recorder.record(pod, "Normal", "A", "a");
  recorder.record(pod, "Normal", "B", "b");
  await clock.advance(0);
  expect([errors.length, transport.requests.length]).toEqual([1, 2]);
});
