/** The ConfigMap `kube-system/extension-apiserver-authentication`: what it says, how several writers agree on it (spec: aggregation 7.1). */

import * as der from "../pki/der.ts";
import { parseCertificates } from "../pki/index.ts";
import type { RequestHeaderConfig } from "./request-header.ts";

export const TRUST_NAMESPACE = "kube-system";
export const TRUST_NAME = "extension-apiserver-authentication";
/** Certificates go when they have been expired for this long, milliseconds. */
const EXPIRED_GRACE = 5 * 60_000;

export interface RequestHeaderTrust extends Omit<RequestHeaderConfig, "pool"> {
  /** PEM bundle. */
  readonly ca: string;
}

export interface TrustConfig {
  /** PEM bundle; undefined: no client certificates. */
  readonly clientCA: string | undefined;
  readonly requestHeader: RequestHeaderTrust | undefined;
}

/** Throws a TypeError for lists that are not JSON arrays of strings, a PKIError for certificates that are none. */
export function parseTrustConfig(data: Readonly<Record<string, string>>): TrustConfig {
  const clientCA = data["client-ca-file"] || undefined;
  const ca = data["requestheader-client-ca-file"] || undefined;
  const lists = {
    usernameHeaders: parseList(data, "requestheader-username-headers"),
    uidHeaders: parseList(data, "requestheader-uid-headers"),
    groupHeaders: parseList(data, "requestheader-group-headers"),
    extraHeaderPrefixes: parseList(data, "requestheader-extra-headers-prefix"),
    allowedNames: parseList(data, "requestheader-allowed-names"),
  };
  if (clientCA !== undefined) parseCertificates(clientCA, "client-ca-file");
  if (ca !== undefined) parseCertificates(ca, "requestheader-client-ca-file");
  return { clientCA, requestHeader: ca === undefined ? undefined : { ca, ...lists } };
}

function parseList(data: Readonly<Record<string, string>>, key: string): string[] {
  const text = data[key];
  if (text === undefined || text === "") return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (value === null) return [];
  if (!Array.isArray(value) || value.some((item) => typeof item !== "string"))
    throw new TypeError(`${key}: expected a JSON array of strings`);
  return value as string[];
}

/** The union of what is there and what is ours, theirs first; expired certificates go, the same certificate stays once. `now`: milliseconds. */
export function mergeTrustConfig(theirs: TrustConfig, ours: TrustConfig, now: number): TrustConfig {
  const a = theirs.requestHeader;
  const b = ours.requestHeader;
  const ca = mergeCertificates(a?.ca, b?.ca, now);
  const both = (list: keyof Omit<RequestHeaderTrust, "ca">) => [
    ...new Set([...(a?.[list] ?? []), ...(b?.[list] ?? [])]),
  ];
  return {
    clientCA: mergeCertificates(theirs.clientCA, ours.clientCA, now),
    requestHeader:
      ca === undefined
        ? undefined
        : {
            ca,
            usernameHeaders: both("usernameHeaders"),
            uidHeaders: both("uidHeaders"),
            groupHeaders: both("groupHeaders"),
            extraHeaderPrefixes: both("extraHeaderPrefixes"),
            allowedNames: both("allowedNames"),
          },
  };
}

function mergeCertificates(theirs: string | undefined, ours: string | undefined, now: number): string | undefined {
  const unique = new Map<string, string>();
  for (const bundle of [theirs, ours]) {
    if (bundle === undefined) continue;
    for (const certificate of parseCertificates(bundle)) {
      if (now - certificate.validToDate.getTime() > EXPIRED_GRACE) continue;
      unique.set(certificate.fingerprint512, der.pem("CERTIFICATE", certificate.raw));
    }
  }
  return unique.size === 0 ? undefined : [...unique.values()].join("");
}

/** The ConfigMap's data. */
export function printTrustConfig({ clientCA, requestHeader }: TrustConfig): Record<string, string> {
  const data: Record<string, string> = {};
  if (clientCA !== undefined) data["client-ca-file"] = clientCA;
  if (requestHeader === undefined) return data;
  data["requestheader-allowed-names"] = JSON.stringify(requestHeader.allowedNames);
  data["requestheader-client-ca-file"] = requestHeader.ca;
  data["requestheader-extra-headers-prefix"] = JSON.stringify(requestHeader.extraHeaderPrefixes);
  data["requestheader-group-headers"] = JSON.stringify(requestHeader.groupHeaders);
  if (requestHeader.uidHeaders.length > 0) data["requestheader-uid-headers"] = JSON.stringify(requestHeader.uidHeaders);
  data["requestheader-username-headers"] = JSON.stringify(requestHeader.usernameHeaders);
  return data;
}
