/** Cases 48 to 50 and 54 to 56: which certificates count, and where connections lead. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { systemClock, systemRandom } from "../../src/api/machine.ts";
import { issueCertificate, loadAuthority } from "../../src/auth/pki/certificate.ts";
import { eventually } from "../story.ts";
import { define } from "./case.ts";
import { newAuthority } from "./extension-server.ts";
import { APISERVICES, apiService, base64, type Stage } from "./stage.ts";

/** Of a counter without labels; 0 when it is not there. */
async function counter({ target }: Stage, name: string): Promise<number> {
  const { text } = await target.call("GET", "/metrics");
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? 0);
}

const TRUST = "error trying to reach service: tls: failed to verify certificate: x509: ";
const MISSING_SAN = "apiserver_kube_aggregator_x509_missing_san_total";

/** An IPv6 address for endpoints; undefined where upstream would take none of this machine. */
const ipv6 = (stage: Stage) =>
  stage.upstream
    ? Object.values(networkInterfaces())
        .flatMap((addresses) => addresses ?? [])
        .find(({ family, internal, address }) => family === "IPv6" && !internal && !address.startsWith("fe80"))?.address
    : "::1";

export const CONNECTIONS = [
  define(48, "certificates: another name, another authority, no verification, no names", async (stage) => {
    const right = (letter: string) => `${letter}.${stage.namespace}.svc`;
    /** What a client gets from a server that was available, and then shows another certificate. */
    const after = async (letter: string, names: readonly string[], spec: object = {}, stranger = false) => {
      const authority = newAuthority("right");
      const options = { group: `${letter}.${stage.group}`, names: [right(letter)], authority, spec };
      const { server, things } = await stage.behind(options);
      // The connection that is open was verified before.
      await server.kill();
      server.present(stranger ? newAuthority("stranger") : authority, names);
      await server.start();
      const { status, text } = await stage.target.call("GET", things);
      return [status, text];
    };
    deepEqual(await after("a", ["elsewhere.example.com"]), [
      503,
      `${TRUST}certificate is valid for elsewhere.example.com, not ${right("a")}\n`,
    ]);
    const [untrusted, why] = await after("b", [right("b")], {}, true);
    equal(untrusted, 503);
    ok(String(why).startsWith(`${TRUST}certificate signed by unknown authority`), String(why));
    const [unverified, answer] = await after("c", ["elsewhere.example.com"], { insecureSkipTLSVerify: true });
    equal(unverified, 200, String(answer));
    const before = await counter(stage, MISSING_SAN);
    deepEqual(await after("d", []), [
      503,
      `${TRUST}certificate relies on legacy Common Name field, use SANs instead\n`,
    ]);
    ok((await counter(stage, MISSING_SAN)) > before, "the missing name is not counted");
  }),

  define(49, "a bundle of the old and the new authority is a rotation without a restart", async (stage) => {
    const { server, things, name } = await stage.behind();
    const [old, next] = [server.ca, newAuthority("next")];
    const answer = await stage.target.call("PATCH", `${APISERVICES}/${name}`, {
      contentType: "application/merge-patch+json",
      body: { spec: { caBundle: base64(old + next.cert) } },
    });
    equal(answer.status, 200, answer.text);
    equal((await stage.target.call("GET", things)).status, 200);
    server.present(next, [`s.${stage.namespace}.svc`]);
    await server.kill();
    await server.start();
    const after = await eventually(
      () => stage.target.call("GET", things),
      ({ status }) => status === 200,
      5,
    );
    equal(after.status, 200, after.text);
  }),

  define(
    50,
    "a new certificate of the proxy is used without a restart",
    async (stage) => {
      const { stage: own } = await stage.start();
      const { server, things } = await own.behind();
      equal(server.seen.at(-1)?.peer, "front-proxy-client");
      const read = (file: string) => readFileSync(join(own.pki, file), "utf8");
      const authority = await loadAuthority(read("front-proxy-ca.crt"), read("front-proxy-ca.key"));
      const renewed = issueCertificate(
        authority,
        { subject: { commonName: "renewed" }, usages: ["clientAuth"] },
        { clock: systemClock, random: systemRandom },
      );
      writeFileSync(join(own.pki, "front-proxy-client.crt"), renewed.cert);
      writeFileSync(join(own.pki, "front-proxy-client.key"), renewed.keyPEM);
      const statuses = new Set<number>();
      const peer = await eventually(
        async () => {
          statuses.add((await own.target.call("GET", things)).status);
          return server.asked(things).at(-1)?.peer;
        },
        (name) => name === "renewed",
        90,
      );
      equal(peer, "renewed");
      deepEqual([...statuses], [200]);
    },
    { world: "own", slow: true },
  ),

  define(
    54,
    "ExternalName: dialled by its name, verified by the Service's; not in endpoint mode",
    async (stage) => {
      const { server, things, name } = await stage.behind();
      equal((await stage.target.call("GET", things)).status, 200);
      equal(server.asked(things).at(-1)?.serverName, `s.${stage.namespace}.svc`);
      deepEqual(server.asked(things).at(-1)?.header("host"), [`localhost:${server.port}`]);
      equal((await stage.condition(name, (found) => found?.status === "True"))?.status, "True");

      const other = await stage.also("endpoint");
      const spec = { type: "ExternalName", externalName: "localhost", ports: [{ name: "https", port: server.port }] };
      await other.make(`/api/v1/namespaces/${other.namespace}/services`, { metadata: { name: "s" }, spec } as never);
      const service = { namespace: other.namespace, name: "s", port: server.port };
      await other.make(APISERVICES, apiService(other.group, { service, insecureSkipTLSVerify: true }));
      const condition = await other.condition(`v1.${other.group}`, (found) => found !== undefined);
      deepEqual([condition?.status, condition?.reason], ["False", "FailedDiscoveryCheck"]);
      match(condition?.message ?? "", /unsupported service type "ExternalName"/);
      const answer = await eventually(
        () => other.target.call("GET", `/apis/${other.group}/v1/things`),
        ({ status }) => status !== 404,
      );
      deepEqual([answer.status, answer.text], [503, "service unavailable\n"]);
    },
    { world: "cluster-ip", slow: true },
  ),

  define(55, "every ready endpoint is used, on its own port, of the first family, and no other", async (stage) => {
    const { server, things, service } = await stage.behind();
    const trusted = newAuthority("shared");
    const patched = await stage.target.call("PATCH", `${APISERVICES}/v1.${stage.group}`, {
      contentType: "application/merge-patch+json",
      body: { spec: { caBundle: base64(server.ca + trusted.cert) } },
    });
    equal(patched.status, 200);
    const another = async (name: string, ready: boolean | undefined, host = stage.host) => {
      const extra = await stage.server({ authority: trusted, host });
      await stage.make(`/apis/discovery.k8s.io/v1/namespaces/${stage.namespace}/endpointslices`, {
        metadata: { name, labels: { "kubernetes.io/service-name": service.name } },
        addressType: host.includes(":") ? "IPv6" : "IPv4",
        endpoints: [{ addresses: [host], conditions: ready === undefined ? {} : { ready } }],
        ports: [{ name: "https", port: extra.port, protocol: "TCP" }],
      } as never);
      return extra;
    };
    const second = await another("second", undefined);
    const unready = await another("unready", false);
    const host6 = ipv6(stage);
    const six = host6 === undefined ? undefined : await another("six", true, host6);
    const counts = () => [server, second].map((one) => one.asked(things).length);
    // The bundle may be newer than the last connection that is made with the old one.
    await eventually(
      async () => {
        await stage.target.call("GET", things);
        return counts();
      },
      ([a, b]) => a! > 2 && b! > 2,
    );
    for (let turn = 0; turn < 10; turn++) equal((await stage.target.call("GET", things)).status, 200);
    ok(Math.min(...counts()) > 2, `${counts()}`);
    equal(unready.seen.length, 0);
    equal(six?.asked(things).length ?? 0, 0);
  }),

  define(56, "default/kubernetes leads to the server itself", async (stage) => {
    const service = { namespace: "default", name: "kubernetes", port: 443 };
    // A kube-apiserver on loopback makes none for itself. It needs one to be there, not to lead anywhere.
    if (stage.upstream) {
      await stage.make("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", {
        metadata: { name: stage.namespace, labels: { "kubernetes.io/service-name": "kubernetes" } },
        addressType: "IPv4",
        endpoints: [{ addresses: ["192.0.2.1"] }],
        ports: [{ name: "https", port: 443 }],
      } as never);
    }
    await stage.make(APISERVICES, apiService(stage.group, { service, insecureSkipTLSVerify: true }));
    const condition = await stage.condition(`v1.${stage.group}`, (found) => found !== undefined);
    const { host } = new URL(stage.target.url);
    // Its own proxy answers, which finds the group-version unavailable.
    const url = `https://${host}/apis/${stage.group}/v1`;
    const text = `failing or missing response from ${url}: bad status from ${url}: 503`;
    // Tenon says further what stands behind it.
    ok(condition?.message === text || condition?.message.startsWith(`${text}; `), `${condition?.message}`);
  }),
];
