/** Why a body cannot become an object of the kind that the endpoint serves: kube-apiserver's 400s (spec: apiserver 2.4). */
import { goQuote } from "../go-quote.ts";
import { decodeUTF8, isObject, newObject, own } from "../json/index.ts";
import {
  apiVersionOf,
  type GroupVersion,
  type GroupVersionKind,
  type JSONObject,
  type JSONValue,
  parseAPIVersion,
} from "../meta.ts";
import { StatusError } from "../status.ts";
import { describe } from "./fault.ts";

/** A 400 whose `detail` is the decoder's own sentence, which patch errors quote without the rest. */
export class BodyError extends StatusError {
  readonly detail: string;

  constructor(message: string, detail: string) {
    super(400, "BadRequest", message);
    this.detail = detail;
  }
}

/** The body named a kind, or left it to the endpoint, and could not be decoded. */
export function undecodable(found: GroupVersionKind, expected: GroupVersionKind, detail: string): BodyError {
  const version = goQuote(found.version);
  return new BodyError(
    `${found.kind} in version ${version} cannot be handled as a ${expected.kind}: ${detail}`,
    detail,
  );
}

/** The body did not even show a kind. */
export function unrecognised(expected: GroupVersionKind, detail: string, body: Uint8Array | undefined): BodyError {
  const summary = body === undefined ? "" : ` (${summarise(body)})`;
  return new BodyError(
    `the object provided is unrecognized (must be of type ${expected.kind}): ${detail}${summary}`,
    detail,
  );
}

const SUMMARY = 30;

function summarise(body: Uint8Array): string {
  if (body.length === 0) return "<empty>";
  const head = body.subarray(0, SUMMARY);
  const text =
    body[0] === 0x7b ? decodeUTF8(head) : Array.from(head, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return body.length > SUMMARY ? `${text} ...` : text;
}

/** Go prints the anonymous structure with which it looks for kind and apiVersion. */
const TYPE_META =
  'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }';

/** What there is beside the expected kind (see CodecOptions). */
interface Known {
  readonly knows?: (kind: GroupVersionKind) => boolean;
  readonly accepts?: (version: GroupVersion) => boolean;
}

/** Checks that a parsed body is an object of the expected kind, or of none. */
export function recognise(
  value: JSONValue,
  expected: GroupVersionKind,
  body: Uint8Array | undefined,
  known: Known,
): JSONObject {
  if (value === null) return newObject();
  const failed = (problem: string) =>
    unrecognised(expected, `couldn't get version/kind; json parse error: ${problem}`, body);
  if (!isObject(value)) throw failed(`json: cannot unmarshal ${describe(value)} into Go value of type ${TYPE_META}`);
  const text = (name: string): string => {
    const member = own(value, name) ?? "";
    if (typeof member === "string") return member;
    throw failed(`json: cannot unmarshal ${describe(member)} into Go struct field .${name} of type string`);
  };
  const apiVersion = text("apiVersion");
  const parsed = parseAPIVersion(apiVersion);
  if (parsed === undefined) throw unrecognised(expected, `unexpected GroupVersion string: ${apiVersion}`, body);
  expectKind({ ...parsed, kind: text("kind") }, expected, known);
  return value;
}

/** The same check for a kind that is already at hand; empty parts default to the expected ones. */
export function expectKind(named: GroupVersionKind, expected: GroupVersionKind, known: Known): void {
  const kind = named.kind === "" ? expected.kind : named.kind;
  const defaulted = named.version === "" && (named.group === "" || named.group === expected.group);
  const { group, version } = defaulted ? expected : named;
  if (kind === expected.kind && group === expected.group && version === expected.version) return;
  const found = { group, version, kind };
  if (kind === expected.kind && known.accepts?.(found)) return;
  const exists = known.knows?.(found) ?? true;
  if (!exists) {
    const gv = goQuote(apiVersionOf(found));
    const detail = `no kind ${goQuote(kind)} is registered for version ${gv} in scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"`;
    throw undecodable(found, expected, detail);
  }
  if (group !== expected.group || version !== expected.version) {
    const text = `the API version in the data (${apiVersionOf(found)}) does not match the expected API version (${apiVersionOf(expected)})`;
    throw new BodyError(text, text);
  }
  const detail = `converting (${version}.${kind}) to (${version}.${expected.kind}): unknown conversion`;
  throw undecodable(found, expected, detail);
}
