/** Cases 90 to 95: how an extension server knows whom to believe, and who may do what. */
import { equal, match, ok, rejects } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock, systemRandom } from "../../src/api/machine.ts";
import { type Authority, createAuthority, issueCertificate, loadAuthority } from "../../src/auth/pki/certificate.ts";
import { eventually } from "../story.ts";
import { define } from "./case.ts";
import { newAuthority } from "./extension-server.ts";
import { type MetricsServer, startMetricsServer } from "./metrics-servers.ts";
import { type RecordingProxy, startRecordingProxy } from "./recording-proxy.ts";
import type { Stage } from "./stage.ts";

const issue = { clock: systemClock, random: systemRandom };
const TRUST = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
const NODES = "/apis/metrics.k8s.io/v1beta1/nodes";
const TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews";
const ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

interface Delegating {
  readonly server: MetricsServer;
  readonly main: RecordingProxy;
  /** A front proxy's certificate, of this authority (default: the real one) and name. */
  proxy(commonName?: string, authority?: Authority): Promise<{ cert: string; key: string }>;
}

/** An extension server that delegates to the server of the case, which is asked through a recording proxy. */
async function delegating(stage: Stage, run: (here: Delegating) => Promise<void>): Promise<void> {
  const main = await startRecordingProxy(stage.target.kubeconfig);
  let server: MetricsServer | undefined;
  try {
    server = await startMetricsServer({ upstream: stage.upstream, kubeconfig: main.kubeconfig });
    const read = (file: string) => readFileSync(join(stage.pki, file), "utf8");
    const proxy: Delegating["proxy"] = async (commonName = "front-proxy-client", authority) => {
      const signer = authority ?? (await loadAuthority(read("front-proxy-ca.crt"), read("front-proxy-ca.key")));
      const pair = issueCertificate(signer, { subject: { commonName }, usages: ["clientAuth"] }, issue);
      return { cert: pair.cert, key: pair.keyPEM };
    };
    // It is healthy before it knows whom to trust.
    const certificate = await proxy();
    const asking = server;
    await eventually(
      () => asking.ask(NODES, { ...certificate, headers: asUser("first") }),
      ({ text }) => refused("first").test(text),
    );
    await run({ server, main, proxy });
  } finally {
    await server?.stop();
    await main.stop();
  }
}

const asUser = (name: string, ...groups: string[]) => ({
  "x-remote-user": name,
  ...(groups.length > 0 && { "x-remote-group": groups.join() }),
});
const refused = (user: string) =>
  new RegExp(`nodes\\.metrics\\.k8s\\.io is forbidden: User \\\\"${user}\\\\" cannot list`);

export const EXTENSION_SIDE = [
  define(
    90,
    "the trust ConfigMap is made, repaired, shared with peers and rid of what expired",
    async (stage) => {
      const { target, upstream } = (await stage.start()).stage;
      const data = async () => (await target.call("GET", TRUST)).json.data as Record<string, string> | undefined;
      const keys = [
        "client-ca-file",
        "requestheader-allowed-names",
        "requestheader-client-ca-file",
        "requestheader-extra-headers-prefix",
        "requestheader-group-headers",
        // It has no flag for it here, and we need none.
        ...(upstream ? [] : ["requestheader-uid-headers"]),
        "requestheader-username-headers",
      ];
      const complete = (found: Record<string, string> | undefined) =>
        Object.keys(found ?? {})
          .sort()
          .join() === keys.join();
      const patch = async (change: object) => {
        const contentType = "application/merge-patch+json";
        equal((await target.call("PATCH", TRUST, { contentType, body: { data: change } })).status, 200);
      };
      const first = await eventually(data, complete, 70);
      equal(
        Object.keys(first ?? {})
          .sort()
          .join(),
        keys.join(),
      );
      const own = first!["requestheader-client-ca-file"]!.trim();

      await target.call("DELETE", TRUST);
      ok(complete(await eventually(data, complete, 70)), "it is not made again");
      await patch({ "requestheader-group-headers": null, "client-ca-file": null });
      ok(complete(await eventually(data, complete, 70)), "its keys are not restored");

      const peer = newAuthority("a peer's").cert;
      const expired = createAuthority({ subject: { commonName: "expired" }, lifetime: -600_000 }, issue).cert;
      await patch({ "requestheader-client-ca-file": `${peer}${expired}` });
      const merged = await eventually(
        async () => (await data())?.["requestheader-client-ca-file"] ?? "",
        (text) => text.includes(own),
        70,
      );
      ok(merged.includes(own), "its own authority is not there");
      ok(merged.includes(peer.trim()), "the peer's authority is gone");
      ok(!merged.includes(expired.trim()), "the expired authority is still there");
    },
    { world: "own", slow: true },
  ),

  define(
    91,
    "headers count with the front proxy's certificate, and with nothing else",
    (stage) =>
      delegating(stage, async ({ server, proxy }) => {
        const headers = asUser("u");
        const believed = await server.ask(NODES, { ...(await proxy()), headers });
        equal(believed.status, 403);
        match(believed.text, refused("u"));
        const nobody = await server.ask(NODES, { headers });
        equal(nobody.status, 403);
        match(nobody.text, refused("system:anonymous"));
        equal(
          (await server.ask(NODES, { ...(await proxy(undefined, newAuthority("stranger"))), headers })).status,
          401,
        );
        equal((await server.ask(NODES, { ...(await proxy("somebody")), headers })).status, 401);
      }),
    { slow: true },
  ),

  define(
    92,
    "a token is reviewed once in ten seconds",
    (stage) =>
      delegating(stage, async ({ server, main }) => {
        const accounts = `/api/v1/namespaces/${stage.namespace}/serviceaccounts`;
        await stage.make(accounts, { metadata: { name: "caller" } });
        const made = await stage.target.call("POST", `${accounts}/caller/token`, { body: { spec: {} } });
        equal(made.status, 201, made.text);
        const headers = { authorization: `Bearer ${made.json.status.token}` };
        const reviews = () => main.count(`POST ${TOKEN_REVIEWS}`);
        const before = reviews();
        for (let turn = 0; turn < 4; turn++) {
          match(
            (await server.ask(NODES, { headers })).text,
            refused(`system:serviceaccount:${stage.namespace}:caller`),
          );
        }
        equal(reviews() - before, 1);
        await new Promise((resolve) => setTimeout(resolve, 11_000));
        await server.ask(NODES, { headers });
        equal(reviews() - before, 2);
      }),
    { slow: true },
  ),

  define(
    93,
    "a question is asked once in ten seconds; of health and masters, never",
    (stage) =>
      delegating(stage, async ({ server, main, proxy }) => {
        const certificate = await proxy();
        const reviews = () => main.count(`POST ${ACCESS_REVIEWS}`);
        const before = reviews();
        for (let turn = 0; turn < 4; turn++) {
          equal((await server.ask(NODES, { ...certificate, headers: asUser("v") })).status, 403);
        }
        equal(reviews() - before, 1);
        await server.ask("/healthz");
        const master = await server.ask(NODES, { ...certificate, headers: asUser("root", "system:masters") });
        equal(master.status, 200, master.text);
        equal(reviews() - before, 1);
        await new Promise((resolve) => setTimeout(resolve, 11_000));
        await server.ask(NODES, { ...certificate, headers: asUser("v") });
        equal(reviews() - before, 2);
      }),
    { slow: true },
  ),

  define(
    94,
    "when nobody says whether it may be, it is an error, neither yes nor no",
    (stage) =>
      delegating(stage, async ({ server, main, proxy }) => {
        main.break(ACCESS_REVIEWS);
        const answer = await server.ask(NODES, { ...(await proxy()), headers: asUser("w") });
        equal(answer.status, 500, answer.text);
        match(answer.text, /^Internal Server Error: /);
      }),
    { slow: true },
  ),

  define(
    95,
    "without the right to read the trust ConfigMap it does not start, unless told to",
    async (stage) => {
      const account = `system:serviceaccount:${stage.namespace}:blind`;
      const rbac = "/apis/rbac.authorization.k8s.io/v1";
      const bind = (name: string, role: string) =>
        stage.make(`${rbac}/clusterrolebindings`, {
          metadata: { name },
          roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
          subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: account }],
        } as never);
      await stage.make(`${rbac}/clusterroles`, {
        metadata: { name: stage.namespace },
        rules: [{ apiGroups: [""], resources: ["nodes", "pods"], verbs: ["get", "list", "watch"] }],
      } as never);
      await bind(stage.namespace, stage.namespace);
      await bind(`${stage.namespace}-delegator`, "system:auth-delegator");
      const main = await startRecordingProxy(stage.target.kubeconfig, account);
      const started = { upstream: stage.upstream, kubeconfig: main.kubeconfig };
      try {
        await rejects(startMetricsServer(started), /ended[\s\S]*extension-apiserver-authentication-reader/);
        const flags = ["--authentication-tolerate-lookup-failure"];
        const tolerant = await startMetricsServer({ ...started, flags });
        const headers = asUser("u");
        match((await tolerant.ask(NODES, { headers })).text, refused("system:anonymous"));
        await tolerant.stop();
      } finally {
        await main.stop();
      }
    },
    { slow: true },
  ),
];
