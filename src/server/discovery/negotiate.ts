/** Which form of a discovery document a client asks for (spec: aggregation 4.3). */
import { notAcceptable } from "../../api/status.ts";
import type { Exchange } from "../exchange.ts";

export type DiscoveryForm = {
  readonly aggregated: boolean;
  readonly mediaType: "application/json" | "application/yaml" | "application/vnd.kubernetes.protobuf";
};

const TYPES = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"] as const;

/** Clauses by q, stable; the first that can be had wins. Throws 406 when none can. `aggregation`: the path has that form. */
export function negotiateDiscovery(exchange: Exchange, aggregation: boolean, protobuf: boolean): DiscoveryForm {
  const header = exchange.header("accept")?.trim() ?? "";
  if (header === "") return { aggregated: false, mediaType: "application/json" };
  const offered = protobuf ? TYPES : TYPES.slice(0, 2);
  for (const clause of clausesOf(header)) {
    const mediaType = offered.find((type) => covers(clause.range, type));
    if (mediaType === undefined) continue;
    const as = clause.parameters.get("as");
    if (as === undefined) return { aggregated: false, mediaType };
    const wanted =
      as === "APIGroupDiscoveryList" &&
      clause.parameters.get("g") === "apidiscovery.k8s.io" &&
      clause.parameters.get("v") === "v2";
    if (wanted && aggregation && mediaType !== "application/yaml") return { aggregated: true, mediaType };
  }
  throw notAcceptable(offered);
}

interface Clause {
  readonly range: string;
  readonly quality: number;
  readonly parameters: ReadonlyMap<string, string>;
}

function clausesOf(header: string): Clause[] {
  const clauses = header
    .split(",", 64)
    .map((part) => {
      const [range = "", ...rest] = part.split(";").map((piece) => piece.trim());
      const parameters = new Map(
        rest.map((piece): [string, string] => {
          const equals = piece.indexOf("=");
          return equals < 0 ? [piece, ""] : [piece.slice(0, equals), piece.slice(equals + 1)];
        }),
      );
      const quality = Number(parameters.get("q") ?? 1);
      return { range: range.toLowerCase(), quality: Number.isNaN(quality) ? 1 : quality, parameters };
    })
    .filter(({ range, quality }) => range !== "" && quality > 0);
  return clauses.sort((a, b) => b.quality - a.quality);
}

function covers(range: string, mediaType: string): boolean {
  return range === "*/*" || range === "*" || range === mediaType || range === "application/*";
}
