/** `serviceaccounts/<name>/token`: a new token for a service account (spec: apiserver 10.2). */
import type { KubeObject } from "../../api/meta.ts";
import { badRequest, conflict, type FieldError, internalError, invalid, notFound } from "../../api/status.ts";
import type { Lister } from "../../client/lister.ts";
import type { BoundObjectReference, TokenRequest } from "../../kinds/generated/types.ts";
import type { RequestContext } from "../../server/resource.ts";
import type { BoundReference, TokenIssuer } from "./service-account-issuer.ts";

/** What kubelets ask for; such tokens of pods live on for a year, with warnings. */
const PROJECTED_SECONDS = 3607;
const YEAR_SECONDS = 365 * 24 * 3600;

export interface TokenRequestOptions {
  readonly issuer: TokenIssuer;
  /** Who this server is; the audiences of a token that names none. */
  readonly audiences: readonly string[];
  /** Seconds; longer requests are cut to it. Default: no limit. */
  readonly maxExpirationSeconds?: number;
  readonly pods?: Lister;
  readonly secrets?: Lister;
  readonly nodes?: Lister;
}

/** The `create` of the sub-resource. Throws 400, 404, 409 and 422 StatusErrors with upstream's texts. */
export function tokenRequest(options: TokenRequestOptions) {
  return async (context: RequestContext, account: KubeObject, body: KubeObject): Promise<KubeObject> => {
    const request = body as TokenRequest;
    const gk = { group: "authentication.k8s.io", kind: "TokenRequest" };
    const { name, namespace } = context;
    const must = (field: string, value: string, what: string): FieldError => ({
      reason: "FieldValueInvalid",
      field,
      message: `Invalid value: ${JSON.stringify(value)}: must match the service account ${what} if specified`,
    });
    const metadata = request.metadata ?? {};
    if (metadata.name && metadata.name !== name)
      throw invalid(gk, name, [must("metadata.name", metadata.name, "name")]);
    if (metadata.namespace && metadata.namespace !== namespace)
      throw invalid(gk, name, [must("metadata.namespace", metadata.namespace, "namespace")]);
    const uid = account.metadata.uid ?? "";
    if (metadata.uid && metadata.uid !== uid)
      throw conflict(
        { group: gk.group, resource: gk.kind },
        name,
        `the UID in the token request (${metadata.uid}) does not match the UID of the service account (${uid})`,
      );
    const spec = request.spec ?? { audiences: null, expirationSeconds: null, boundObjectRef: null };
    const audiences = spec.audiences?.length ? spec.audiences : [...options.audiences];
    let seconds = Number(spec.expirationSeconds ?? 3600);
    const refuse = (why: string) =>
      invalid(gk, "", [
        { reason: "FieldValueInvalid", field: "spec.expirationSeconds", message: `Invalid value: ${seconds}: ${why}` },
      ]);
    if (seconds < 600) throw refuse("may not specify a duration less than 10 minutes");
    if (seconds > 2 ** 32) throw refuse("may not specify a duration larger than 2^32 seconds");

    const bound = spec.boundObjectRef ? boundObject(spec.boundObjectRef, name, namespace, options) : {};
    if (options.maxExpirationSeconds !== undefined && seconds > options.maxExpirationSeconds) {
      context.warn(`requested expiration of ${seconds} seconds shortened to ${options.maxExpirationSeconds} seconds`);
      seconds = options.maxExpirationSeconds;
    }
    const own = audiences.every((audience) => options.audiences.includes(audience));
    const extended = bound.pod !== undefined && seconds === PROJECTED_SECONDS && own;
    const now = context.clock.now();
    let token: string;
    try {
      token = await options.issuer.issue({
        namespace,
        serviceAccount: { name, uid },
        audiences,
        expirationSeconds: extended ? YEAR_SECONDS : seconds,
        ...(extended && { warnAfterSeconds: seconds }),
        ...bound,
      });
    } catch (error) {
      throw internalError(`failed to generate token: ${error instanceof Error ? error.message : String(error)}`);
    }
    const stamp = (milliseconds: number) => new Date(milliseconds).toISOString().replace(/\.\d+Z$/, "Z");
    return {
      kind: "TokenRequest",
      apiVersion: "authentication.k8s.io/v1",
      metadata: { ...metadata, name, namespace, uid, creationTimestamp: stamp(now) },
      spec: { ...spec, audiences, expirationSeconds: seconds },
      status: { token, expirationTimestamp: stamp(now + seconds * 1000) },
    };
  };
}

type Bound = { pod?: BoundReference; secret?: BoundReference; node?: BoundReference };

function boundObject(
  ref: BoundObjectReference,
  account: string,
  namespace: string,
  options: TokenRequestOptions,
): Bound {
  const find = (lister: Lister | undefined, resource: string, home?: string): KubeObject => {
    const object = lister?.get(ref.name ?? "", home);
    if (object === undefined) throw notFound({ group: "", resource }, ref.name ?? "");
    return object;
  };
  const refer = (object: KubeObject): BoundReference => {
    const uid = object.metadata.uid ?? "";
    if (ref.uid && ref.uid !== uid)
      throw conflict(
        { group: "", resource: ref.kind ?? "" },
        ref.name ?? "",
        `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
      );
    return { name: object.metadata.name ?? "", uid };
  };
  const kind = ref.apiVersion === "v1" || !ref.apiVersion ? ref.kind : undefined;
  switch (kind) {
    case "Pod": {
      const pod = find(options.pods, "pods", namespace);
      if ((pod["spec"]?.serviceAccountName ?? "") !== account)
        throw badRequest(
          `cannot bind token for serviceaccount ${JSON.stringify(account)} to pod running with different serviceaccount name.`,
        );
      const nodeName: string = pod["spec"]?.nodeName ?? "";
      const node =
        nodeName === "" ? undefined : { name: nodeName, uid: options.nodes?.get(nodeName)?.metadata.uid ?? "" };
      return { pod: refer(pod), ...(node !== undefined && { node }) };
    }
    case "Secret":
      return { secret: refer(find(options.secrets, "secrets", namespace)) };
    case "Node":
      return { node: refer(find(options.nodes, "nodes")) };
    default:
      throw badRequest(`cannot bind token to object of type ${printKind(ref)}`);
  }
}

/** Go's spelling of a group-version-kind. */
function printKind(ref: BoundObjectReference): string {
  const [group, version] = ref.apiVersion?.includes("/") ? ref.apiVersion.split("/") : ["", ref.apiVersion ?? ""];
  return `${group}/${version}, Kind=${ref.kind ?? ""}`;
}
