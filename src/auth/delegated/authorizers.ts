/** Authorizers made of other authorizers, and the ones that need no objects. */
import type {
  AuthorizationAttributes,
  AuthorizationDecision,
  Authorizer,
  RuleSet,
} from "../../server/authorization.ts";
import { SYSTEM_MASTERS, type UserInfo } from "../../server/identity.ts";

const NO_RULES: RuleSet = { resourceRules: [], nonResourceRules: [], incomplete: false, evaluationError: "" };
const EVERYTHING: RuleSet = {
  resourceRules: [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"], resourceNames: [] }],
  nonResourceRules: [{ verbs: ["*"], nonResourceURLs: ["*"] }],
  incomplete: false,
  evaluationError: "",
};

/** Members of these groups may do everything; stands before all others. */
export function privilegedGroups(groups: readonly string[] = [SYSTEM_MASTERS]): Authorizer {
  const isMember = (user: UserInfo) => user.groups.some((group) => groups.includes(group));
  return {
    authorize: ({ user }) => ({ verdict: isMember(user) ? "Allow" : "NoOpinion", reason: "" }),
    rulesFor: (user) => (isMember(user) ? EVERYTHING : NO_RULES),
  };
}

/** Anybody may ask these paths, with any verb: exact, or a prefix when it ends in `*`. Only requests that name no resource. Throws a RangeError for a `*` elsewhere. */
export function alwaysAllowPaths(paths: readonly string[]): Authorizer {
  const clean = paths.map((path) => path.replace(/^\//, ""));
  const odd = clean.find((path) => path.slice(0, -1).includes("*"));
  if (odd !== undefined) throw new RangeError(`only trailing * allowed in ${JSON.stringify(odd)}`);
  const exact = new Set(clean.filter((path) => !path.endsWith("*")));
  const prefixes = clean.filter((path) => path.endsWith("*")).map((path) => path.slice(0, -1));
  const matches = (path: string) => exact.has(path) || prefixes.some((prefix) => path.startsWith(prefix));
  return {
    authorize: ({ isResourceRequest, path }) => ({
      verdict: !isResourceRequest && matches(path.replace(/^\//, "")) ? "Allow" : "NoOpinion",
      reason: "",
    }),
    rulesFor: () => NO_RULES,
  };
}

/** For development. */
export const alwaysAllow: Authorizer = {
  authorize: () => ({ verdict: "Allow", reason: "" }),
  rulesFor: () => EVERYTHING,
};

/** For tests of what needs permission. */
export const alwaysDeny: Authorizer = {
  authorize: () => ({ verdict: "NoOpinion", reason: "Everything is forbidden." }),
  rulesFor: () => NO_RULES,
};

/** The first Allow or Deny decides; an Allow wins over errors of those before; all without an opinion is a refusal (spec: apiserver 1.5, 10.3). */
export function authorizerUnion(members: readonly Authorizer[]): Authorizer {
  return {
    async authorize(attributes: AuthorizationAttributes): Promise<AuthorizationDecision> {
      const reasons: string[] = [];
      const errors: Error[] = [];
      for (const member of members) {
        const answer = member.authorize(attributes);
        const decision = answer instanceof Promise ? await answer : answer;
        if (decision.verdict === "Allow") return decision;
        if (decision.verdict === "Deny") return decision;
        if (decision.reason !== "") reasons.push(decision.reason);
        if (decision.error !== undefined) errors.push(decision.error);
      }
      const reason = reasons.join("\n");
      if (errors.length === 0) return { verdict: "NoOpinion", reason };
      const error =
        errors.length === 1
          ? errors[0]!
          : new AggregateError(errors, `[${errors.map((one) => one.message).join(", ")}]`);
      return { verdict: "NoOpinion", reason, error };
    },
    async rulesFor(user, namespace): Promise<RuleSet> {
      const sets = await Promise.all(members.map((member) => member.rulesFor(user, namespace)));
      const errors = sets.map((set) => set.evaluationError).filter((error) => error !== "");
      return {
        resourceRules: sets.flatMap((set) => set.resourceRules),
        nonResourceRules: sets.flatMap((set) => set.nonResourceRules),
        incomplete: sets.some((set) => set.incomplete),
        evaluationError: errors.length < 2 ? (errors[0] ?? "") : `[${errors.join(", ")}]`,
      };
    },
  };
}
