import { describe, expect, it } from "vitest";
import type { KubeObject } from "../api/meta.ts";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { createClient } from "./client.ts";
import { leaderElection } from "./leader.ts";
import { type Answer, scriptedTransport } from "./scripted.test-support.ts";

/** One Lease behind optimistic locking. */
function server() {
  const state: { lease: KubeObject | undefined; version: number; down: boolean } = {
    lease: undefined,
    version: 0,
    down: false,
  };
  const failed = (code: number, reason: string): Answer => ({
    status: code,
    body: { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message: reason },
  });
  const store = (body: unknown): Answer => {
    const lease = JSON.parse(String(body)) as KubeObject;
    lease.metadata.resourceVersion = String(++state.version);
    state.lease = lease;
    return { body: lease };
  };
  const transport = scriptedTransport((request) => {
    if (state.down) return { status: 500, body: "down" };
    if (request.method === "POST") return state.lease ? failed(409, "AlreadyExists") : store(request.body);
    if (state.lease === undefined) return failed(404, "NotFound");
    if (request.method === "GET") return { body: state.lease };
    const sent = JSON.parse(String(request.body)) as KubeObject;
    if (sent.metadata.resourceVersion !== state.lease.metadata.resourceVersion) return failed(409, "Conflict");
    return store(request.body);
  });
  return { state, transport };
}

function candidate(clock: SimulatedClock, transport: ReturnType<typeof server>["transport"], identity: string) {
  const terms: AbortSignal[] = [];
  const election = leaderElection({
    client: createClient(transport, { clock, random: seededRandom(identity.length) }),
    namespace: "kube-system",
    name: "controllers",
    identity,
    onLeading: (signal) => terms.push(signal),
  });
  return { election, terms };
}

describe("leader election", () => {
  it("one leads, the other takes over when it is silent for the whole lease", async () => {
    const clock = new SimulatedClock();
    const { state, transport } = server();
    const a = candidate(clock, transport, "a");
    const b = candidate(clock, transport, "bb");
    a.election.start();
    await clock.advance(0);
    b.election.start();
    await clock.advance(60_000);
    expect([a.election.leading, b.election.leading]).toEqual([true, false]);
    state.down = true;
    await clock.advance(12_000);
    expect([a.election.leading, a.terms[0]!.aborted]).toEqual([false, true]);
    state.down = false;
    await a.election.stop();
    await clock.advance(20_000);
    expect(b.election.leading).toBe(true);
    expect(state.lease!["spec"].leaseTransitions).toBe(1);
    await b.election.stop();
  });

  it("never two at a time, whoever comes and goes", async () => {
    const clock = new SimulatedClock();
    const { state, transport } = server();
    const all = ["a", "bb", "ccc"].map((name) => candidate(clock, transport, name));
    for (const { election } of all) election.start();
    for (let step = 0; step < 200; step++) {
      state.down = step % 37 > 25;
      await clock.advance(700);
      expect(all.filter(({ election }) => election.leading).length).toBeLessThanOrEqual(1);
    }
    expect(all.some(({ terms }) => terms.length > 0)).toBe(true);
    for (const { election } of all) await election.stop();
    expect(clock.waiting).toBe(0);
  });

  it("who stops gives the lease back", async () => {
    const clock = new SimulatedClock();
    const { state, transport } = server();
    const a = candidate(clock, transport, "a");
    a.election.start();
    await clock.advance(0);
    await a.election.stop();
    expect(state.lease!["spec"].holderIdentity).toBe("");
    const b = candidate(clock, transport, "bb");
    b.election.start();
    await clock.advance(0);
    expect(b.election.leading).toBe(true);
    await b.election.stop();
  });
});
