/** One service-backed APIService as the aggregator knows it: where it leads, whether it answers, what it said it serves. */
import { Buffer } from "node:buffer";
import { Bulkhead, type BulkheadOptions, type ClientCertificate, type TargetTLS } from "../dial/index.ts";
import type { APIService } from "../kinds/generated/types.ts";
import type { DiscoveryResource } from "../server/routes.ts";
import { type Availability, availableCondition, nameOf, type ServiceTarget, serviceOf } from "./api-service.ts";
import type { DiscoveryState } from "./stages.ts";

export interface RemoteOptions {
  /** The proxy's own certificate, as it is now. */
  readonly clientCertificate?: () => ClientCertificate | undefined;
  /** PEM, trusted beside the system's roots where an APIService brings no bundle. */
  readonly defaultCA?: () => string | undefined;
  readonly bulkhead?: BulkheadOptions;
}

/** What one check found out. Both absent: the server answered. */
export interface CheckOutcome {
  /** What is missing before a connection can be tried. */
  readonly obstacle?: Availability;
  readonly failure?: Error;
}

export class RemoteService {
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly bulkhead: Bulkhead;
  /** As found by this process; undefined until the first check. */
  availability: Availability | undefined;
  /** What clients are shown. */
  resources: readonly DiscoveryResource[] = [];
  fresh = false;
  /** What it served when it last answered. */
  lastKnown: readonly DiscoveryResource[] = [];
  /** Whether discovery was tried at all. */
  tried = false;
  /** The hash of its OpenAPI v3 document; undefined when it has none. */
  openapiHash: string | undefined;
  /** Whether discovery, when it was last read, listed this group and version. */
  served = false;
  /** Why discovery could not be read; undefined when it could, or was not tried. */
  discoveryError: unknown;
  /** What the last check found out. */
  outcome: CheckOutcome | undefined;
  /** The object, as last seen. */
  object: APIService;
  readonly #options: RemoteOptions;
  #tls:
    | { readonly value: TargetTLS; readonly bundle: string; readonly certificate: unknown; readonly ca: unknown }
    | undefined;

  constructor(object: APIService, options: RemoteOptions) {
    this.name = nameOf(object);
    this.group = object.spec.group ?? "";
    this.version = object.spec.version ?? "";
    this.object = object;
    this.#options = options;
    this.bulkhead = new Bulkhead(options.bulkhead);
  }

  get service(): ServiceTarget {
    return serviceOf(this.object) ?? { namespace: "", name: "", port: 443 };
  }

  /** What this process found counts; before its first check, what the object says. */
  get available(): boolean {
    return (this.availability?.status ?? availableCondition(this.object)?.status) === "True";
  }

  /** `/apis/<group>/<version>`, for the legacy group `/api/<version>`. */
  get root(): string {
    return this.name === "v1." ? `/api/${this.version}` : `/apis/${this.group}/${this.version}`;
  }

  /** What is known of discovery. */
  get discovery(): DiscoveryState {
    if (!this.tried) return { state: "untried" };
    if (!this.fresh) return { state: "failed", error: this.discoveryError };
    return { state: this.served ? "valid" : "unserved" };
  }

  /** Rules for connections made now: a new certificate or bundle counts from the next request on. */
  get tls(): TargetTLS {
    const { namespace, name } = this.service;
    const serverName = `${name}.${namespace}.svc`;
    const certificate = this.#options.clientCertificate?.();
    const ca = this.#options.defaultCA?.();
    const bundle = this.object.spec.caBundle ?? "";
    const known = this.#tls;
    const same =
      known !== undefined &&
      known.value.serverName === serverName &&
      known.bundle === bundle &&
      known.certificate === certificate &&
      known.ca === ca &&
      known.value.insecureSkipVerify === (this.object.spec.insecureSkipTLSVerify === true);
    if (same) return known.value;
    const value: TargetTLS = {
      serverName,
      insecureSkipVerify: this.object.spec.insecureSkipTLSVerify === true,
      clientCertificate: certificate,
      ...(bundle !== "" && { caBundle: Buffer.from(bundle, "base64").toString("utf8") }),
      ...(ca !== undefined && { defaultCA: ca }),
    };
    this.#tls = { value, bundle, certificate, ca };
    return value;
  }
}
