import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "../api/simulated.ts";
import { alwaysDeny } from "../auth/delegated/authorizers.ts";
import type { AuthorizationAttributes } from "../server/authorization.ts";
import { parseAuthorizationConfiguration } from "./authorization-config.ts";
import { configuredAuthorizers } from "./configured-authorizers.ts";
import { compileMatchConditions } from "./match-conditions.ts";

const folder = mkdtempSync(join(tmpdir(), "tenon-authorization-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const WEBHOOK = {
  timeout: "3s",
  subjectAccessReviewVersion: "v1",
  failurePolicy: "Deny",
  connectionInfo: { type: "KubeConfigFile", kubeConfigFile: "/etc/webhook" },
};
const file = (...authorizers: unknown[]) =>
  JSON.stringify({ apiVersion: "apiserver.config.k8s.io/v1", kind: "AuthorizationConfiguration", authorizers });
const hook = (more: object = {}, name = "one") => ({ type: "Webhook", name, webhook: { ...WEBHOOK, ...more } });
const RBAC = { type: "RBAC", name: "rbac" };

describe("an AuthorizationConfiguration", () => {
  it("names authorizers in order, webhooks with upstream's defaults", () => {
    const more = { cacheAuthorizedRequests: false, unauthorizedTTL: "1m", failurePolicy: "NoOpinion" };
    expect(parseAuthorizationConfiguration(file(hook(), RBAC, hook(more, "two")))).toEqual([
      {
        name: "one",
        kubeConfigFile: "/etc/webhook",
        version: "v1",
        timeout: 3000,
        authorizedTTL: 300_000,
        unauthorizedTTL: 30_000,
        failurePolicy: "Deny",
        matchConditions: [],
      },
      "RBAC",
      expect.objectContaining({ name: "two", authorizedTTL: 0, unauthorizedTTL: 60_000, failurePolicy: "NoOpinion" }),
    ]);
  });

  const loading = "failed to load AuthorizationConfiguration from file: ";
  it.each<[string, string, string]>([
    ["nothing", file(), "authorizers: Required value: at least one authorization mode must be defined"],
    ["another kind", "kind: Pod", `${loading}expected AuthorizationConfiguration`],
    ["no YAML", "a: [", loading],
    [
      "an unknown field",
      file({ ...RBAC, extra: 1 }),
      `${loading}strict decoding error: unknown field "authorizers[0].extra"`,
    ],
    ["an unknown field deep down", file(hook({ retries: 1 })), 'unknown field "authorizers[0].webhook.retries"'],
    ["no type", file({ name: "x" }), "authorizers[0].type: Required value"],
    ["an unknown type", file({ type: "Node", name: "node" }), 'authorizers[0].type: Unsupported value: "Node"'],
    ["twice", file(RBAC, RBAC), 'authorizers[1].type: Duplicate value: "RBAC"'],
    ["one name twice", file(hook(), hook()), 'authorizers[1].name: Duplicate value: "one"'],
    ["no name", file(hook({}, "")), "authorizers[0].name: Required value"],
    ["a bad name", file(hook({}, "A b")), 'authorizers[0].name: Invalid value: "A b": authorizer name is invalid: '],
    ["another name", file({ type: "RBAC", name: "mine" }), "expected name rbac for authorizer RBAC instead of mine"],
    [
      "no webhook",
      file({ type: "Webhook", name: "x" }),
      "authorizers[0].webhook: Required value: required when type=Webhook",
    ],
    ["a webhook too many", file({ ...RBAC, webhook: WEBHOOK }), "may only be specified when type=Webhook"],
    ["no timeout", file(hook({ timeout: undefined })), "authorizers[0].timeout: Required value"],
    [
      "a long timeout",
      file(hook({ timeout: "31s" })),
      'authorizers[0].timeout: Invalid value: "31s": must be > 0s and <= 30s',
    ],
    [
      "a negative lifetime",
      file(hook({ authorizedTTL: "-1s" })),
      'authorizers[0].authorizedTTL: Invalid value: "-1s": must be > 0s',
    ],
    ["no duration", file(hook({ timeout: "soon" })), "authorizers[0].timeout: "],
    [
      "no version",
      file(hook({ subjectAccessReviewVersion: "" })),
      "authorizers[0].subjectAccessReviewVersion: Required value",
    ],
    [
      "an odd version",
      file(hook({ subjectAccessReviewVersion: "v2" })),
      'Unsupported value: "v2": supported values: "v1", "v1beta1"',
    ],
    [
      "an odd policy",
      file(hook({ failurePolicy: "Maybe" })),
      'authorizers[0].failurePolicy: Unsupported value: "Maybe"',
    ],
    ["no connection", file(hook({ connectionInfo: {} })), "authorizers[0].connectionInfo.type: Required value"],
    [
      "a relative path",
      file(hook({ connectionInfo: { type: "KubeConfigFile", kubeConfigFile: "x" } })),
      'authorizers[0].connectionInfo.kubeConfigFile: Invalid value: "x": must be an absolute path',
    ],
    [
      "conditions of no version",
      file(hook({ matchConditions: [{ expression: "true" }] })),
      "authorizers[0].matchConditionSubjectAccessReviewVersion: Required value: required if match conditions are specified",
    ],
    [
      "one condition twice",
      file(
        hook({
          matchConditionSubjectAccessReviewVersion: "v1",
          matchConditions: [{ expression: "true" }, { expression: "true" }],
        }),
      ),
      'authorizers[0].matchConditions[1].expression: Duplicate value: "true"',
    ],
  ])("%s is refused", (_, text, message) => {
    expect(() => parseAuthorizationConfiguration(text)).toThrow(message);
  });
});

const list: AuthorizationAttributes = {
  user: { name: "jane", uid: "", groups: ["dev"], extra: {} },
  verb: "list",
  isResourceRequest: true,
  group: "",
  version: "v1",
  resource: "pods",
  subresource: "",
  namespace: "ns",
  name: "",
  path: "",
};

describe("match conditions", () => {
  const spec = {
    user: "jane",
    groups: ["dev"],
    resourceAttributes: {
      namespace: "ns",
      verb: "list",
      resource: "pods",
      labelSelector: { requirements: [{ key: "a", operator: "In", values: ["b"] }] },
    },
  };
  it.each<[string, boolean | string]>([
    ["request.user == 'jane'", true],
    ["'dev' in request.groups", true],
    ["has(request.resourceAttributes) && request.resourceAttributes.namespace == 'kube-system'", false],
    ["request.uid == '' && request.resourceAttributes.name == ''", true],
    ["has(request.nonResourceAttributes)", false],
    ["request.nonResourceAttributes.path == '/'", "no such key: nonResourceAttributes"],
    ["request.resourceAttributes.labelSelector.requirements[0].values[0] == 'b'", true],
    ["request.user.startsWith('system:')", false],
    ["!('x' in request.extra)", true],
  ])("%s: %s", (expression, expected) => {
    const compiled = compileMatchConditions([expression]);
    if (!("matches" in compiled)) throw new Error([...compiled.errors.values()].join());
    const answer = compiled.matches(spec);
    if (typeof expected === "boolean") expect(answer).toBe(expected);
    else {
      expect((answer as Error).message).toBe(
        `cel evaluation error: expression '${expression}' resulted in error: ${expected}`,
      );
    }
  });

  it("a false one wins over one that failed; all must hold", () => {
    const failing = "request.nonResourceAttributes.path == '/'";
    const both = compileMatchConditions([failing, "false"]);
    expect("matches" in both && both.matches(spec)).toBe(false);
    const hold = compileMatchConditions(["true", "request.user == 'joe'"]);
    expect("matches" in hold && hold.matches(spec)).toBe(false);
  });

  it.each([
    ["request.name == 'x'", "undefined field 'name'"],
    ["request.user", "must evaluate to bool"],
    ["request.user ==", "Syntax error"],
  ])("%s is no condition", (expression, message) => {
    const compiled = compileMatchConditions([expression]);
    expect("errors" in compiled && compiled.errors.get(0)).toContain(message);
  });
});

describe("a configuration file in force", () => {
  const allows = (resource: string) => ({
    authorize: (asked: AuthorizationAttributes) => ({
      verdict: asked.resource === resource ? ("Allow" as const) : ("NoOpinion" as const),
      reason: "",
    }),
    rulesFor: alwaysDeny.rulesFor,
  });

  async function following(text: string) {
    const clock = new SimulatedClock();
    const path = join(folder, `file-${Math.abs(text.length)}`);
    writeFileSync(path, text);
    const errors: string[] = [];
    const onError = (error: unknown) => errors.push(error instanceof Error ? error.message : String(error));
    const configured = await configuredAuthorizers(path, { clock, random: seededRandom(1), onError });
    const { authorize } = configured.authorizer(allows("pods"));
    const verdict = async (resource: string) => (await authorize({ ...list, resource })).verdict;
    /** The reading of the file is real, the minute is not. */
    const change = async (fresh: string, done: () => Promise<boolean>) => {
      writeFileSync(path, fresh);
      await clock.advance(60_000);
      await expect.poll(done, { timeout: 10_000 }).toBe(true);
    };
    return { configured, verdict, change, errors };
  }

  it("is followed; a broken one changes nothing, and RBAC cannot be lost", async () => {
    const { configured, verdict, change, errors } = await following(file(RBAC));
    expect([await verdict("pods"), await verdict("nodes")]).toEqual(["Allow", "NoOpinion"]);
    const more = file(RBAC, { type: "AlwaysAllow", name: "alwaysallow" });
    await change(more, async () => (await verdict("nodes")) === "Allow");
    await change("nonsense", async () => errors.length === 1);
    expect(errors[0]).toContain("failed to load AuthorizationConfiguration");
    await change(file({ type: "AlwaysAllow", name: "alwaysallow" }), async () => errors.length === 2);
    expect(errors[1]).toBe("missing required types: [RBAC]");
    expect(await verdict("nodes"), "what was in force stays").toBe("Allow");
    await change(file(RBAC), async () => (await verdict("nodes")) === "NoOpinion");
    await configured.close();
  });

  it("with a condition that does not compile is refused at the start, and names it", async () => {
    const conditions = {
      matchConditionSubjectAccessReviewVersion: "v1",
      matchConditions: [{ expression: "request.x" }],
    };
    await expect(following(file(hook(conditions)))).rejects.toThrow(
      'authorizers[0].matchConditions[0].expression: Invalid value: "request.x": compilation failed: ',
    );
  });
});
