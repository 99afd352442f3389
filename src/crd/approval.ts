/** Groups that belong to the Kubernetes community take definitions only with an approval, or with a reason for having none (spec: apiserver 8.12 #5). */
import { goQuote } from "../api/go-quote.ts";
import type { WantedCondition } from "./conditions.ts";
import { APPROVED_ANNOTATION } from "./digest.ts";

const SEE = "see https://github.com/kubernetes/enhancements/pull/1111";

export function isProtectedGroup(group: string): boolean {
  return ["k8s.io", "kubernetes.io"].some((domain) => group === domain || group.endsWith(`.${domain}`));
}

/** undefined for groups nobody protects. `annotation`: "" when there is none. */
export function approvalOf(group: string, annotation: string): WantedCondition | undefined {
  if (!isProtectedGroup(group)) return undefined;
  const said = (status: "True" | "False", reason: string, message: string): WantedCondition => ({
    type: "KubernetesAPIApprovalPolicyConformant",
    status,
    reason,
    message,
  });
  const must = `protected groups must have approval annotation ${goQuote(APPROVED_ANNOTATION)}`;
  if (annotation === "") return said("False", "MissingAnnotation", `${must}, ${SEE}`);
  if (annotation.startsWith("unapproved")) {
    return said("False", "UnapprovedAnnotation", `not approved: ${goQuote(annotation)}`);
  }
  if (/^[a-z][a-z0-9+.-]*:\/\/[^/?]/i.test(annotation) && URL.canParse(annotation)) {
    return said("True", "ApprovedAnnotation", `approved in ${annotation}`);
  }
  const either = 'with either a URL or a reason starting with "unapproved"';
  return said("False", "InvalidAnnotation", `${must} ${either}, ${SEE}`);
}
