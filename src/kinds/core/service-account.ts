/** ServiceAccount: an identity for processes; its `token` sub-resource is answered by who signs tokens. */
import { invalidValue } from "../../api/field-errors.ts";
import type { KubeObject } from "../../api/meta.ts";
import { dns1123Subdomain } from "../../api/names.ts";
import type { FieldError } from "../../api/status.ts";
import { invalid } from "../../api/status.ts";
import type { ResourceDefinition, Strategy, Subresource } from "../../server/resource.ts";
import { AGE_COLUMN, age, NAME_COLUMN } from "../columns.ts";
import { defineKind, type KindDeps, type SubresourceCreate } from "../define.ts";
import type { ServiceAccount, TokenRequest } from "../generated/types.ts";
import { codecFor } from "../tables.ts";

const MOUNTABLE_SECRETS = "kubernetes.io/enforce-mountable-secrets";
/** Seconds a token lives when nobody says. */
export const DEFAULT_TOKEN_SECONDS = 3600;
const MINIMUM_TOKEN_SECONDS = 600;
const MAXIMUM_TOKEN_SECONDS = 2 ** 32;

/** Only the name of a reference to a secret is kept. */
function cleanReferences(object: ServiceAccount): void {
  object.secrets = object.secrets?.map(({ name }) => (name === undefined ? {} : { name }));
}

const strategy: Strategy<ServiceAccount> = {
  returnsDeletedObject: true,
  prepareForCreate: cleanReferences,
  prepareForUpdate: cleanReferences,
  warningsOnCreate: (object) =>
    Object.hasOwn(object.metadata.annotations ?? {}, MOUNTABLE_SECRETS)
      ? [
          `metadata.annotations[${MOUNTABLE_SECRETS}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets`,
        ]
      : [],
};

/** Defaults of a TokenRequest. */
export function defaultTokenRequest(object: TokenRequest): void {
  object.spec ??= {} as TokenRequest["spec"];
  object.spec.expirationSeconds ??= DEFAULT_TOKEN_SECONDS;
}

/** The rules of a TokenRequest (spec: apiserver 10.2). */
export function validateTokenRequest(object: TokenRequest): FieldError[] {
  const seconds = object.spec.expirationSeconds ?? DEFAULT_TOKEN_SECONDS;
  const field = "spec.expirationSeconds";
  if (seconds < MINIMUM_TOKEN_SECONDS) {
    return [invalidValue(field, seconds, "may not specify a duration less than 10 minutes")];
  }
  return seconds > MAXIMUM_TOKEN_SECONDS
    ? [invalidValue(field, seconds, "may not specify a duration larger than 2^32 seconds")]
    : [];
}

const TOKEN_REQUEST = { group: "authentication.k8s.io", version: "v1", kind: "TokenRequest" };

function tokenSubresource(create: SubresourceCreate): Subresource<ServiceAccount> {
  return {
    name: "token",
    verbs: ["create"],
    kind: TOKEN_REQUEST,
    codec: codecFor(TOKEN_REQUEST),
    create(context, parent, body) {
      const request = body as KubeObject as TokenRequest;
      defaultTokenRequest(request);
      const errors = validateTokenRequest(request);
      if (errors.length > 0) throw invalid(TOKEN_REQUEST, request.metadata?.name ?? "", errors);
      return create(context, parent, body);
    },
  };
}

export function serviceAccounts(deps: Pick<KindDeps, "createToken">): ResourceDefinition<ServiceAccount> {
  return defineKind<ServiceAccount>({
    group: "",
    version: "v1",
    kind: "ServiceAccount",
    namespaced: true,
    shortNames: ["sa"],
    nameRule: dns1123Subdomain,
    strategy,
    subresources: deps.createToken === undefined ? [] : [tokenSubresource(deps.createToken)],
    table: {
      columns: [NAME_COLUMN, AGE_COLUMN],
      cells: (object, now) => [object.metadata.name ?? "", age(object, now)],
    },
  });
}
