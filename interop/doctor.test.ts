/** `tenon doctor` before planted faults: it names the broken link, of our main server as of a stock one. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createPlainServer } from "node:http";
import { createServer } from "node:https";
import { type AddressInfo, createServer as createTCPServer, type Server, type Socket } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, inject, it } from "vitest";
import { systemClock, systemRandom } from "../src/api/machine.ts";
import { createAuthority, issueCertificate } from "../src/auth/pki/certificate.ts";
import type { LinkName, Report } from "../src/cli/doctor/report.ts";
import { walk } from "../src/cli/doctor/walk.ts";
import { connect } from "../src/client/connect.ts";
import { freePort } from "../src/store/engines/etcd-process.test-support.ts";
import { json, resourceList } from "./aggregation/extension-server.ts";
import { eventually, story } from "./story.ts";
import { uniqueName } from "./target.ts";

const context = { clock: systemClock, random: systemRandom };
const authority = createAuthority({ subject: { commonName: "doctor" } }, context);
const stranger = createAuthority({ subject: { commonName: "stranger" } }, context);
/** A stock server takes no endpoints on loopback. */
const stock = process.env["TENON_INTEROP_KUBECONFIG"] !== undefined;
const address = Object.values(networkInterfaces())
  .flatMap((all) => all ?? [])
  .find(({ family, internal }) => family === "IPv4" && !internal)?.address;
const host = stock ? (address ?? "127.0.0.1") : "127.0.0.1";
const DAY = 86_400_000;

const { target, namespace } = story();
const open: (() => void)[] = [];
const kubeconfig = inject("kubeconfig");
const client = await connect({ kubeconfig });
afterAll(async () => {
  for (const close of open) close();
  await client.close();
});

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  });
  server.listen(0, host);
  await once(server, "listening");
  open.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

interface Answers {
  /** For `/apis/G/V`: a code, a body, or "nothing". */
  readonly discovery?: number | string | "nothing";
  /** For the document: a code or a body. */
  readonly openapi?: number | string;
  readonly names?: readonly string[];
  readonly signer?: typeof authority;
  /** Milliseconds from now until its certificate ends. */
  readonly lasts?: number;
}

/** An extension server of `group`; resolves to its port. */
function extension(group: string, service: string, answers: Answers = {}): Promise<number> {
  const { lasts = 90 * DAY } = answers;
  const past = { ...context, clock: { ...systemClock, now: () => systemClock.now() - DAY } };
  const pair = issueCertificate(
    answers.signer ?? authority,
    {
      subject: { commonName: service },
      usages: ["serverAuth"],
      dnsNames: [...(answers.names ?? [`${service}.${namespace}.svc`])],
      lifetime: lasts + DAY,
    },
    past,
  );
  const server = createServer({ cert: pair.cert, key: pair.keyPEM }, (request, response) => {
    const path = request.url?.split("?")[0];
    const { discovery, openapi } = answers;
    const groupVersion = `${group}/v1`;
    const given = (answer: number | string, otherwise: unknown) =>
      typeof answer === "number" ? json(response, answer, otherwise) : void response.end(answer);
    if (path === `/apis/${groupVersion}`) {
      if (discovery === "nothing") return;
      return given(discovery ?? 200, resourceList(groupVersion));
    }
    if (path === "/openapi/v3") {
      return json(response, 200, {
        paths: { [`apis/${groupVersion}`]: { serverRelativeURL: `/openapi/v3/apis/${groupVersion}?hash=A1` } },
      });
    }
    if (path === `/openapi/v3/apis/${groupVersion}`) {
      return given(openapi ?? 200, { openapi: "3.0.0", info: { title: "x", version: "1" }, paths: {} });
    }
    json(response, 404, { kind: "Status", apiVersion: "v1", status: "Failure", reason: "NotFound", code: 404 });
  });
  server.on("tlsClientError", () => {});
  return listening(server);
}

/** A server that ends handshakes with an alert when it does not know who signed the client's certificate; Node only hangs up. */
async function refusesClients(service: string): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "tenon-doctor-"));
  const names = [`${service}.${namespace}.svc`];
  const request = { subject: { commonName: service }, usages: ["serverAuth"] as const, dnsNames: names };
  const pair = issueCertificate(authority, request, context);
  for (const [file, text] of Object.entries({ cert: pair.cert, key: pair.keyPEM, ca: stranger.cert })) {
    writeFileSync(join(folder, file), text);
  }
  const port = await freePort();
  const flags = "-cert cert -key key -CAfile ca -Verify 1 -verify_return_error -quiet".split(" ");
  const server = spawn("openssl", ["s_server", "-accept", `${host}:${port}`, ...flags], {
    cwd: folder,
    stdio: "ignore",
  });
  open.push(() => {
    server.kill();
    rmSync(folder, { recursive: true, force: true });
  });
  return port;
}

async function make(path: string, body: object): Promise<void> {
  const { status, text } = await target.call("POST", path, { body });
  if (status !== 201) throw new Error(`POST ${path}: ${text}`);
}

interface Registered {
  readonly service?: object | null;
  readonly slice?: object | null;
  readonly claim?: object;
}

/** Makes Service, EndpointSlice and APIService for an extension server on `port`; resolves to the APIService's name. */
async function register(group: string, name: string, port: number, objects: Registered = {}): Promise<string> {
  if (objects.service !== null) {
    await make(`/api/v1/namespaces/${namespace}/services`, {
      metadata: { name },
      spec: { ports: [{ name: "https", port: 443 }], ...objects.service },
    });
  }
  if (objects.slice !== null) {
    await make(`/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, {
      metadata: { name, labels: { "kubernetes.io/service-name": name } },
      addressType: "IPv4",
      endpoints: [{ addresses: [host], conditions: { ready: true } }],
      ports: [{ name: "https", port, protocol: "TCP" }],
      ...objects.slice,
    });
  }
  const path = "/apis/apiregistration.k8s.io/v1/apiservices";
  await make(path, {
    metadata: { name: `v1.${group}` },
    spec: {
      group,
      version: "v1",
      service: { namespace, name, port: 443 },
      caBundle: Buffer.from(authority.cert).toString("base64"),
      groupPriorityMinimum: 100,
      versionPriority: 100,
      ...objects.claim,
    },
  });
  open.push(() => void target.call("DELETE", `${path}/v1.${group}`));
  return `v1.${group}`;
}

type Plant = (group: string, name: string) => Promise<string>;
const behind =
  (answers: Answers, objects?: Registered): Plant =>
  async (group, name) =>
    register(group, name, await extension(group, name, answers), objects);

const FAULTS: readonly (readonly [what: string, link: LinkName, reason: string, plant: Plant])[] = [
  ["no APIService", "claim", "APIServiceNotFound", async (group) => `v1.${group}`],
  ["no Service", "service", "ServiceNotFound", behind({}, { service: null })],
  ["another port", "service", "ServicePortError", behind({}, { service: { ports: [{ port: 8443 }] } })],
  ["no EndpointSlice", "endpoints", "EndpointsNotFound", behind({}, { slice: null })],
  [
    "nothing ready",
    "endpoints",
    "MissingEndpoints",
    behind({}, { slice: { endpoints: [{ addresses: ["10.0.0.1"], conditions: { ready: false } }] } }),
  ],
  [
    "connections refused",
    "route",
    "ConnectionRefused",
    async (group, name) => {
      const server = createTCPServer();
      const port = await listening(server);
      server.close();
      return register(group, name, port);
    },
  ],
  [
    "no TLS",
    "tls",
    "TLSHandshakeFailed",
    async (group, name) => register(group, name, await listening(createPlainServer((_, response) => response.end()))),
  ],
  [
    "a handshake that does not begin",
    "tls",
    "TLSHandshakeTimeout",
    async (group, name) => register(group, name, await listening(createTCPServer(() => {}))),
  ],
  ["another authority", "tls", "TLSUntrusted", behind({ signer: stranger })],
  ["another name", "tls", "TLSNameMismatch", behind({ names: ["elsewhere.example.com"] })],
  ["an expired certificate", "tls", "TLSExpired", behind({ lasts: -60_000 })],
  [
    "an unusable caBundle",
    "tls",
    "InvalidCABundle",
    behind({}, { claim: { caBundle: Buffer.from("x").toString("base64") } }),
  ],
  ["an identity it does not accept", "identity", "ProxyIdentityRejected", behind({ discovery: 401 })],
  [
    "a front-proxy certificate it does not trust",
    "identity",
    "ProxyIdentityRejected",
    async (group, name) => register(group, name, await refusesClients(name)),
  ],
  ["requests without an answer", "discovery", "ResponseTimeout", behind({ discovery: "nothing" })],
  ["errors", "discovery", "BadStatus", behind({ discovery: 500 })],
  ["a discovery document that is none", "discovery", "DiscoveryInvalid", behind({ discovery: "<html>" })],
  ["a version that is not served", "discovery", "VersionNotServed", behind({ discovery: 404 })],
  ["an OpenAPI document that fails", "openapi", "OpenAPIInvalid", behind({ openapi: 500 })],
  ["an OpenAPI document that is none", "openapi", "OpenAPIInvalid", behind({ openapi: "[]" })],
];

const order = ["claim", "service", "endpoints", "route", "tls", "identity", "discovery", "openapi"];
const options = { client, clock: systemClock };
const settled = (name: string, good: (report: Report) => boolean) => eventually(() => walk(name, options), good, 60);

describe.concurrent("the doctor names the broken link", () => {
  it.each(FAULTS)("%s: %s (%s)", async (_, link, reason, plant) => {
    const name = uniqueName("doc");
    const apiService = await plant(`${name}.example.com`, name);
    const report = await settled(apiService, (one) => one.broken === link && one.reason === reason);
    expect([report.broken, report.reason, report.links]).toEqual([link, reason, expect.anything()]);
    const at = order.indexOf(link);
    expect(report.links.map((one) => one.link)).toEqual(order);
    expect(report.links.slice(0, at).filter(({ verdict }) => verdict === "broken")).toEqual([]);
    expect(report.links[at]!.remedy).toMatch(/\w/);
    expect(report.links.slice(at + 1).map(({ verdict }) => verdict)).not.toContain("ok");
  });

  it("and says so when all is well, with what will not be for ever", async () => {
    const name = uniqueName("doc");
    const apiService = await behind({ lasts: 6.5 * DAY })(`${name}.example.com`, name);
    const report = await settled(apiService, (one) => one.links.every(({ verdict }) => verdict === "ok"));
    expect(report.links.map(({ verdict }) => verdict)).toEqual(order.map(() => "ok"));
    expect(report.available).toBe("True");
    const tls = report.links.find(({ link }) => link === "tls")!;
    expect(tls.message).toContain("good for 6 days");
    expect(tls.warnings).toEqual([expect.stringMatching(/certificate of \S+ ends at \S+, in 6 days/)]);
  });
});

describe.concurrent("the command", () => {
  const run = (...args: string[]) =>
    new Promise<{ code: number; out: string; errors: string }>((resolve) => {
      const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
      const all = ["--disable-warning=ExperimentalWarning", main, "doctor", ...args];
      execFile(process.execPath, all, (error, out, errors) => {
        resolve({ code: error === null ? 0 : Number(error.code), out, errors });
      });
    });

  it("prints a line for each link and ends with 1 when one is broken", async () => {
    const name = uniqueName("doc");
    const apiService = await behind({}, { service: null })(`${name}.example.com`, name);
    await settled(apiService, ({ available }) => available.includes("ServiceNotFound"));
    const { code, out } = await run("apiservice", apiService, "--kubeconfig", kubeconfig);
    expect(out).toMatch(
      new RegExp(
        [
          `^v1\\.${name}\\.example\\.com: Available False \\(ServiceNotFound\\), for \\d+s`,
          "  ✓ claim      .*",
          `  ✗ service    ServiceNotFound: service/${name} in "${namespace}" is not present`,
          "               → create the Service, or correct spec\\.service",
          "  – endpoints  not checked while service is broken",
        ].join("\n"),
      ),
    );
    expect(code).toBe(1);
    const asJSON = await run("apiservice", apiService, "--kubeconfig", kubeconfig, "-o", "json");
    expect(JSON.parse(asJSON.out)).toMatchObject({ apiService, broken: "service", reason: "ServiceNotFound" });
    const overview = await run("--kubeconfig", kubeconfig);
    expect(overview.out).toMatch(new RegExp(`✗ +${apiService.replaceAll(".", "\\.")} .* service: ServiceNotFound`));
    expect(overview.code).toBe(1);
  });

  it("ends with 2 when nothing could be found out, and with 0 for what the server serves itself", async () => {
    const none = await run("apiservice", "v1.apps", "--kubeconfig", "/nonexistent");
    expect([none.code, none.errors]).toEqual([2, expect.stringContaining("/nonexistent")]);
    const local = await run("apiservice", "v1.apps", "--kubeconfig", kubeconfig);
    expect(local.out).toContain("✓ claim      the API server serves it itself");
    expect(local.code).toBe(0);
  });
});
