/** Users by client certificate: the common name is the user, the organizations are the groups (spec: apiserver 10.1). */
import { createHash } from "node:crypto";
import type { UserInfo } from "../../server/identity.ts";
import { CertificateError, parseSubject, type TrustPool, type Verdict, type VerifiedChain } from "../pki/index.ts";
import { newExtra } from "./headers.ts";
import type { Answer, AuthenticationMethod } from "./union.ts";

export const CREDENTIAL_ID = "authentication.kubernetes.io/credential-id";

const users = new WeakMap<VerifiedChain, UserInfo | undefined>();

/** `pool` is asked for each request; undefined switches the method off. */
export function clientCertificateAuthenticator(pool: () => TrustPool | undefined): AuthenticationMethod {
  return {
    authenticate(exchange) {
      if (exchange.peer.certificates.length === 0) return undefined;
      const verified = pool()?.verify(exchange.peer);
      return verified instanceof Promise ? verified.then(userOf) : userOf(verified);
    },
  };
}

function userOf(chain: Verdict): Answer {
  if (chain === undefined || chain instanceof Error) return chain;
  if (users.has(chain)) return users.get(chain);
  const { commonName, organizations, uids } = parseSubject(chain.leaf);
  let user: UserInfo | undefined;
  if (commonName !== "") {
    if (uids.length > 1) throw new CertificateError(`expected 1 UID, but found multiple: [${uids.join(" ")}]`);
    if (uids[0] === "") throw new CertificateError("UID cannot be an empty string");
    const extra = newExtra();
    extra[CREDENTIAL_ID] = [`X509SHA256=${createHash("sha256").update(chain.leaf.raw).digest("hex")}`];
    user = { name: commonName, uid: uids[0] ?? "", groups: organizations, extra };
  }
  users.set(chain, user);
  return user;
}
