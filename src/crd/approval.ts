/** Groups that belong to the Kubernetes community take definitions only with an approval, or with a reason for having none (spec: apiserver 8.12 #5). */
import { type ApprovalState, approvalState, isProtectedGroup } from "../kinds/apiextensions/approval.ts";
import type { WantedCondition } from "./conditions.ts";

const REASONS: Record<ApprovalState, string> = {
  approved: "ApprovedAnnotation",
  bypassed: "UnapprovedAnnotation",
  invalid: "InvalidAnnotation",
  missing: "MissingAnnotation",
};

/** undefined for groups nobody protects. `annotation`: "" when there is none. */
export function approvalOf(group: string, annotation: string): WantedCondition | undefined {
  if (!isProtectedGroup(group)) return undefined;
  const { state, reason } = approvalState(annotation);
  return {
    type: "KubernetesAPIApprovalPolicyConformant",
    status: state === "approved" ? "True" : "False",
    reason: REASONS[state],
    message: reason,
  };
}
