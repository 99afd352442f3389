/** Groups that belong to the Kubernetes community need its approval to be defined here (spec: apiserver 8.12, 5). */
import { at, type FieldError, invalidValue, required } from "../../api/field-errors.ts";
import { goQuote } from "../../api/go-quote.ts";

export const APPROVED_ANNOTATION = "api-approved.kubernetes.io";
const SEE = "see https://github.com/kubernetes/enhancements/pull/1111";

export type ApprovalState = "invalid" | "approved" | "bypassed" | "missing";

/** Whether groups of this name are the community's. */
export function isProtectedGroup(group: string): boolean {
  return ["k8s.io", "kubernetes.io"].some((domain) => group === domain || group.endsWith(`.${domain}`));
}

/** What the annotation says ("" when there is none), and why that is so. */
export function approvalState(annotation: string): { readonly state: ApprovalState; readonly reason: string } {
  const must = `protected groups must have approval annotation ${goQuote(APPROVED_ANNOTATION)}`;
  if (annotation === "") return { state: "missing", reason: `${must}, ${SEE}` };
  if (annotation.startsWith("unapproved")) return { state: "bypassed", reason: `not approved: ${goQuote(annotation)}` };
  if (/^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?#]/.test(annotation) && URL.canParse(annotation)) {
    return { state: "approved", reason: `approved in ${annotation}` };
  }
  return { state: "invalid", reason: `${must} with either a URL or a reason starting with "unapproved", ${SEE}` };
}

/** `old`: annotations as they were; an update that leaves the state as it was is no worse than before. */
export function approvalErrors(
  group: string,
  annotations: Readonly<Record<string, string>> | undefined,
  old?: { readonly annotations: Readonly<Record<string, string>> | undefined },
): FieldError[] {
  if (!isProtectedGroup(group)) return [];
  const annotation = annotations?.[APPROVED_ANNOTATION] ?? "";
  const { state, reason } = approvalState(annotation);
  if (state === "approved" || state === "bypassed") return [];
  if (old !== undefined && approvalState(old.annotations?.[APPROVED_ANNOTATION] ?? "").state === state) return [];
  const field = at("metadata.annotations", APPROVED_ANNOTATION);
  return [state === "missing" ? required(field, reason) : invalidValue(field, annotation, reason)];
}
