/** Keeps the rules of ClusterRoles that gather those of others (spec: apiserver 10.4). */
import { createInformer } from "../client/informer.ts";
import { aggregatedRules, type GatheringRole, sameRules } from "./aggregated-rules.ts";
import { type Controller, startSync } from "./controller.ts";

const CLUSTER_ROLES = { group: "rbac.authorization.k8s.io", version: "v1", resource: "clusterroles" };

export const clusterRoleAggregation: Controller = async (context) => {
  const { client, signal, log } = context;
  const resource = client.resource<GatheringRole>(CLUSTER_ROLES);
  const roles = createInformer<GatheringRole>(client, resource, {
    onError: (error) => log.warn({ controller: "clusterrole-aggregation", error: String(error) }, "a watch failed"),
  });
  const { queue, finished } = startSync("clusterrole-aggregation", context, 2, async (name) => {
    const role = roles.get(name);
    const rules = role && aggregatedRules(role, roles.list());
    if (role === undefined || rules === undefined || sameRules(role.rules, rules)) return undefined;
    await resource.update({ ...role, rules: [...rules] });
    return undefined;
  });
  // Whatever changed may be gathered by any of them: there are few, and most of the time nothing follows.
  const all = () => {
    for (const role of roles.list()) if (role.aggregationRule !== undefined) queue.add(role.metadata.name ?? "");
  };
  roles.start();
  await Promise.race([roles.ready(), aborted(signal)]);
  roles.subscribe({ added: all, updated: all, deleted: all });
  await finished;
  await roles.stop();
};

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
