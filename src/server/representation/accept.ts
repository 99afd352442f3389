/** Content negotiation: which media type, which transform and whether indented, from the Accept header and the query (spec: apiserver 6.1, 6.2). */
import type { BodyMediaType } from "../../api/codec.ts";
import { notAcceptable, StatusError, unsupportedMediaType } from "../../api/status.ts";
import type { Exchange } from "../exchange.ts";

export const JSON_TYPE = "application/json";
export const YAML_TYPE = "application/yaml";
export const PROTOBUF_TYPE = "application/vnd.kubernetes.protobuf";

export type Transform = "Table" | "PartialObjectMetadata" | "PartialObjectMetadataList";

/** What the response will look like. */
export interface Representation {
  readonly mediaType: BodyMediaType;
  /** JSON with two spaces of indentation. */
  readonly pretty: boolean;
  readonly as: Transform | undefined;
  /** The version of meta.k8s.io asked for with `as`; "v1" without. */
  readonly asVersion: "v1" | "v1beta1";
}

/** What an endpoint can produce. */
export interface Offer {
  /** In the order of the 406 message. */
  readonly mediaTypes: readonly BodyMediaType[];
  /** Media types for which the object's own form exists; a type that is only good for PartialObjectMetadata is missing here. */
  readonly plain?: readonly BodyMediaType[];
  readonly table: boolean;
  readonly partial: boolean;
  /** For a watch: refused when the best of what is asked for cannot be framed. */
  readonly stream?: boolean;
}

interface Clause {
  readonly type: string;
  readonly subtype: string;
  readonly quality: number;
  readonly parameters: ReadonlyMap<string, string>;
}

export const ALL_MEDIA_TYPES: readonly BodyMediaType[] = [JSON_TYPE, YAML_TYPE, PROTOBUF_TYPE];

/** The clauses of an Accept header, best first: by q, then by how specific they are, then as written. */
function parseAccept(header: string): Clause[] {
  const clauses: Clause[] = [];
  for (const part of header.split(",").slice(0, 64)) {
    const [range = "", ...rest] = part.split(";");
    const slash = range.indexOf("/");
    const trimmed = range.trim();
    if (trimmed === "") continue;
    const type = slash < 0 ? trimmed : range.slice(0, slash).trim();
    const subtype = slash < 0 ? (trimmed === "*" ? "*" : "") : range.slice(slash + 1).trim();
    if (subtype === "") continue;
    const parameters = new Map<string, string>();
    let quality = 1;
    for (const item of rest) {
      const equals = item.indexOf("=");
      const name = (equals < 0 ? item : item.slice(0, equals)).trim();
      const value = equals < 0 ? "" : item.slice(equals + 1).trim();
      if (name === "q") quality = Number.isNaN(Number.parseFloat(value)) ? 1 : Number.parseFloat(value);
      else parameters.set(name, value);
    }
    clauses.push({ type: type.toLowerCase(), subtype: subtype.toLowerCase(), quality, parameters });
  }
  const rank = (clause: Clause) => (clause.type === "*" ? 2 : clause.subtype === "*" ? 1 : 0);
  return clauses.sort((a, b) => b.quality - a.quality || rank(a) - rank(b));
}

function covers(clause: Clause, mediaType: string): boolean {
  if (clause.type === "*" && clause.subtype === "*") return true;
  const slash = mediaType.indexOf("/");
  if (clause.type !== mediaType.slice(0, slash)) return false;
  return clause.subtype === "*" || clause.subtype === mediaType.slice(slash + 1);
}

const truthy = (text: string | null | undefined) => text === "1" || text === "true";

function wantsPretty(exchange: Exchange): boolean {
  const asked = exchange.query.get("pretty");
  if (asked !== null && asked !== "") return truthy(asked);
  const agent = exchange.header("user-agent") ?? "";
  return agent.startsWith("curl") || agent.startsWith("Wget") || agent.startsWith("Mozilla/5.0");
}

/** Whether the endpoint has what this clause asks for in this media type; undefined when not. */
function satisfy(clause: Clause, mediaType: BodyMediaType, offer: Offer, pretty: boolean): Representation | undefined {
  const as = clause.parameters.get("as");
  const indented = pretty || truthy(clause.parameters.get("pretty"));
  if (as === undefined || as === "") {
    if (clause.parameters.get("sv")) return undefined;
    if (!(offer.plain ?? offer.mediaTypes).includes(mediaType)) return undefined;
    return { mediaType, pretty: indented, as: undefined, asVersion: "v1" };
  }
  const version = clause.parameters.get("v");
  if (clause.parameters.get("g") !== "meta.k8s.io" || (version !== "v1" && version !== "v1beta1")) return undefined;
  if (as === "Table") {
    if (!offer.table || mediaType === PROTOBUF_TYPE) return undefined;
  } else if (as === "PartialObjectMetadata" || as === "PartialObjectMetadataList") {
    if (!offer.partial) return undefined;
  } else return undefined;
  return { mediaType, pretty: indented, as, asVersion: version };
}

/** What upstream's router says on routes of built-in kinds when the Accept header names nothing it knows. */
const ROUTER_REFUSAL = `406: Not Acceptable\n\nAvailable representations: ${[
  ...ALL_MEDIA_TYPES,
  "application/json;stream=watch",
  "application/vnd.kubernetes.protobuf;stream=watch",
].join(", ")}`;

/** Throws 406 when no clause can be satisfied. */
export function negotiate(exchange: Exchange, offer: Offer): Representation {
  const header = exchange.header("accept") ?? "";
  const pretty = wantsPretty(exchange);
  if (header.trim() === "") return { mediaType: JSON_TYPE, pretty, as: undefined, asVersion: "v1" };
  const clauses = parseAccept(header);
  for (const clause of clauses) {
    for (const mediaType of offer.mediaTypes) {
      if (!covers(clause, mediaType)) continue;
      const found = satisfy(clause, mediaType, offer, pretty);
      if (found === undefined) continue;
      if (offer.stream && mediaType === YAML_TYPE) throw notAcceptable(framed(offer.mediaTypes));
      return found;
    }
  }
  const known = (clause: Clause) => offer.mediaTypes.some((mediaType) => covers(clause, mediaType));
  if (offer.plain === undefined && offer.mediaTypes.includes(PROTOBUF_TYPE) && !clauses.some(known)) {
    throw new StatusError(406, "NotAcceptable", ROUTER_REFUSAL, {});
  }
  throw notAcceptable(offer.mediaTypes);
}

const framed = (mediaTypes: readonly BodyMediaType[]) =>
  mediaTypes.filter((type) => type !== YAML_TYPE).map((type) => `${type};stream=watch`);

/** What a Status is written in: the media type of the request when it is asked for without a transform, else JSON for people. */
export function negotiateStatus(exchange: Exchange): { mediaType: BodyMediaType; pretty: boolean } {
  try {
    return negotiate(exchange, { mediaTypes: ALL_MEDIA_TYPES, table: false, partial: false });
  } catch {
    return { mediaType: JSON_TYPE, pretty: true };
  }
}

/** The parameters of a media type; what is malformed makes the whole header so. */
const PARAMETERS =
  /^(?:\s*;\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+=(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+|"(?:[^"\\]|\\.)*"))*\s*;?\s*$/;

/** The media type of the request's body; absent means JSON. Throws 415. */
export function bodyMediaType(exchange: Exchange, accepted: readonly BodyMediaType[] = ALL_MEDIA_TYPES): BodyMediaType {
  const header = exchange.header("content-type");
  if (header === undefined || header === "") return JSON_TYPE;
  const cut = header.indexOf(";");
  const bare = (cut < 0 ? header : header.slice(0, cut)).trim().toLowerCase();
  const found = accepted.find((mediaType) => mediaType === bare);
  if (found === undefined || (cut >= 0 && !PARAMETERS.test(header.slice(cut)))) throw unsupportedMediaType(accepted);
  return found;
}
