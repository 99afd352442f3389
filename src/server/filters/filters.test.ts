import { describe, expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "../../api/simulated.ts";
import { memoryTransport } from "../transports/memory.ts";
import { type ForwardableOptions, forwardableHeaders } from "./forwardable-headers.ts";
import { warningHeaders } from "./warnings.ts";

describe("forwardableHeaders", () => {
  const SENT: [string, string][] = [
    ["Authorization", "Bearer secret"],
    ["authorization", "Basic again"],
    ["Proxy-Authorization", "x"],
    ["Cookie", "session=1"],
    ["X-Remote-User", "admin"],
    ["x-remote-GROUP", "system:masters"],
    ["X-Remote-Uid", "1"],
    ["X-Remote-Extra-Scopes", "all"],
    ["X-REMOTE-EXTRA-", "all"],
    ["Impersonate-User", "admin"],
    ["impersonate-extra-a", "b"],
    ["X-Front-User", "admin"],
    ["X-Front-Extra-A", "b"],
    ["Sec-WebSocket-Protocol", "v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.c2VjcmV0"],
    ["X-Kept", "1"],
    ["X-Kept", "2"],
    ["x-remote", "kept"],
  ];

  const forwarded = async (options?: ForwardableOptions) => {
    let kept: string[] = [];
    const transport = memoryTransport(
      (exchange) => {
        kept = forwardableHeaders(exchange, options);
        exchange.response.send(200, "", "");
      },
      { clock: new SimulatedClock(), random: seededRandom(1) },
    );
    await transport.request({ method: "GET", path: "/", headerLines: SENT });
    return kept;
  };

  it("keeps what identifies nobody, in order and apart", async () => {
    expect(await forwarded({ names: ["x-front-user"], prefixes: ["x-front-extra-"] })).toEqual([
      "Sec-WebSocket-Protocol",
      "v5.channel.k8s.io",
      "X-Kept",
      "1",
      "X-Kept",
      "2",
      "x-remote",
      "kept",
    ]);
  });

  it("passes cookies on only where asked to", async () => {
    expect(await forwarded()).not.toContain("Cookie");
    expect(await forwarded({ cookies: true })).toContain("Cookie");
  });
});

describe("warningHeaders", () => {
  it.each([
    [
      ["a", "b", "a", ""],
      ['299 - "a"', '299 - "b"'],
    ],
    [['"\\'], ['299 - "\\"\\\\"']],
    [["bad\nline", "good"], ['299 - "good"']],
    [["日本"], ['299 - "日本"']],
  ])("%j", (texts, headers) => expect(warningHeaders(texts)).toEqual(headers));

  it("cuts all to 256 characters once 4096 are passed, and drops the rest once those are", () => {
    const long = (index: number) => `${index}`.padEnd(1000, "日");
    const some = warningHeaders([0, 1, 2, 3].map(long));
    expect(some.map((line) => line.length)).toEqual([1008, 1008, 1008, 1008]);
    const more = warningHeaders(Array.from({ length: 40 }, (_, index) => long(index)));
    expect(new Set(more.map((line) => line.length))).toEqual(new Set([264]));
    expect(more.length).toBe(16);
  });

  it("never splits a character in two", () => {
    const [first] = warningHeaders(["😀".repeat(5000)]);
    expect(first).toBe(`299 - "${"😀".repeat(256)}"`);
  });
});
