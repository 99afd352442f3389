import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SimulatedClock } from "../api/simulated.ts";
import { Breaker } from "./breaker.ts";
import { Bulkhead } from "./bulkhead.ts";
import { DialError } from "./dial-errors.ts";
import { canonicalPath, canonicalQuery } from "./go-url.ts";
import { escapeHeaderKey, isIdentityHeader, requestHeaders } from "./headers.ts";
import { Silence } from "./silence.ts";

const refused = new DialError("Refused", "dial tcp x: connect: connection refused", true);

describe("breaker", () => {
  it("opens after three failures to connect, lets one caller try, and closes on success", async () => {
    const clock = new SimulatedClock();
    const breaker = new Breaker({ clock });
    for (let turn = 0; turn < 3; turn++) {
      expect(breaker.refuse("x")).toBeUndefined();
      breaker.failed("x", refused);
    }
    expect(breaker.refuse("x")).toMatchObject({ reason: "BreakerOpen", message: refused.message });
    expect(breaker.refuse("y")).toBeUndefined();
    await clock.advance(500);
    expect([breaker.refuse("x"), breaker.refuse("x")?.reason]).toEqual([undefined, "BreakerOpen"]);
    breaker.failed("x", refused);
    await clock.advance(999);
    expect(breaker.refuse("x")).toBeDefined();
    await clock.advance(1);
    expect(breaker.refuse("x")).toBeUndefined();
    breaker.succeeded("x");
    expect(breaker.isOpen("x")).toBe(false);
  });

  it("answers that fail later do not open it", () => {
    const breaker = new Breaker({ clock: new SimulatedClock() });
    for (let turn = 0; turn < 10; turn++) breaker.failed("x", new DialError("Reset", "EOF", false));
    expect(breaker.refuse("x")).toBeUndefined();
  });

  it("a try that never reports does not keep it open for ever", async () => {
    const clock = new SimulatedClock();
    const breaker = new Breaker({ clock });
    for (let turn = 0; turn < 3; turn++) breaker.failed("x", refused);
    await clock.advance(500);
    breaker.refuse("x");
    await clock.advance(10_000);
    expect(breaker.refuse("x")).toBeUndefined();
  });
});

describe("bulkhead", () => {
  const never = new AbortController().signal;

  it("hands places on in order, refuses beyond the queue, counts watches apart", async () => {
    const bulkhead = new Bulkhead({ inFlight: 1, queue: 1, longRunning: 1 });
    const first = await bulkhead.enter(false, never);
    const second = bulkhead.enter(false, never) as Promise<() => void>;
    expect(() => bulkhead.enter(false, never)).toThrow("too many requests");
    const watch = await bulkhead.enter(true, never);
    expect(() => bulkhead.enter(true, never)).toThrow("too many requests");
    first();
    first();
    (await second)();
    watch();
    expect([bulkhead.inFlight, bulkhead.waiting, bulkhead.longRunning]).toEqual([0, 0, 0]);
  });

  it("who leaves the queue takes no place", async () => {
    const bulkhead = new Bulkhead({ inFlight: 1, queue: 2 });
    const first = await bulkhead.enter(false, never);
    const abort = new AbortController();
    const waiting = bulkhead.enter(false, abort.signal) as Promise<() => void>;
    const settled = expect(waiting).rejects.toThrow("gone");
    abort.abort(new Error("gone"));
    await settled;
    first();
    expect([bulkhead.inFlight, bulkhead.waiting]).toEqual([0, 0]);
  });
});

describe("silence", () => {
  it("counts rounds without a byte, not those in which the receiver was not ready", async () => {
    const clock = new SimulatedClock();
    const silence = new Silence({ clock });
    const cut: string[] = [];
    const stream = (name: string) => ({ quiet: 0, held: false, silent: () => cut.push(name) && silence.delete(made) });
    const made = stream("made");
    const held = { ...stream("held"), held: true };
    const busy = stream("busy");
    for (const one of [made, held, busy]) silence.add(one);
    for (let turn = 0; turn < 30; turn++) {
      await clock.advance(1000);
      busy.quiet = 0;
      if (turn === 14) expect(cut).toEqual([]);
    }
    expect(cut).toEqual(["made"]);
    silence.delete(held);
    silence.delete(busy);
    await clock.advance(5000);
    expect([silence.watched, clock.waiting]).toEqual([0, 0]);
  });
});

describe("paths and queries", () => {
  it("law: canonical is a fixed point, whatever came in", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const path = canonicalPath(`/${text.replaceAll("%", "%25")}`)!;
        expect(path).toMatch(/^[\x21-\x7e]+$/);
        expect(canonicalPath(path)).toBe(path);
        const query = canonicalQuery(text);
        expect(query).toMatch(/^[\x21-\x7e]*$/);
        expect(canonicalQuery(query)).toBe(query);
      }),
    );
  });

  it("broken escapes: a path is refused, a pair dropped", () => {
    expect(canonicalPath("/a%zz")).toBeUndefined();
    expect(canonicalPath("/a%4")).toBeUndefined();
    expect(canonicalQuery("a=%zz&b=%4&c=1&%=2;&d")).toBe("c=1&d=");
  });
});

describe("header names", () => {
  it.each([
    "x-remote-user",
    "x-remote-extra-a",
    "x_remote_group",
    "x-remote_uid",
    "impersonate-user",
    "impersonate-extra-x",
  ])("%s claims an identity", (name) => expect(isIdentityHeader(name)).toBe(true));
  it.each(["x-remote", "x-remote-users", "x-forwarded-for", "accept", "if-match"])("%s does not", (name) => {
    expect(isIdentityHeader(name)).toBe(false);
  });
  it("law: whatever a client sends, a backend sees one identity, the user's, on upgrades too (A-01, A-02, P-1, P-2)", () => {
    const user = { name: "anna", uid: "7", groups: ["a", "b"], extra: { "k/x": ["p", "q"] } };
    const expected = ["x-remote-user: anna", "x-remote-uid: 7", "x-remote-group: a", "x-remote-group: b"];
    expected.push("x-remote-extra-k%2fx: p", "x-remote-extra-k%2fx: q");
    const separator = fc.constantFrom("-", "_", ".");
    const claimed = fc
      .tuple(
        fc.constantFrom(
          ...[
            ["x", "remote", "user"],
            ["x", "remote", "uid"],
            ["x", "remote", "group"],
            ["x", "remote", "extra", "k"],
          ],
          ...[
            ["impersonate", "user"],
            ["impersonate", "extra", "k"],
            ["x", "front", "user"],
            ["x", "front", "extra", "k"],
          ],
        ),
        separator,
        fc.boolean(),
      )
      .map(([words, between, upper]) => {
        const own = words[1] === "front";
        const name = words.join(own ? "-" : between);
        return upper ? name.toUpperCase() : name;
      });
    const secret = fc.constantFrom("Authorization", "Cookie", "Proxy-Authorization", "X-Forwarded-Client-Cert");
    const listing = fc
      .subarray(["X-Remote-User", "x-remote-group", "X-Remote-Extra-K%2Fx", "Host", "Audit-Id", "close"])
      .map((names): [string, string] => ["Connection", names.join(", ")]);
    const line = fc.oneof(
      fc.tuple(fc.oneof(claimed, secret), fc.constantFrom("root", "system:masters", "")),
      listing,
      fc.tuple(fc.constantFrom("Accept", "X-Kept", "X-Remote"), fc.constant("fine")),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), fc.boolean(), (lines, upgrade) => {
        const out = requestHeaders({
          raw: lines.flat(),
          user,
          auditID: "audit",
          authority: "backend:443",
          clientAddress: "192.0.2.1",
          path: "/x",
          credentials: new Set(["x-front-user", "x-front-extra-*"]),
          ...(upgrade && { upgrade: "websocket" }),
        });
        const seen: string[] = [];
        const rest: string[] = [];
        for (let index = 0; index < out.length; index += 2) {
          const name = out[index]!.toLowerCase();
          const folded = name.replace(/[_.]/g, "-");
          if (/^(x-remote-(user|uid|group|extra-)|impersonate-|x-front-)/.test(folded))
            seen.push(`${name}: ${out[index + 1]}`);
          else rest.push(name);
        }
        expect(seen).toEqual(expected);
        expect(rest).not.toContain("authorization");
        expect(rest).not.toContain("cookie");
        expect(rest.filter((name) => name === "host" || name === "audit-id")).toEqual(["host", "audit-id"]);
        expect(rest.filter((name) => name === "x-kept").length).toBe(
          lines.filter(([name]) => name === "X-Kept").length,
        );
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ["k/x", "k%2Fx"],
    ["a%b", "a%25b"],
    ["authentication.kubernetes.io/credential-id", "authentication.kubernetes.io%2Fcredential-id"],
    ["ü:", "%C3%BC%3A"],
  ])("key %s is written %s", (key, written) => expect(escapeHeaderKey(key)).toBe(written));
});
