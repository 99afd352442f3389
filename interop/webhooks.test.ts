/** Authorization and token webhooks: the same flags, questions and answers on Tenon and on a real kube-apiserver, each with a webhook of its own. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock, systemRandom } from "../src/api/machine.ts";
import { memoryPKI, type PKI } from "../src/auth/pki/pki.ts";
import { type Running, SERVERS } from "./servers.ts";
import { eventually } from "./story.ts";
import type { Answer } from "./target.ts";

const SECRET = "the-api-server-itself";

// biome-ignore lint/suspicious/noExplicitAny: reviews are read as they came
type Review = any;

/** Answers by the user's name, and keeps what it was asked. */
interface Webhook {
  readonly url: string;
  readonly asked: Review[];
  stop(): Promise<void>;
}

const USERS: Record<string, object> = {
  allowed: { username: "allowed", uid: "u-1", groups: ["dev", "a,b"], extra: { "example.com/Shoe": ["9½", "left"] } },
  refused: { username: "refused", groups: ["dev"] },
  denied: { username: "denied" },
  both: { username: "both" },
  garbage: { username: "garbage" },
  unavailable: { username: "unavailable" },
  granted: { username: "granted" },
  master: { username: "master", groups: ["system:masters"] },
};

const ANSWERS: Record<string, object> = {
  allowed: { allowed: true, reason: "a friend" },
  refused: { allowed: false, reason: "not <today>" },
  denied: { allowed: false, denied: true, reason: "never" },
  both: { allowed: true, denied: true, reason: "undecided" },
};

async function startWebhook(pki: PKI): Promise<Webhook> {
  const asked: Review[] = [];
  const server: Server = createServer({ cert: pki.serving.cert, key: pki.serving.keyPEM }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.once("end", () => {
      const review: Review = JSON.parse(Buffer.concat(chunks).toString());
      asked.push({ ...review, at: `${request.method} ${request.url}`, authorization: request.headers.authorization });
      const send = (code: number, type: string, body: string) => {
        response.writeHead(code, { "content-type": type });
        response.end(body);
      };
      const status = request.url?.startsWith("/token") ? tokenStatus(review.spec.token) : ANSWERS[review.spec.user];
      if (status !== undefined) send(200, "application/json", JSON.stringify({ ...review, status }));
      else if (review.spec.user === "garbage") send(200, "text/plain", "hello");
      else send(503, "text/plain", "go away");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function tokenStatus(token: string): object | undefined {
  if (token === "down") return undefined;
  if (token === "expired") return { authenticated: false, error: "token expired" };
  const user = Object.hasOwn(USERS, token) ? USERS[token] : undefined;
  return user === undefined ? { authenticated: false } : { authenticated: true, user };
}

/** The kubeconfig of one path of a webhook; answers with its file. */
function writeConfig(folder: string, url: string, path: string, ca: string): string {
  const config = join(folder, `${path}.kubeconfig`);
  const cluster = {
    server: `${url}/${path}`,
    "certificate-authority-data": Buffer.from(ca).toString("base64"),
  };
  const text = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "webhook",
    clusters: [{ name: "webhook", cluster }],
    users: [{ name: "server", user: { token: SECRET } }],
    contexts: [{ name: "webhook", context: { cluster: "webhook", user: "server" } }],
  };
  writeFileSync(config, JSON.stringify(text));
  return config;
}

for (const { name, built, start } of SERVERS) {
  describe.skipIf(!built)(`webhooks of ${name}`, () => {
    const folder = mkdtempSync(join(tmpdir(), "tenon-webhooks-"));
    let webhook: Webhook;
    let running: Running;

    beforeAll(async () => {
      const pki = await memoryPKI({ clock: systemClock, random: systemRandom });
      webhook = await startWebhook(pki);
      const file = (path: string) => writeConfig(folder, webhook.url, path, pki.ca.cert);
      running = await start(folder, () => [
        "--authorization-mode=RBAC,Webhook",
        `--authorization-webhook-config-file=${file("authorize")}`,
        "--authorization-webhook-version=v1",
        "--authorization-webhook-cache-authorized-ttl=1m",
        `--authentication-token-webhook-config-file=${file("token")}`,
      ]);
    }, 120_000);

    afterAll(async () => {
      await running?.stop();
      await webhook?.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    const as = (token: string, path: string): Promise<Answer> =>
      running.target.call("GET", path, { anonymous: true, headers: { authorization: `Bearer ${token}` } });
    const about = (user: string, verb?: string): Review[] =>
      webhook.asked.filter(
        ({ kind, spec }) =>
          kind === "SubjectAccessReview" &&
          spec.user === user &&
          (verb === undefined || spec.resourceAttributes?.verb === verb),
      );
    const PODS = "/api/v1/namespaces/default/configmaps";

    it("knows who asks by the token webhook, groups and extras included", async () => {
      const answer = await running.target.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {
        anonymous: true,
        headers: { authorization: "Bearer allowed" },
        body: { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" },
      });
      expect(answer.status).toBe(201);
      expect(answer.json.status.userInfo).toEqual({
        username: "allowed",
        uid: "u-1",
        groups: ["dev", "a,b", "system:authenticated"],
        extra: { "example.com/Shoe": ["9½", "left"] },
      });
      const [review] = webhook.asked.filter(({ kind, spec }) => kind === "TokenReview" && spec.token === "allowed");
      expect(review).toMatchObject({
        at: "POST /token?timeout=30s",
        authorization: `Bearer ${SECRET}`,
        apiVersion: "authentication.k8s.io/v1beta1",
        metadata: {},
        status: { user: {} },
        spec: { token: "allowed", audiences: ["https://kubernetes.default.svc.cluster.local"] },
      });
    });

    it.each([["nobody"], ["expired"], ["down"]])("refuses the token %s with 401", async (token) => {
      const answer = await as(token, PODS);
      expect([answer.status, answer.json.message]).toEqual([401, "Unauthorized"]);
    });

    it("asks about each permission in upstream's form", async () => {
      const path = `${PODS}?labelSelector=a%3Db%2C%21c&fieldSelector=metadata.name%3Dx&limit=1`;
      expect((await as("allowed", path)).status).toBe(200);
      expect(about("allowed", "list").at(-1)).toEqual({
        at: "POST /authorize?timeout=30s",
        authorization: `Bearer ${SECRET}`,
        apiVersion: "authorization.k8s.io/v1",
        kind: "SubjectAccessReview",
        metadata: {},
        status: { allowed: false },
        spec: {
          resourceAttributes: {
            namespace: "default",
            verb: "list",
            version: "v1",
            resource: "configmaps",
            // As upstream: the name a field selector fixes is the name that is asked about.
            name: "x",
            fieldSelector: { requirements: [{ key: "metadata.name", operator: "In", values: ["x"] }] },
            labelSelector: {
              requirements: [
                { key: "a", operator: "In", values: ["b"] },
                { key: "c", operator: "DoesNotExist" },
              ],
            },
          },
          user: "allowed",
          groups: ["dev", "a,b", "system:authenticated"],
          extra: { "example.com/Shoe": ["9½", "left"] },
          uid: "u-1",
        },
      });
      expect((await as("allowed", "/metrics")).status).toBe(200);
      expect(about("allowed").at(-1).spec.nonResourceAttributes).toEqual({ path: "/metrics", verb: "get" });
    });

    it.each<[string, number, RegExp | string]>([
      [
        "refused",
        403,
        'configmaps is forbidden: User "refused" cannot list resource "configmaps" in API group "" in the namespace "default": not <today>',
      ],
      [
        "denied",
        403,
        'configmaps is forbidden: User "denied" cannot list resource "configmaps" in API group "" in the namespace "default": never',
      ],
      [
        "both",
        500,
        `Internal Server Error: "${PODS}": webhook subject access review returned both allow and deny response`,
      ],
      ["unavailable", 500, `Internal Server Error: "${PODS}": the server is currently unable to handle the request`],
      ["garbage", 500, /^Internal Server Error: "\/api\/v1\/namespaces\/default\/configmaps": /],
    ])("%s: %i", async (token, status, message) => {
      const answer = await as(token, PODS);
      expect(answer.status).toBe(status);
      const text = status === 403 ? answer.json.message : answer.text.trim();
      if (typeof message === "string") expect(text).toBe(message);
      else expect(text).toMatch(message);
    });

    it("remembers what may be remembered", async () => {
      for (let turn = 0; turn < 3; turn++) {
        await as("allowed", "/api/v1/namespaces/default/secrets");
        await as("refused", "/api/v1/namespaces/default/secrets");
        await as("unavailable", "/api/v1/namespaces/default/secrets");
      }
      const secrets = (user: string) =>
        about(user).filter(({ spec }) => spec.resourceAttributes?.resource === "secrets").length;
      expect([secrets("allowed"), secrets("refused"), secrets("unavailable")]).toEqual([1, 1, 3]);
    });

    it("asks nothing for what RBAC allows, nor for system:masters", async () => {
      const role = {
        metadata: { name: "granted" },
        rules: [{ apiGroups: [""], resources: ["configmaps"], verbs: ["list"] }],
      };
      const binding = {
        metadata: { name: "granted" },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "granted" },
        subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "granted" }],
      };
      const rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
      expect((await running.target.call("POST", `${rbac}/roles`, { body: role })).status).toBe(201);
      expect((await running.target.call("POST", `${rbac}/rolebindings`, { body: binding })).status).toBe(201);
      // Until the authorizer has seen the binding, the webhook is asked and has nothing to say.
      await eventually(
        () => as("granted", PODS),
        ({ status }) => status === 200,
      );
      const before = about("granted").length;
      expect((await as("granted", PODS)).status).toBe(200);
      expect((await as("master", "/api/v1/nodes")).status).toBe(200);
      expect(about("granted").length).toBe(before);
      expect(about("master")).toEqual([]);
    });

    it("reviews asked of the server include the webhook's opinion", async () => {
      const ask = async (user: string) => {
        const answer = await running.target.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {
          body: {
            apiVersion: "authorization.k8s.io/v1",
            kind: "SubjectAccessReview",
            spec: { user, resourceAttributes: { verb: "get", resource: "pods", namespace: "default", version: "v1" } },
          },
        });
        return answer.json.status;
      };
      expect(await ask("allowed")).toEqual({ allowed: true, reason: "a friend" });
      expect(await ask("refused")).toEqual({ allowed: false, reason: "not <today>" });
      expect(await ask("denied")).toEqual({ allowed: false, denied: true, reason: "never" });
      expect(await ask("both")).toEqual({
        allowed: false,
        denied: true,
        reason: "undecided",
        evaluationError: "webhook subject access review returned both allow and deny response",
      });
      expect(await ask("unavailable")).toEqual({
        allowed: false,
        evaluationError: "the server is currently unable to handle the request",
      });
    });

    it("rules cannot be listed for a webhook", async () => {
      const answer = await running.target.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", {
        anonymous: true,
        headers: { authorization: "Bearer allowed" },
        body: {
          apiVersion: "authorization.k8s.io/v1",
          kind: "SelfSubjectRulesReview",
          spec: { namespace: "default" },
        },
      });
      expect(answer.status).toBe(201);
      expect(answer.json.status).toMatchObject({
        incomplete: true,
        evaluationError: "webhook authorizer does not support user rule resolution",
      });
    });

    it("a webhook that is gone: errors for the rest, nothing for those who need it not", async () => {
      await webhook.stop();
      const answer = await as("refused", "/api/v1/namespaces/default/services");
      expect(answer.status).toBe(500);
      const { port } = new URL(webhook.url);
      expect(answer.text.trim()).toBe(
        `Internal Server Error: "/api/v1/namespaces/default/services": Post "${webhook.url}/authorize?timeout=30s": dial tcp 127.0.0.1:${port}: connect: connection refused`,
      );
      expect((await as("granted", PODS)).status).toBe(200);
      expect((await running.target.call("GET", "/api/v1/nodes")).status).toBe(200);
      expect((await as("newcomer", PODS)).status).toBe(401);
    });
  });
}

for (const { name, built, start } of SERVERS) {
  describe.skipIf(!built)(`an AuthorizationConfiguration on ${name}`, () => {
    const folder = mkdtempSync(join(tmpdir(), "tenon-authorization-"));
    let webhook: Webhook;
    let running: Running;

    beforeAll(async () => {
      const pki = await memoryPKI({ clock: systemClock, random: systemRandom });
      webhook = await startWebhook(pki);
      const hook = (path: string, more: object) => ({
        type: "Webhook",
        name: path,
        webhook: {
          timeout: "3s",
          subjectAccessReviewVersion: "v1",
          matchConditionSubjectAccessReviewVersion: "v1",
          connectionInfo: {
            type: "KubeConfigFile",
            kubeConfigFile: writeConfig(folder, webhook.url, path, pki.ca.cert),
          },
          ...more,
        },
      });
      const file = join(folder, "authorization.yaml");
      const configuration = {
        apiVersion: "apiserver.config.k8s.io/v1",
        kind: "AuthorizationConfiguration",
        authorizers: [
          hook("guard", {
            failurePolicy: "Deny",
            matchConditions: [
              { expression: "has(request.resourceAttributes)" },
              { expression: "request.resourceAttributes.namespace == 'guarded'" },
              {
                expression:
                  "request.user != 'nobody' || request.resourceAttributes.fieldSelector.requirements.size() > 0",
              },
            ],
          }),
          { type: "RBAC", name: "rbac" },
          hook("rest", {
            failurePolicy: "NoOpinion",
            matchConditions: [{ expression: "request.user in ['allowed', 'refused', 'unavailable']" }],
          }),
        ],
      };
      writeFileSync(file, JSON.stringify(configuration));
      const tokens = writeConfig(folder, webhook.url, "token", pki.ca.cert);
      running = await start(folder, () => [
        `--authorization-config=${file}`,
        `--authentication-token-webhook-config-file=${tokens}`,
      ]);
    }, 120_000);

    afterAll(async () => {
      await running?.stop();
      await webhook?.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    const as = async (token: string, path: string) => {
      const before = webhook.asked.length;
      const answer = await running.target.call("GET", path, {
        anonymous: true,
        headers: { authorization: `Bearer ${token}` },
      });
      const asked = webhook.asked.slice(before).filter(({ kind }) => kind === "SubjectAccessReview");
      const paths = asked.map(({ at }) => at.replace(/^POST .([a-z]+).*$/, "$1"));
      const text = answer.status === 500 ? answer.text.trim() : (answer.json.message ?? "");
      return { status: answer.status, asked: paths, text };
    };
    const pods = (namespace: string) => `/api/v1/namespaces/${namespace}/pods`;
    const forbidden = (user: string, namespace: string, why = "") =>
      `pods is forbidden: User "${user}" cannot list resource "pods" in API group "" in the namespace "${namespace}"${why}`;

    it.each<[string, string, number, string[], string]>([
      ["allowed", "guarded", 200, ["guard"], ""],
      ["allowed", "elsewhere", 200, ["rest"], ""],
      ["refused", "guarded", 403, ["guard", "rest"], ": not <today>\nnot <today>"],
      ["denied", "guarded", 403, ["guard"], ": never"],
      ["denied", "elsewhere", 403, [], ""],
      ["unavailable", "guarded", 500, ["guard"], ""],
      ["unavailable", "elsewhere", 500, ["rest"], ""],
      ["granted", "guarded", 500, ["guard"], ""],
      ["granted", "elsewhere", 403, [], ""],
    ])("%s in %s: %i after %j", async (user, namespace, status, asked, why) => {
      const answer = await as(user, pods(namespace));
      expect([answer.status, answer.asked]).toEqual([status, asked]);
      if (status === 403) expect(answer.text).toBe(forbidden(user, namespace, why));
      if (status === 500) expect(answer.text).toContain("the server is currently unable to handle the request");
    });

    it("a condition that fails counts as the webhook's failure", async () => {
      const answer = await as("nobody-known", pods("guarded"));
      expect(answer.status).toBe(401);
      USERS["nobody"] = { username: "nobody" };
      const failed = await as("nobody", pods("guarded"));
      expect(failed).toEqual({
        status: 500,
        asked: [],
        text: `Internal Server Error: "${pods("guarded")}": cel evaluation error: expression 'request.user != 'nobody' || request.resourceAttributes.fieldSelector.requirements.size() &gt; 0' resulted in error: no such key: fieldSelector`,
      });
    });

    it("paths are not resources", async () => {
      expect((await as("refused", "/metrics")).asked).toEqual(["rest"]);
      expect((await as("denied", "/metrics")).asked).toEqual([]);
    });
  });
}
