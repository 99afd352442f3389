/** What a kubelet's authorizer asks: each of its paths is a sub-resource of its node (`nodes/metrics`, `nodes/healthz`, `nodes/proxy`). */
import type { AuthorizationAttributes, AuthorizationDecision, Authorizer } from "../server/authorization.ts";

const VERBS: ReadonlyMap<string, string> = new Map([
  ["get", "get"],
  ["post", "create"],
  ["put", "update"],
  ["patch", "patch"],
  ["delete", "delete"],
]);

/** The sub-resources that open a path, the narrowest first. */
function subresourcesOf(path: string): readonly string[] {
  const below = (prefix: string) => path === prefix || path.startsWith(`${prefix}/`);
  if (below("/stats")) return ["stats"];
  if (below("/metrics")) return ["metrics"];
  if (below("/logs")) return ["log"];
  if (below("/healthz") || below("/livez") || below("/readyz")) return ["healthz", "proxy"];
  return ["proxy"];
}

/** Asks `inner` about the node's sub-resource instead of the path; any one that is allowed will do. */
export function nodeAuthorizer(inner: Authorizer, node: string): Authorizer {
  return {
    async authorize(attributes: AuthorizationAttributes): Promise<AuthorizationDecision> {
      let decision: AuthorizationDecision = { verdict: "NoOpinion", reason: "" };
      const subresources = attributes.isResourceRequest ? ["proxy"] : subresourcesOf(attributes.path);
      for (const subresource of subresources) {
        decision = await inner.authorize({
          user: attributes.user,
          verb: attributes.isResourceRequest ? attributes.verb : (VERBS.get(attributes.verb) ?? ""),
          isResourceRequest: true,
          group: "",
          version: "v1",
          resource: "nodes",
          subresource,
          namespace: "",
          name: node,
          path: "",
        });
        if (decision.verdict === "Allow") break;
      }
      return decision;
    },
    rulesFor: (user, namespace) => inner.rulesFor(user, namespace),
  };
}
