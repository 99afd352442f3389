/** Walks the chain of one APIService: claim, service, endpoints, route, TLS, identity, discovery, OpenAPI; stops at the broken link. */
import { availableCondition, serviceOf } from "../../aggregator/api-service.ts";
import { daysLeft, EXPIRING_DAYS, expiryOfBundle } from "../../aggregator/expiry.ts";
import { finding } from "../../aggregator/findings.ts";
import type { Clock } from "../../api/clock.ts";
import { hasReason } from "../../api/status.ts";
import { formatTime } from "../../api/time.ts";
import type { Client } from "../../client/client.ts";
import { type ClientCertificate, parseBundle, type TargetTLS, TransportError } from "../../dial/index.ts";
import type { APIService } from "../../kinds/generated/types.ts";
import { claimLink, findWay } from "./claim.ts";
import { connectionLinks } from "./connection.ts";
import { askDirectly, type Seen } from "./direct.ts";
import { discoveryLink, openapiLink } from "./documents.ts";
import { broken, type Link, ok, type Report, reportOf, unknown } from "./report.ts";
import { serverView } from "./server-view.ts";

export const APISERVICES = { group: "apiregistration.k8s.io", version: "v1", resource: "apiservices" };

export interface WalkOptions {
  readonly client: Client;
  readonly clock: Clock;
  /** The main server's own: with it the identity is checked from here too. */
  readonly clientCertificate?: ClientCertificate | undefined;
}

/** Throws what reading the APIService throws, except that there is none. */
export async function walk(name: string, options: WalkOptions): Promise<Report> {
  const apiServices = options.client.resource<APIService>(APISERVICES);
  try {
    return await walkFrom(await apiServices.get(name), options);
  } catch (error) {
    if (!hasReason(error, "NotFound")) throw error;
    const message = `there is no APIService ${name}: nobody claims this group and version`;
    return reportOf({ apiService: name, available: "Unknown" }, [
      broken("claim", "APIServiceNotFound", message, "create the APIService; its name is <version>.<group>"),
    ]);
  }
}

export async function walkFrom(apiService: APIService, options: WalkOptions): Promise<Report> {
  const condition = availableCondition(apiService);
  const { status = "Unknown", reason = "", lastTransitionTime } = condition ?? {};
  const head = {
    apiService: apiService.metadata.name ?? "",
    available: status === "True" || reason === "" ? status : `${status} (${reason})`,
    ...(typeof lastTransitionTime === "string" && { since: lastTransitionTime }),
  };
  if (serviceOf(apiService) === undefined) {
    const local = "the API server serves it itself";
    const unneeded = (["service", "endpoints", "route", "tls", "identity"] as const).map((link) =>
      unknown(link, "not needed"),
    );
    return reportOf(head, [ok("claim", local), ...unneeded, ...(await documents(apiService, options))]);
  }
  const way = await findWay(options.client, apiService);
  const links: Link[] = [claimLink(apiService), ...way.links];
  const isBroken = () => links.some(({ verdict }) => verdict === "broken");
  if (!isBroken()) links.push(...(await connection(apiService, way.addresses, options)));
  if (!isBroken()) links.push(...(await documents(apiService, options)));
  return reportOf(head, links);
}

async function documents(apiService: APIService, { client }: WalkOptions): Promise<Link[]> {
  const { group = "", version = "" } = apiService.spec;
  if (group === "") return [];
  const discovery = await discoveryLink(client, group, version, serverView(apiService));
  return discovery.verdict === "broken" ? [discovery] : [discovery, await openapiLink(client, group, version)];
}

async function connection(
  apiService: APIService,
  addresses: Parameters<typeof askDirectly>[0],
  { clock, clientCertificate }: WalkOptions,
): Promise<Link[]> {
  const { group, version, caBundle = "", insecureSkipTLSVerify = false } = apiService.spec;
  const { namespace, name } = serviceOf(apiService)!;
  const bundle = Buffer.from(caBundle ?? "", "base64").toString("utf8");
  const tls: TargetTLS = {
    serverName: `${name}.${namespace}.svc`,
    insecureSkipVerify: insecureSkipTLSVerify === true,
    ...(bundle !== "" && { caBundle: bundle }),
    ...(clientCertificate !== undefined && { clientCertificate }),
  };
  try {
    if (bundle !== "") parseBundle(bundle);
  } catch (error) {
    if (!(error instanceof TransportError)) throw error;
    const { reason, remedy } = finding("InvalidCABundle");
    return [unknown("route", "not tried: spec.caBundle cannot be used"), broken("tls", reason, error.message, remedy)];
  }
  const seen = await askDirectly(addresses, { clock, tls, path: `/apis/${group}/${version}` });
  return connectionLinks({
    view: serverView(apiService),
    seen,
    days: soonest(seen, clock.now()),
    warnings: warnings(seen, bundle, clock.now()),
    asProxy: clientCertificate !== undefined,
    hiddenRoots: bundle === "" && insecureSkipTLSVerify !== true,
    insecure: insecureSkipTLSVerify === true,
    serverName: tls.serverName,
  });
}

function soonest(seen: readonly Seen[], now: number): number | undefined {
  const ends = seen.flatMap(({ expires }) => expires ?? []);
  return ends.length === 0 ? undefined : daysLeft(Math.min(...ends), now);
}

/** Certificates that end soon, in words. */
function warnings(seen: readonly Seen[], bundle: string, now: number): string[] {
  const ends = seen.flatMap(({ address, expires }): [what: string, expires: number][] =>
    expires === undefined ? [] : [[`the certificate of ${address}`, expires]],
  );
  const roots = expiryOfBundle(bundle);
  if (roots !== undefined) ends.push(["the last authority in spec.caBundle", roots]);
  return ends
    .filter(([, expires]) => daysLeft(expires, now) < EXPIRING_DAYS)
    .map(([what, expires]) => `${what} ends at ${formatTime(expires)}, in ${daysLeft(expires, now)} days`);
}
