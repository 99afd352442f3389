/** `matchConditions` of authorization webhooks: CEL over the review, so that not every question travels (spec: apiserver 10.6). Loaded when there are some. */
import type { JSONObject } from "../api/meta.ts";
import type { AccessReviewSpec } from "../auth/delegated/access-review.ts";
import { BOOL, listOf, mapOf, STRING, struct } from "../schema/cel/check/types.ts";
import { compile, type Expression } from "../schema/cel/compile.ts";
import type { Declaration } from "../schema/cel/declaration/declare.ts";
import { readList, readMap, readObject, readString } from "../schema/cel/declaration/view.ts";
import { PER_CALL_LIMIT } from "../schema/cel/index.ts";
import { kubernetesEnvironment } from "../schema/cel/library/kubernetes.ts";
import { CelError } from "../schema/cel/values/errors.ts";

const RESOURCE = ["namespace", "verb", "group", "version", "resource", "subresource", "name"];
const NON_RESOURCE = ["path", "verb"];

type Part = Pick<Declaration, "type" | "read">;

/** Fields by their own names: an expression says `request.resourceAttributes.namespace`, where a custom resource's would say `__namespace__`. */
function object(name: string, fields: Readonly<Record<string, Part>>): Part {
  const parts = new Map(Object.entries(fields));
  const shape = () => new Map([...parts].map(([field, { read }]) => [field, { name: field, read, plain: true }]));
  return { type: struct(name, (field) => parts.get(field)?.type), read: readObject(shape) };
}

/** What upstream declares as `request`. */
function requestDeclaration(): Part {
  const text: Part = { type: STRING, read: readString };
  const listed = ({ type, read }: Part): Part => ({ type: listOf(type), read: readList(read, undefined) });
  const texts = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, text]));
  const requirement = object("kubernetes.SelectorRequirement", { ...texts(["key", "operator"]), values: listed(text) });
  const selector = (kind: string) =>
    object(`kubernetes.${kind}SelectorAttributes`, { rawSelector: text, requirements: listed(requirement) });
  return object("kubernetes.SubjectAccessReviewSpec", {
    resourceAttributes: object("kubernetes.ResourceAttributes", {
      ...texts(RESOURCE),
      fieldSelector: selector("Field"),
      labelSelector: selector("Label"),
    }),
    nonResourceAttributes: object("kubernetes.NonResourceAttributes", texts(NON_RESOURCE)),
    ...texts(["user", "uid"]),
    groups: listed(text),
    extra: { type: mapOf(STRING, listOf(STRING)), read: readMap(listed(text).read) },
  });
}

/** True: ask the webhook. False: it has no opinion. An Error: it counts as failed. */
export type Matches = (spec: AccessReviewSpec) => boolean | Error;

/** `error`: what is wrong with an expression, by its index. */
export function compileMatchConditions(
  expressions: readonly string[],
): { readonly matches: Matches } | { readonly errors: ReadonlyMap<number, string> } {
  const { type, read } = requestDeclaration();
  const environment = { ...kubernetesEnvironment(), variables: new Map([["request", type]]) };
  const programs: { readonly text: string; readonly expression: Expression }[] = [];
  const errors = new Map<number, string>();
  for (const [index, text] of expressions.entries()) {
    const compiled = compile(text, environment);
    if ("syntax" in compiled) errors.set(index, `compilation failed: ${compiled.syntax}`);
    else if ("instantiation" in compiled) errors.set(index, `instantiation failed: ${compiled.instantiation}`);
    else if (compiled.expression.type !== BOOL) errors.set(index, "must evaluate to bool");
    else programs.push({ text, expression: compiled.expression });
  }
  if (errors.size > 0) return { errors };
  return {
    matches(spec) {
      const request = read(requestOf(spec));
      const failures: string[] = [];
      for (const { text, expression } of programs) {
        const { value } = expression.evaluate([request], PER_CALL_LIMIT);
        if (value === false) return false;
        if (value instanceof CelError) failures.push(`expression '${text}' resulted in error: ${value.message}`);
        else if (value !== true) failures.push(`expression '${text}' eval result value should be bool`);
      }
      if (failures.length === 0) return true;
      const messages = failures.map((failure) => `cel evaluation error: ${failure}`);
      return new Error(messages.length === 1 ? messages[0] : `[${messages.join(", ")}]`);
    },
  };
}

/** Every text there may be is there, also an empty one: an expression need not ask first. */
function requestOf(spec: AccessReviewSpec): JSONObject {
  const { user, uid = "", groups = [], extra = {}, resourceAttributes, nonResourceAttributes } = spec;
  const filled = (names: readonly string[], given: object) => ({
    ...Object.fromEntries(names.map((name) => [name, ""])),
    ...given,
  });
  return {
    user,
    uid,
    groups: [...groups],
    extra: Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]])),
    ...(resourceAttributes !== undefined && { resourceAttributes: filled(RESOURCE, resourceAttributes) }),
    ...(nonResourceAttributes !== undefined && {
      nonResourceAttributes: filled(NON_RESOURCE, nonResourceAttributes),
    }),
  } as unknown as JSONObject;
}
