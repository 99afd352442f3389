/** Keys and authorities are replaced, one file after the other, while clients go on asking an extension server: nobody may notice (spec: aggregation 3.6, security A-18, S-07). */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, expect, it } from "vitest";
import { systemClock, systemRandom } from "../src/api/machine.ts";
import { type Authority, createAuthority, issueCertificate, type KeyPair } from "../src/auth/pki/certificate.ts";
import { openPKI, type PKI } from "../src/auth/pki/pki.ts";
import { OWN_FRONT_PROXY } from "../src/controlplane/identity.ts";
import { openTrustFiles, type TrustSources } from "../src/controlplane/trust-sources.ts";
import { createServer, defineResource, type ExtensionServer } from "../src/sdk/index.ts";
import { startControlPlane, type TestControlPlane } from "../src/testing/control-plane.ts";
import { eventually } from "./story.ts";
import { openTarget, type Target } from "./target.ts";

const machine = { clock: systemClock, random: systemRandom };
const GROUP = "rotation.example.com";
const SERVICE = { namespace: "default", name: "rotation" };
const LIST = `/apis/${GROUP}/v1/namespaces/default/jokes`;
const TRUST = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
const CLAIM = `/apis/apiregistration.k8s.io/v1/apiservices/v1.${GROUP}`;

let folder: string;
let pki: PKI;
let trust: TrustSources;
let plane: TestControlPlane;
let target: Target;
let extension: ExtensionServer;
let serving: { authority: Authority; pair: KeyPair };
const complaints: string[] = [];

function newServing(commonName: string) {
  const authority = createAuthority({ subject: { commonName } }, machine);
  const names = { dnsNames: [`${SERVICE.name}.${SERVICE.namespace}.svc`] };
  const pair = issueCertificate(authority, { subject: { commonName }, usages: ["serverAuth"], ...names }, machine);
  return { authority, pair };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "rotation-"));
  pki = await openPKI(join(folder, "pki"), machine);
  trust = await openTrustFiles({
    clock: systemClock,
    pkiFolder: pki.folder.path,
    requestHeader: OWN_FRONT_PROXY,
    onError: (error) => complaints.push(String(error)),
  });
  plane = await startControlPlane({ pki, trust });
  target = openTarget(plane.kubeconfig);
  const Joke = defineResource({
    group: GROUP,
    version: "v1",
    kind: "Joke",
    namespaced: true,
    spec: { type: "object", properties: { topic: { type: "string" } } },
  });
  const made = new Set<string>();
  extension = createServer({
    resources: [
      Joke.serve({
        list: () => [],
        create: (_, object) => {
          const name = object.metadata?.name ?? "";
          if (made.has(name)) throw new Error(`${name} was made twice`);
          made.add(name);
          return object;
        },
      }),
    ],
  });
  serving = newServing("serving-1");
  const { pair, authority } = serving;
  const { port } = await extension.listen({
    port: 0,
    kubeconfig: plane.kubeconfig,
    tls: { cert: pair.cert, key: pair.keyPEM },
  });
  const create = async (path: string, body: unknown) =>
    expect((await target.call("POST", path, { body })).status).toBe(201);
  await create("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", {
    metadata: { name: SERVICE.name, labels: { "kubernetes.io/service-name": SERVICE.name } },
    addressType: "IPv4",
    endpoints: [{ addresses: ["127.0.0.1"], conditions: { ready: true } }],
    ports: [{ name: "https", port, protocol: "TCP" }],
  });
  await create("/api/v1/namespaces/default/services", {
    metadata: { name: SERVICE.name },
    spec: { ports: [{ name: "https", port: 443 }] },
  });
  await create("/apis/apiregistration.k8s.io/v1/apiservices", {
    metadata: { name: `v1.${GROUP}` },
    spec: {
      ...{ group: GROUP, version: "v1", groupPriorityMinimum: 100, versionPriority: 100, service: SERVICE },
      caBundle: Buffer.from(authority.cert).toString("base64"),
    },
  });
  const first = await eventually(
    () => target.call("GET", LIST),
    ({ status }) => status === 200,
  );
  expect(first.status).toBe(200);
}, 60_000);

afterAll(async () => {
  await extension?.close();
  await plane?.close();
  trust?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** As tools replace files: whole, but one after the other. */
function put(name: string, content: string): void {
  const path = join(pki.folder.path, name);
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
}

interface Traffic {
  readonly answers: number;
  /** Anything but 2xx, each kind once. */
  readonly failures: readonly string[];
}

let names = 0;

/** Six clients that list and create without a pause while `change` runs, and fifty rounds longer. */
async function underTraffic(change: () => Promise<void>): Promise<Traffic> {
  const failures: string[] = [];
  let answers = 0;
  let over = Number.POSITIVE_INFINITY;
  const client = async () => {
    for (let round = 0; round < over; round++) {
      const creates = round % 3 === 0;
      const body = { metadata: { name: `joke-${names++}` }, spec: {} };
      const answer = creates ? await target.call("POST", LIST, { body }) : await target.call("GET", LIST);
      answers++;
      if (answer.status < 200 || answer.status > 299) failures.push(`${answer.status} ${answer.text.slice(0, 120)}`);
      if (over === Number.POSITIVE_INFINITY && done) over = round + 50;
    }
  };
  let done = false;
  const clients = Array.from({ length: 6 }, client);
  try {
    await change();
  } finally {
    done = true;
    await Promise.all(clients);
  }
  return { answers, failures: [...new Set(failures)] };
}

async function reached(what: () => boolean): Promise<void> {
  expect(await eventually(async () => what(), Boolean, 20)).toBe(true);
}

/** The common names of the authorities in the ConfigMap. */
const published = async () => (await target.call("GET", TRUST)).json.data["requestheader-client-ca-file"] as string;

/** Until the extension server accepts front proxies of this authority: it follows the ConfigMap. */
async function announced(ca: string): Promise<void> {
  const body = ca.split("\n")[2]!;
  expect((await eventually(published, (text) => text.includes(body), 20)).includes(body)).toBe(true);
}

const sign = (authority: Authority, commonName = "front-proxy-client") =>
  issueCertificate(authority, { subject: { commonName }, usages: ["clientAuth"] }, machine);

it("the front proxy's certificate and key, twice: 0 failures", async () => {
  const authority = pki.frontProxyCA.authority!;
  const { answers, failures } = await underTraffic(async () => {
    for (let turn = 0; turn < 2; turn++) {
      const next = sign(authority);
      put("front-proxy-client.crt", next.cert);
      // For a moment they do not belong together.
      await systemClock.sleep(300);
      put("front-proxy-client.key", next.keyPEM);
      await reached(() => trust.proxyClient().cert === next.cert);
    }
  });
  expect(failures).toEqual([]);
  expect(answers).toBeGreaterThan(300);
  expect(complaints.some((text) => text.includes("the private key does not match the certificate"))).toBe(true);
}, 60_000);

it("the front proxy's authority with overlap: 0 failures", async () => {
  const next = createAuthority({ subject: { commonName: "front-proxy-ca-2" } }, machine);
  const { failures } = await underTraffic(async () => {
    put("front-proxy-ca.crt", `${pki.frontProxyCA.cert}\n${next.cert}`);
    await announced(next.cert);
    // The extension server has a watch on the ConfigMap: it is a moment behind.
    await systemClock.sleep(500);
    const client = sign(next);
    put("front-proxy-client.crt", client.cert);
    put("front-proxy-client.key", client.keyPEM);
    await reached(() => trust.proxyClient().cert === client.cert);
    put("front-proxy-ca.crt", next.cert);
    await reached(() => trust.requestHeader().ca === next.cert);
  });
  expect(failures).toEqual([]);
}, 60_000);

it("the front proxy's authority without overlap: failures end within seconds, and nobody acts as another meanwhile", async () => {
  const next = createAuthority({ subject: { commonName: "front-proxy-ca-3" } }, machine);
  const client = sign(next);
  const { failures } = await underTraffic(async () => {
    put("front-proxy-client.crt", client.cert);
    put("front-proxy-client.key", client.keyPEM);
    put("front-proxy-ca.crt", next.cert);
    await announced(next.cert);
    const well = await eventually(
      () => target.call("GET", LIST),
      ({ status }) => status === 200,
      10,
    );
    expect(well.status).toBe(200);
  });
  // An unknown front proxy is nobody: 401 or the 403 of anonymous, or a 503 while the check failed.
  expect(failures.filter((failure) => !/^(401|403|503) /.test(failure))).toEqual([]);
  expect((await underTraffic(async () => {})).failures).toEqual([]);
}, 60_000);

it("the extension server's certificate and authority, by way of a bundle of both: 0 failures", async () => {
  const next = newServing("serving-2");
  const { failures } = await underTraffic(async () => {
    const bundle = async (...authorities: Authority[]) => {
      const caBundle = Buffer.from(authorities.map(({ cert }) => cert).join("")).toString("base64");
      const answer = await target.call("PATCH", CLAIM, {
        body: { spec: { caBundle } },
        contentType: "application/merge-patch+json",
      });
      expect(answer.status).toBe(200);
    };
    await bundle(serving.authority, next.authority);
    extension.shell!.setCertificate({ cert: next.pair.cert, key: next.pair.keyPEM });
    await systemClock.sleep(200);
    await bundle(next.authority);
    await systemClock.sleep(200);
  });
  expect(failures).toEqual([]);
}, 60_000);

it("this server's own certificate: new connections see it, old ones go on", async () => {
  const next = issueCertificate(
    pki.ca.authority!,
    {
      subject: { commonName: "kube-apiserver" },
      usages: ["serverAuth"],
      dnsNames: ["localhost"],
      ipAddresses: ["127.0.0.1"],
    },
    machine,
  );
  const { failures } = await underTraffic(async () => {
    put("apiserver.crt", next.cert);
    put("apiserver.key", next.keyPEM);
    await reached(() => trust.serving().cert === next.cert);
  });
  expect(failures).toEqual([]);
  const shown = await new Promise<string>((resolve, reject) => {
    const { hostname, port } = new URL(plane.url);
    const request = httpsRequest({ hostname, port, path: "/livez", ca: pki.ca.cert, agent: false }, (response) => {
      resolve((response.socket as TLSSocket).getPeerCertificate().serialNumber);
      response.resume();
    });
    request.on("error", reject).end();
  });
  expect(shown).toBe(next.certificate.serialNumber);
});

it("an authority of users that is gone counts no longer, not even on connections that stand", async () => {
  const guests = createAuthority({ subject: { commonName: "guests" } }, machine);
  const guest = issueCertificate(
    guests,
    { subject: { commonName: "guest", organizations: ["system:masters"] }, usages: ["clientAuth"] },
    machine,
  );
  const { hostname, port } = new URL(plane.url);
  const { Agent } = await import("node:https");
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: pki.ca.cert, cert: guest.cert, key: guest.keyPEM });
  const ask = () =>
    new Promise<number>((resolve, reject) => {
      const request = httpsRequest({ hostname, port, path: LIST, agent }, (response) => {
        response.resume().on("end", () => resolve(response.statusCode ?? 0));
      });
      request.on("error", reject).end();
    });
  expect(await ask()).toBe(401);
  put("ca.crt", `${pki.ca.cert}\n${guests.cert}`);
  expect(await eventually(ask, (status) => status === 200, 20)).toBe(200);
  put("ca.crt", pki.ca.cert);
  expect(await eventually(ask, (status) => status === 401, 20)).toBe(401);
  agent.destroy();
});
