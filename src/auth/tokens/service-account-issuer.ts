/** Issues service-account tokens: signed JWTs, bound to an account and perhaps to a pod, a secret or a node (spec: apiserver 10.2). */
import { createHash, createPublicKey, type KeyObject } from "node:crypto";
import type { Clock, Random } from "../../api/clock.ts";

export interface BoundReference {
  readonly name: string;
  readonly uid: string;
}

export interface TokenGrant {
  readonly namespace: string;
  readonly serviceAccount: BoundReference;
  readonly audiences: readonly string[];
  readonly expirationSeconds: number;
  readonly pod?: BoundReference;
  readonly secret?: BoundReference;
  /** Of a pod-bound token: where the pod runs; its uid may be unknown (""). */
  readonly node?: BoundReference;
  /** Seconds after which use of the token is only worth a warning. */
  readonly warnAfterSeconds?: number;
}

export interface TokenIssuer {
  readonly issuer: string;
  /** The token, whose `exp` is never before now + expirationSeconds. */
  issue(grant: TokenGrant): Promise<string>;
}

export interface IssuerOptions {
  /** The `iss` claim. */
  readonly issuer: string;
  readonly key: KeyObject;
  readonly clock: Clock;
  readonly random: Random;
}

/** The key id other servers know a public key by: SHA-256 of its SPKI, as upstream derives it. */
export function keyID(publicKey: KeyObject): string {
  return createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("base64url");
}

/** The one signature algorithm for a key. Throws a TypeError for keys that cannot sign tokens. */
export function algorithmOf(key: KeyObject): string {
  if (key.asymmetricKeyType === "rsa") return "RS256";
  const algorithm = { prime256v1: "ES256", secp384r1: "ES384", secp521r1: "ES512" }[
    key.asymmetricKeyDetails?.namedCurve ?? ""
  ];
  if (key.asymmetricKeyType !== "ec" || algorithm === undefined)
    throw new TypeError(
      `keys of type ${key.asymmetricKeyType} cannot sign tokens; use RSA or EC on P-256, P-384 or P-521`,
    );
  return algorithm;
}

export function tokenIssuer(options: IssuerOptions): TokenIssuer {
  const header = { alg: algorithmOf(options.key), kid: keyID(createPublicKey(options.key)) };
  const present = ({ name, uid }: BoundReference) => (uid === "" ? { name } : { name, uid });
  return {
    issuer: options.issuer,
    async issue(grant) {
      // Loaded with the first token: not every start makes one.
      const { SignJWT } = await import("jose");
      const now = Math.floor(options.clock.now() / 1000);
      const kubernetes = {
        namespace: grant.namespace,
        ...(grant.node !== undefined && { node: present(grant.node) }),
        ...(grant.pod !== undefined && { pod: present(grant.pod) }),
        ...(grant.secret !== undefined && { secret: present(grant.secret) }),
        serviceaccount: present(grant.serviceAccount),
        ...(grant.warnAfterSeconds !== undefined && { warnafter: now + grant.warnAfterSeconds }),
      };
      return new SignJWT({
        aud: [...grant.audiences],
        exp: now + grant.expirationSeconds,
        iat: now,
        iss: options.issuer,
        jti: options.random.uuid(),
        "kubernetes.io": kubernetes,
        nbf: now,
        sub: `system:serviceaccount:${grant.namespace}:${grant.serviceAccount.name}`,
      })
        .setProtectedHeader(header)
        .sign(options.key);
    },
  };
}
