import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { METRICS_SERVER_FLAGS, parseMetricsServerFlags } from "./flags.ts";

describe("metrics-server's flags", () => {
  it("default as the original's", () => {
    expect(parseMetricsServerFlags()).toEqual({
      kubeconfig: "",
      resolutionMilliseconds: 60_000,
      requestTimeoutMilliseconds: 10_000,
      target: {
        scheme: "https",
        port: 10250,
        useNodeStatusPort: false,
        preferredAddressTypes: ["Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP"],
      },
      insecureTLS: false,
      certificateAuthority: "",
      clientCertificate: "",
      clientKey: "",
      completelyInsecure: false,
      nodeSelector: undefined,
      port: 443,
      host: "0.0.0.0",
      tlsCertFile: "",
      tlsPrivateKeyFile: "",
      alwaysAllowPaths: ["/healthz", "/readyz", "/livez"],
      tolerateLookupFailure: false,
    });
  });

  it("are read from a command line as in the shipped manifests", () => {
    const command = new Command();
    for (const flag of METRICS_SERVER_FLAGS) command.option(flag.flags, flag.description, flag.default);
    command.parse(
      [
        "--secure-port=10250",
        "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
        "--kubelet-use-node-status-port",
        "--metric-resolution=15s",
        "--kubelet-insecure-tls",
        "-l",
        "pool=a",
      ],
      { from: "user" },
    );
    const flags = parseMetricsServerFlags(command.opts());
    expect(flags).toMatchObject({
      port: 10250,
      resolutionMilliseconds: 15_000,
      insecureTLS: true,
      target: { useNodeStatusPort: true, preferredAddressTypes: ["InternalIP", "ExternalIP", "Hostname"] },
    });
    expect([flags.nodeSelector?.matches({ pool: "a" }), flags.nodeSelector?.matches({})]).toEqual([true, false]);
  });

  it.each([
    [{ metricResolution: "10s", kubeletRequestTimeout: "9s" }, undefined],
    [
      { metricResolution: "10s" },
      "metric-resolution should be larger than kubelet-request-timeout, but metric-resolution value 10s kubelet-request-timeout value 10s provided",
    ],
    [
      { metricResolution: "9s", kubeletRequestTimeout: "1s" },
      "metric-resolution should be a time duration at least 10s, but value 9s provided",
    ],
    [{ kubeletRequestTimeout: "0s" }, "kubelet-request-timeout should be positive"],
    [
      { kubeletCertificateAuthority: "ca", kubeletInsecureTls: true },
      "cannot use both --kubelet-certificate-authority and --kubelet-insecure-tls",
    ],
    [{ kubeletClientKey: "key" }, "need both --kubelet-client-key and --kubelet-client-certificate"],
    [
      { kubeletClientKey: "k", kubeletClientCertificate: "c", deprecatedKubeletCompletelyInsecure: true },
      "[cannot use both --kubelet-client-key and --deprecated-kubelet-completely-insecure, cannot use both --kubelet-client-certificate and --deprecated-kubelet-completely-insecure]",
    ],
    [
      { kubeletInsecureTls: true, deprecatedKubeletCompletelyInsecure: true },
      "cannot use both --kubelet-insecure-tls and --deprecated-kubelet-completely-insecure",
    ],
    [
      { metricResolution: "soon" },
      'invalid argument "soon" for "--metric-resolution" flag: time: invalid duration "soon"',
    ],
    [{ kubeletPort: "0x1" }, 'invalid argument "0x1" for "--kubelet-port" flag: a port is a number from 0 to 65535'],
    [{ tlsCertFile: "a" }, "need both --tls-cert-file and --tls-private-key-file"],
  ])("check %o", (values, message) => {
    const parse = () => parseMetricsServerFlags(values);
    if (message === undefined) expect(parse().resolutionMilliseconds).toBe(10_000);
    else expect(parse).toThrow(new Error(message));
  });

  it("scrape in plain text only when told to", () => {
    expect(parseMetricsServerFlags({ deprecatedKubeletCompletelyInsecure: true }).target.scheme).toBe("http");
  });
});
