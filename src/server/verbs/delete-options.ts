/** DeleteOptions from the body, or from the query when there is no body (spec: apiserver 2.7, 2.8). */
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { invalidValue, notSupported } from "../../api/field-errors.ts";
import { isObject, JSONSyntaxError, parseJSON } from "../../api/json/index.ts";
import type { JSONValue } from "../../api/meta.ts";
import { badRequest, type FieldError, invalid } from "../../api/status.ts";
import { parseYAML, YAMLSyntaxError } from "../../api/yaml.ts";
import type { Exchange } from "../exchange.ts";
import { booleanParameter, integerParameter } from "../query-values.ts";
import { bodyMediaType } from "../representation/accept.ts";
import { unwrap } from "../representation/protobuf.ts";
import { validateDryRun } from "../write-options.ts";
import { BODY_LIMIT } from "./decode-body.ts";
import type { Preconditions } from "./guaranteed-update.ts";

export interface DeleteOptions {
  gracePeriodSeconds?: number;
  orphanDependents?: boolean;
  propagationPolicy?: string;
  preconditions?: Preconditions;
  dryRun: readonly string[];
}

const POLICIES = ["Foreground", "Background", "Orphan"];

function fromQuery(query: URLSearchParams): DeleteOptions {
  const options: DeleteOptions = { dryRun: query.getAll("dryRun") };
  const grace = integerParameter(query, "gracePeriodSeconds");
  if (grace !== undefined) options.gracePeriodSeconds = grace;
  const orphan = booleanParameter(query, "orphanDependents");
  if (orphan !== undefined) options.orphanDependents = orphan;
  const policy = query.get("propagationPolicy");
  if (policy !== null) options.propagationPolicy = policy;
  return options;
}

/** The value of a field when it has the type wanted; throws 400 when it has another one. null counts as absent. */
function typed<T>(value: JSONValue | undefined, field: string, goType: string, fits: (value: unknown) => value is T) {
  if (value === undefined || value === null) return undefined;
  if (fits(value)) return value;
  const found = Array.isArray(value)
    ? "array"
    : isObject(value)
      ? "object"
      : value === true || value === false
        ? "bool"
        : typeof value;
  throw badRequest(`json: cannot unmarshal ${found} into Go struct field DeleteOptions.${field} of type ${goType}`);
}

const isString = (value: unknown): value is string => typeof value === "string";
const isBoolean = (value: unknown): value is boolean => typeof value === "boolean";
const isInteger = (value: unknown): value is number => Number.isSafeInteger(value);
const isStrings = (value: unknown): value is string[] => Array.isArray(value) && value.every(isString);

function fromValue(value: JSONValue): DeleteOptions {
  if (value === null) return fromValue({});
  if (!isObject(value)) throw badRequest("json: cannot unmarshal into Go value of type v1.DeleteOptions");
  const kind = typed(value["kind"], "kind", "string", isString) ?? "DeleteOptions";
  if (kind !== "DeleteOptions") throw badRequest("decoded object cannot be converted to DeleteOptions");
  const options: DeleteOptions = { dryRun: typed(value["dryRun"], "dryRun", "[]string", isStrings) ?? [] };
  const grace = typed(value["gracePeriodSeconds"], "gracePeriodSeconds", "int64", isInteger);
  if (grace !== undefined) options.gracePeriodSeconds = grace;
  const orphan = typed(value["orphanDependents"], "orphanDependents", "bool", isBoolean);
  if (orphan !== undefined) options.orphanDependents = orphan;
  const policy = typed(value["propagationPolicy"], "propagationPolicy", "v1.DeletionPropagation", isString);
  if (policy !== undefined) options.propagationPolicy = policy;
  const given = typed(value["preconditions"], "preconditions", "v1.Preconditions", isObject);
  if (given !== undefined) {
    const uid = typed(given["uid"], "preconditions.uid", "types.UID", isString);
    const resourceVersion = typed(given["resourceVersion"], "preconditions.resourceVersion", "string", isString);
    options.preconditions = {
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
    };
  }
  return options;
}

/** gracePeriodSeconds=1, preconditions=2{uid=1, resourceVersion=2}, orphanDependents=3, propagationPolicy=4, dryRun=5. */
function fromProtobuf(body: Uint8Array): DeleteOptions {
  if (body[0] !== 0x6b || body[1] !== 0x38 || body[2] !== 0x73 || body[3] !== 0) {
    throw badRequest("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
  }
  const dryRun: string[] = [];
  const options: DeleteOptions = { dryRun };
  try {
    const reader = new BinaryReader(unwrap(body));
    while (reader.pos < reader.len) {
      const [field, wire] = reader.tag();
      if (field === 1) options.gracePeriodSeconds = Number(reader.int64());
      else if (field === 2) {
        const preconditions: { uid?: string; resourceVersion?: string } = {};
        const inner = new BinaryReader(reader.bytes());
        while (inner.pos < inner.len) {
          const [innerField, innerWire] = inner.tag();
          if (innerField === 1) preconditions.uid = inner.string();
          else if (innerField === 2) preconditions.resourceVersion = inner.string();
          else inner.skip(innerWire);
        }
        options.preconditions = preconditions;
      } else if (field === 3) options.orphanDependents = reader.bool();
      else if (field === 4) options.propagationPolicy = reader.string();
      else if (field === 5) dryRun.push(reader.string());
      else reader.skip(wire);
    }
  } catch (error) {
    throw badRequest(`proto: DeleteOptions: ${error instanceof Error ? error.message : "wiretype end group"}`);
  }
  return options;
}

function fromBody(body: Uint8Array, mediaType: string): DeleteOptions {
  if (mediaType === "application/vnd.kubernetes.protobuf") return fromProtobuf(body);
  try {
    if (mediaType === "application/yaml") return fromValue(parseYAML(body).value);
    return fromValue(parseJSON(body).value);
  } catch (error) {
    if (error instanceof JSONSyntaxError)
      throw badRequest(`couldn't get version/kind; json parse error: ${error.message}`);
    if (error instanceof YAMLSyntaxError) throw badRequest(`error converting YAML to JSON: ${error.message}`);
    throw error;
  }
}

function validate(options: DeleteOptions): FieldError[] {
  const errors: FieldError[] = [];
  const { orphanDependents, propagationPolicy } = options;
  if (orphanDependents !== undefined && propagationPolicy !== undefined) {
    const detail = "orphanDependents and deletionPropagation cannot be both set";
    errors.push(invalidValue("propagationPolicy", propagationPolicy, detail));
  }
  if (propagationPolicy !== undefined && !POLICIES.includes(propagationPolicy)) {
    errors.push(notSupported("propagationPolicy", propagationPolicy, [...POLICIES, "nil"]));
  }
  errors.push(...validateDryRun(options.dryRun));
  return errors;
}

function checked(options: DeleteOptions): DeleteOptions {
  const errors = validate(options);
  if (errors.length > 0) throw invalid({ group: "meta.k8s.io", kind: "DeleteOptions" }, "", errors);
  return options;
}

/** Throws 400 for what cannot be read, 422 for what must not be combined. */
export async function decodeDeleteOptions(exchange: Exchange): Promise<DeleteOptions> {
  const body = await exchange.body.bytes(BODY_LIMIT);
  return checked(body.length > 0 ? fromBody(body, bodyMediaType(exchange)) : fromQuery(exchange.query));
}

/** The options another object holds (an Eviction). Throws as `decodeDeleteOptions`, and 400 for dry-runs that differ from the request's. */
export function embeddedDeleteOptions(value: JSONValue | undefined, dryRun: readonly string[]): DeleteOptions {
  const options = fromValue(value ?? null);
  if (dryRun.length > 0) {
    if (options.dryRun.length === 0) options.dryRun = dryRun;
    else if (options.dryRun.join() !== dryRun.join()) {
      const [asked, held] = [dryRun, options.dryRun].map((one) => `[${one.join(" ")}]`);
      throw badRequest(`Non-matching dry-run options in request and content: ${asked} and ${held}`);
    }
  }
  return checked(options);
}
