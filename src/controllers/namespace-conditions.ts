/** The conditions a namespace shows while it is deleted, with upstream's reasons and messages. */

import { apiVersionOf } from "../api/meta.ts";
import type { DiscoveredVersion } from "../client/discovery.ts";

export interface NamespaceCondition {
  type: string;
  status: string;
  lastTransitionTime?: string;
  reason?: string;
  message?: string;
}

/** What one pass over a namespace found. */
export interface Findings {
  /** Versions that could not be asked and may hold objects. */
  readonly unreachable: readonly (DiscoveredVersion & { readonly why: string })[];
  /** One text for each resource whose deletion failed. */
  readonly failures: readonly string[];
  /** `resource.group` → how many objects remain. */
  readonly remaining: ReadonlyMap<string, number>;
  /** Finalizer → on how many objects. */
  readonly finalizers: ReadonlyMap<string, number>;
}

const SATISFIED: readonly (readonly [type: string, reason: string, message: string])[] = [
  ["NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"],
  ["NamespaceDeletionGroupVersionParsingFailure", "ParsedGroupVersions", "All legacy kube types successfully parsed"],
  [
    "NamespaceDeletionContentFailure",
    "ContentDeleted",
    "All content successfully deleted, may be waiting on finalization",
  ],
  ["NamespaceContentRemaining", "ContentRemoved", "All content successfully removed"],
  ["NamespaceFinalizersRemaining", "ContentHasNoFinalizers", "All content-preserving finalizers finished"],
];

/** The conditions after a pass; undefined when nothing changed. `now` is RFC 3339. */
export function updateConditions(
  current: readonly NamespaceCondition[],
  findings: Findings,
  now: string,
): NamespaceCondition[] | undefined {
  const unsatisfied = problems(findings);
  let changed = false;
  const next = current.map((condition) => ({ ...condition }));
  for (const [type, reason, message] of SATISFIED) {
    const problem = unsatisfied.get(type);
    const wanted = {
      type,
      status: problem === undefined ? "False" : "True",
      reason: problem?.reason ?? reason,
      message: problem?.message ?? message,
    };
    const existing = next.find((condition) => condition.type === type);
    if (existing === undefined) {
      next.push({ ...wanted, lastTransitionTime: now });
      changed = true;
    } else if (
      existing.status !== wanted.status ||
      existing.reason !== wanted.reason ||
      existing.message !== wanted.message
    ) {
      if (existing.status !== wanted.status) existing.lastTransitionTime = now;
      Object.assign(existing, wanted);
      changed = true;
    }
  }
  return changed ? next : undefined;
}

function problems(findings: Findings): Map<string, { reason: string; message: string }> {
  const found = new Map<string, { reason: string; message: string }>();
  if (findings.unreachable.length > 0) {
    const named = findings.unreachable.map((version) => `${apiVersionOf(version)}: ${version.why}`).sort();
    found.set("NamespaceDeletionDiscoveryFailure", {
      reason: "DiscoveryFailed",
      message: `Discovery failed for some groups, ${named.length} failing: unable to retrieve the complete list of server APIs: ${named.join(", ")}`,
    });
  }
  if (findings.failures.length > 0) {
    found.set("NamespaceDeletionContentFailure", {
      reason: "ContentDeletionFailed",
      message: `Failed to delete all resource types, ${findings.failures.length} remaining: ${findings.failures.toSorted().join(", ")}`,
    });
  }
  const counted = (counts: ReadonlyMap<string, number>, between: string) =>
    [...counts]
      .map(([name, count]) => `${name} ${between} ${count} resource instances`)
      .sort()
      .join(", ");
  if (findings.remaining.size > 0) {
    found.set("NamespaceContentRemaining", {
      reason: "SomeResourcesRemain",
      message: `Some resources are remaining: ${counted(findings.remaining, "has")}`,
    });
  }
  if (findings.finalizers.size > 0) {
    found.set("NamespaceFinalizersRemaining", {
      reason: "SomeFinalizersRemain",
      message: `Some content in the namespace has finalizers remaining: ${counted(findings.finalizers, "in")}`,
    });
  }
  return found;
}
