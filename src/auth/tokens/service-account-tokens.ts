/** Checks service-account tokens: signature, issuer, audience, time, and that whatever the token is bound to still exists (spec: apiserver 10.2). */
import { createPublicKey, type KeyObject, timingSafeEqual } from "node:crypto";
import type { Clock } from "../../api/clock.ts";
import type { KubeObject } from "../../api/meta.ts";
import type { Lister } from "../../client/lister.ts";
import type { TokenAuthenticator, TokenIdentity, UserInfo } from "../../server/identity.ts";
import { CREDENTIAL_ID } from "../delegated/client-certificate.ts";
import { newExtra } from "../delegated/headers.ts";
import { serviceAccount } from "../impersonation.ts";
import { algorithmOf, keyID } from "./service-account-issuer.ts";

export const LEGACY_ISSUER = "kubernetes/serviceaccount";
/** Seconds that clocks may differ, and that a deleted object still counts. */
const LEEWAY = 60;

export interface ServiceAccountTokenOptions {
  /** Accepted issuers; the first one signs. */
  readonly issuers: readonly string[];
  /** Public (or private) keys, any of which may have signed. */
  readonly keys: readonly KeyObject[];
  /** Who this server is. */
  readonly audiences: readonly string[];
  readonly clock: Clock;
  readonly serviceAccounts: Lister;
  /** A token bound to a kind without a lister is refused. */
  readonly secrets?: Lister;
  readonly pods?: Lister;
  readonly nodes?: Lister;
}

interface Key {
  readonly id: string;
  readonly algorithm: string;
  readonly key: KeyObject;
}

type Claims = Readonly<Record<string, unknown>>;

/** Bound tokens, and the old kind that lives in secrets. Not its own: any token of another issuer. */
export function serviceAccountTokens(options: ServiceAccountTokenOptions): TokenAuthenticator {
  const keys: Key[] = options.keys.map((given) => {
    const key = given.type === "private" ? createPublicKey(given) : given;
    return { id: keyID(key), algorithm: algorithmOf(key), key };
  });
  return {
    async authenticateToken(token, audiences): Promise<TokenIdentity | undefined> {
      const issuer = unverifiedIssuer(token);
      const legacy = issuer === LEGACY_ISSUER;
      if (issuer === undefined || (!legacy && !options.issuers.includes(issuer))) return undefined;
      const claims = await verifiedClaims(token, keys);
      if (claims["iss"] !== issuer) throw new Error("token issuer changed under verification");

      const wanted = audiences.length > 0 ? audiences : options.audiences;
      const named = textList(claims["aud"]);
      const own = named.length > 0 ? named : options.audiences; // tokens of old name no audience
      const common = own.filter((audience) => wanted.includes(audience));
      if (common.length === 0 && options.audiences.length > 0)
        throw new Error(`token audiences ${printList(own)} is invalid for the target audiences ${printList(wanted)}`);

      const user = legacy ? legacyUser(token, claims, options) : boundUser(claims, options);
      return { user, audiences: common };
    },
  };
}

/** The `iss` claim of something shaped like a JWT, before anything is believed. */
function unverifiedIssuer(token: string): string | undefined {
  const parts = token.split(".", 4);
  if (parts.length !== 3) return undefined;
  const claims = parseClaims(Buffer.from(parts[1]!, "base64url"));
  return typeof claims?.["iss"] === "string" ? claims["iss"] : undefined;
}

function parseClaims(bytes: Uint8Array): Claims | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return value !== null && typeof value === "object" && !Array.isArray(value) ? (value as Claims) : undefined;
  } catch {
    return undefined;
  }
}

async function verifiedClaims(token: string, keys: readonly Key[]): Promise<Claims> {
  // Loaded with the first token: not every start sees one.
  const { compactVerify, decodeProtectedHeader } = await import("jose");
  let kid: unknown;
  try {
    kid = decodeProtectedHeader(token).kid;
  } catch {
    throw new Error("invalid token header");
  }
  const candidates = typeof kid === "string" && kid !== "" ? keys.filter((key) => key.id === kid) : keys;
  if (candidates.length === 0) throw new Error("invalid signature, no keys found");
  for (const { key, algorithm } of candidates) {
    try {
      // The key decides the algorithm, never the token.
      const { payload } = await compactVerify(token, key, { algorithms: [algorithm] });
      const claims = parseClaims(payload);
      if (claims !== undefined) return claims;
    } catch {
      // The next key may be the one.
    }
  }
  throw new Error("invalid signature");
}

function boundUser(claims: Claims, options: ServiceAccountTokenOptions): UserInfo {
  const now = options.clock.now() / 1000;
  const at = (name: string) => {
    const value = claims[name];
    if (value !== undefined && typeof value !== "number")
      throw new Error("service account token claims could not be validated");
    return value;
  };
  if (now + LEEWAY < (at("nbf") ?? Number.NEGATIVE_INFINITY)) throw new Error("service account token is not valid yet");
  if (now - LEEWAY > (at("exp") ?? Number.POSITIVE_INFINITY)) throw new Error("service account token has expired");
  if (now + LEEWAY < (at("iat") ?? Number.NEGATIVE_INFINITY))
    throw new Error("service account token is issued in the future");

  const kubernetes = record(claims["kubernetes.io"]) ?? {};
  const namespace = text(kubernetes["namespace"]);
  const account = reference(kubernetes["serviceaccount"]);
  const deletedBefore = (now - LEEWAY) * 1000;
  const subject = options.serviceAccounts.get(account.name, namespace);
  if (subject === undefined) throw new Error(`serviceaccounts ${JSON.stringify(account.name)} not found`);
  if (subject.metadata.uid !== account.uid)
    throw new Error(`service account UID (${subject.metadata.uid}) does not match claim (${account.uid})`);
  if (isGone(subject, deletedBefore)) throw new Error(`service account ${namespace}/${account.name} has been deleted`);

  const alive = (lister: Lister | undefined, kind: string, claim: string, bound: Reference, home?: string) => {
    const object = lister?.get(bound.name, home);
    if (object === undefined) throw new Error("service account token has been invalidated");
    if (object.metadata.uid !== bound.uid)
      throw new Error(
        `${kind} UID (${object.metadata.uid}) does not match service account ${claim} ref claim (${bound.uid})`,
      );
    if (isGone(object, deletedBefore)) throw new Error("service account token has been invalidated");
  };
  const extra = newExtra();
  const secret = record(kubernetes["secret"]);
  if (secret !== undefined) alive(options.secrets, "secret", "secret", reference(secret), namespace);
  const jti = text(claims["jti"]);
  if (jti !== "") extra[CREDENTIAL_ID] = [`JTI=${jti}`];
  const pod = record(kubernetes["pod"]);
  const node = record(kubernetes["node"]);
  if (node !== undefined) {
    const bound = reference(node);
    // Beside a pod the node is only told; alone it is what the token is bound to.
    if (pod === undefined) alive(options.nodes, "node", "node", bound);
    if (bound.name !== "") extra["authentication.kubernetes.io/node-name"] = [bound.name];
    if (bound.uid !== "") extra["authentication.kubernetes.io/node-uid"] = [bound.uid];
  }
  if (pod !== undefined) {
    const bound = reference(pod);
    alive(options.pods, "pod", "pod", bound, namespace);
    extra["authentication.kubernetes.io/pod-name"] = [bound.name];
    extra["authentication.kubernetes.io/pod-uid"] = [bound.uid];
  }
  return { ...serviceAccountUser(namespace, account.name, account.uid), extra };
}

function legacyUser(token: string, claims: Claims, options: ServiceAccountTokenOptions): UserInfo {
  const prefix = "kubernetes.io/serviceaccount/";
  const claim = (name: string, label: string) => {
    const value = text(claims[`${prefix}${name}`]);
    if (value === "") throw new Error(`${label} claim is missing`);
    return value;
  };
  if (text(claims["sub"]) === "") throw new Error("sub claim is missing");
  const namespace = claim("namespace", "namespace");
  const secretName = claim("secret.name", "secretName");
  const name = claim("service-account.name", "serviceAccountName");
  const uid = claim("service-account.uid", "serviceAccountUID");
  const subject = serviceAccount(text(claims["sub"]));
  if (subject?.namespace !== namespace || subject.name !== name) throw new Error("sub claim is invalid");

  const secret = options.secrets?.get(secretName, namespace);
  if (secret === undefined || secret.metadata.deletionTimestamp) throw new Error("Token has been invalidated");
  const stored = Buffer.from(text(record(secret["data"])?.["token"]), "base64");
  const given = Buffer.from(token);
  if (stored.length !== given.length || !timingSafeEqual(stored, given))
    throw new Error("Token does not match server's copy");
  if (secret.metadata.labels?.["kubernetes.io/legacy-token-invalid-since"])
    throw new Error(
      `the token in secret ${namespace}/${secretName} for service account ${namespace}/${name} has been marked invalid`,
    );
  const account = options.serviceAccounts.get(name, namespace);
  if (account === undefined) throw new Error(`serviceaccounts ${JSON.stringify(name)} not found`);
  if (account.metadata.deletionTimestamp) throw new Error(`ServiceAccount ${namespace}/${name} has been deleted`);
  if (account.metadata.uid !== uid)
    throw new Error(`ServiceAccount UID (${account.metadata.uid}) does not match claim (${uid})`);
  return serviceAccountUser(namespace, name, uid);
}

/** Who a service account is to everybody else. */
export function serviceAccountUser(namespace: string, name: string, uid: string): UserInfo {
  return {
    name: `system:serviceaccount:${namespace}:${name}`,
    uid,
    groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`],
    extra: newExtra(),
  };
}

interface Reference {
  readonly name: string;
  readonly uid: string;
}

const text = (value: unknown) => (typeof value === "string" ? value : "");
const record = (value: unknown) =>
  value !== null && typeof value === "object" && !Array.isArray(value) ? (value as Claims) : undefined;
const textList = (value: unknown): string[] =>
  typeof value === "string" ? [value] : Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
const printList = (values: readonly string[]) => `[${values.map((value) => JSON.stringify(value)).join(" ")}]`;

function reference(value: unknown): Reference {
  const fields = record(value);
  return { name: text(fields?.["name"]), uid: text(fields?.["uid"]) };
}

function isGone(object: KubeObject, deletedBefore: number): boolean {
  const { deletionTimestamp } = object.metadata;
  return typeof deletionTimestamp === "string" && Date.parse(deletionTimestamp) < deletedBefore;
}
