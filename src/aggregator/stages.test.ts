import { describe, expect, it } from "vitest";
import { DialError, TransportError } from "../dial/index.ts";
import { finding, ProbeFailure, reasonOf, reasonOfStatus } from "./findings.ts";
import { type StageFacts, sameButAddress, stageConditions } from "./stages.ts";

const NOW = Date.UTC(2026, 0, 1);
const DAY = 86_400_000;
const facts = (more: Partial<StageFacts> = {}): StageFacts => ({
  service: "fun/jokes:443",
  serverName: "jokes.fun.svc",
  insecure: false,
  discovery: { state: "valid" },
  expiries: {},
  now: NOW,
  ...more,
});
const brief = (more: Partial<StageFacts>) =>
  stageConditions(facts(more)).map(({ type, status, reason }) => `${type}=${status}/${reason}`);
const message = (type: string, more: Partial<StageFacts>) =>
  stageConditions(facts(more)).find((one) => one.type === type)!.message;

describe("stage conditions", () => {
  it("are True up to the broken link, False there, Unknown behind it", () => {
    const failure = new ProbeFailure("text", finding("TLSExpired"), "10.0.0.1:443");
    expect(brief({ failure })).toEqual([
      "Resolved=True/Passed",
      "Connected=True/Passed",
      "TLSVerified=False/TLSExpired",
      "Authorized=Unknown/NotReached",
      "DiscoveryValid=Unknown/NotReached",
    ]);
    expect(message("Authorized", { failure })).toBe("not looked at while TLSVerified is not True");
  });

  it("verify nothing where nothing is to be verified", () => {
    expect(brief({ insecure: true })[2]).toBe("TLSVerified=Unknown/NotVerified");
  });

  it("do not know of discovery before it was asked for", () => {
    expect(brief({ discovery: { state: "untried" } })[4]).toBe("DiscoveryValid=Unknown/NotTried");
    expect(message("DiscoveryValid", { discovery: { state: "failed", error: new Error("not JSON") } })).toMatch(
      /^not JSON; remedy: correct the discovery documents/,
    );
  });

  it.each([
    [31, "Passed", /valid for jokes.fun.svc until 2026-02-01T00:00:00Z$/],
    [29, "ServingCertificateExpiring", /ends at 2026-01-30T00:00:00Z, in less than 30 days: renew it$/],
    [6, "ServingCertificateEndsSoon", /less than 7 days/],
  ])("a serving certificate good for %i days: %s", (days, reason, text) => {
    const expiries = { serving: NOW + days * DAY, caBundle: NOW + 300 * DAY };
    expect(brief({ expiries })[2]).toBe(`TLSVerified=True/${reason}`);
    expect(message("TLSVerified", { expiries })).toMatch(text);
  });

  it("warn of the bundle and of our own certificate too", () => {
    const conditions = brief({
      expiries: { serving: NOW + 90 * DAY, caBundle: NOW + 20 * DAY, client: NOW + 2 * DAY },
    });
    expect(conditions.slice(2, 4)).toEqual([
      "TLSVerified=True/CABundleExpiring",
      "Authorized=True/FrontProxyCertificateEndsSoon",
    ]);
  });
});

describe("reasons", () => {
  it.each<[string, unknown, string]>([
    ["refused", new DialError("Refused", "", true), "ConnectionRefused"],
    ["no answer to a SYN", new DialError("Timeout", "", true), "DialTimeout"],
    ["no answer to a request", new DialError("Timeout", "", false), "ResponseTimeout"],
    [
      "an open breaker",
      new DialError("BreakerOpen", "", true, new DialError("Unreachable", "", true)),
      "NetworkUnreachable",
    ],
    ["our certificate refused in the handshake", new DialError("TLSRefusedUs", "", true), "ProxyIdentityRejected"],
    ["a bundle", new TransportError("unable to load root certificates: x"), "InvalidCABundle"],
    [
      "our certificate",
      new TransportError("tls: failed to load the proxy client certificate: x"),
      "InvalidClientCertificate",
    ],
    ["anything else", new Error("x"), "NoAnswer"],
  ])("%s", (_, error, reason) => {
    expect(reasonOf(error)).toBe(reason);
  });

  it.each([
    [200, undefined],
    [204, undefined],
    [302, "Redirected"],
    [401, "ProxyIdentityRejected"],
    [403, "ProxyIdentityRejected"],
    [404, "VersionNotServed"],
    [500, "BadStatus"],
  ])("%i", (status, reason) => {
    expect(reasonOfStatus(status)).toBe(reason);
  });
});

describe("messages that differ only by what differs at every try", () => {
  it.each([
    ["from https://10.0.0.1:443/apis: refused", "from https://10.0.0.2:8443/apis: refused", true],
    ["dial tcp [fd00::1]:443: refused", "dial tcp [fd00::2]:443: refused", true],
    [
      "expired: current time 2026-01-01T00:00:00Z is after 2025",
      "expired: current time 2026-01-02T00:00:05Z is after 2025",
      true,
    ],
    ["bad status: 500", "bad status: 502", false],
    ["valid until 2026-01-01T00:00:00Z", "valid until 2027-01-01T00:00:00Z", false],
    ["from 10.0.0.1:443: refused", "from 10.0.0.1:443: timeout", false],
  ])("%s", (a, b, same) => {
    expect(sameButAddress(a, b)).toBe(same);
  });
});
