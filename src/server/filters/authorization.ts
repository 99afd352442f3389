/** May they (spec: apiserver 1.5). */
import { goQuote } from "../../api/go-quote.ts";
import { forbidden, type StatusError } from "../../api/status.ts";
import type { AuthorizationAttributes, AuthorizationDecision, Authorizer } from "../authorization.ts";
import { sendError, sendText } from "../errors.ts";
import type { Exchange, Filter, Handler } from "../exchange.ts";
import type { UserInfo } from "../identity.ts";
import type { Logger } from "../logger.ts";
import type { RequestInfo } from "../request-info.ts";

/** What an authorizer is asked about a request. */
export function attributesOf(user: UserInfo, info: RequestInfo): AuthorizationAttributes {
  return {
    user,
    verb: info.verb,
    isResourceRequest: info.isResourceRequest,
    group: info.group,
    version: info.version,
    resource: info.resource,
    subresource: info.subresource,
    namespace: info.namespace,
    name: info.name,
    path: info.path,
    ...(info.fieldSelector !== "" && { fieldSelector: info.fieldSelector }),
    ...(info.labelSelector !== "" && { labelSelector: info.labelSelector }),
  };
}

export function authorization(authorizer: Authorizer, logger: Logger): Filter {
  const conclude = (
    exchange: Exchange,
    next: Handler,
    attributes: AuthorizationAttributes,
    decision: AuthorizationDecision,
  ) => {
    if (decision.verdict === "Allow") return next(exchange);
    if (decision.error !== undefined) return undecided(exchange, decision.error, logger);
    exchange.response.setHeader("X-Content-Type-Options", "nosniff");
    sendError(exchange, forbiddenStatus(attributes, decision.reason));
  };
  return (exchange, next) => {
    const attributes = attributesOf(exchange.user, exchange.info);
    const decision = authorizer.authorize(attributes);
    if (decision instanceof Promise) return decision.then((settled) => conclude(exchange, next, attributes, settled));
    return conclude(exchange, next, attributes, decision);
  };
}

/** The 403 for a request; also for impersonation and whoever else asks the authorizer. */
export function forbiddenStatus(attributes: AuthorizationAttributes, reason: string): StatusError {
  const message = escapeHTML(forbiddenMessage(attributes));
  return forbidden(
    { group: attributes.group, resource: attributes.resource },
    attributes.name,
    reason === "" ? message : `${message}: ${reason}`,
  );
}

/** `User "u" cannot get resource "pods/log" in API group "" in the namespace "ns"`. */
function forbiddenMessage(attributes: AuthorizationAttributes): string {
  const who = `User ${goQuote(attributes.user.name)} cannot ${attributes.verb}`;
  if (!attributes.isResourceRequest) return `${who} path ${goQuote(attributes.path)}`;
  const { resource, subresource, namespace } = attributes;
  const what = goQuote(subresource === "" ? resource : `${resource}/${subresource}`);
  const where = namespace === "" ? "at the cluster scope" : `in the namespace ${goQuote(namespace)}`;
  return `${who} resource ${what} in API group ${goQuote(attributes.group)} ${where}`;
}

function escapeHTML(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function undecided(exchange: Exchange, error: Error, logger: Logger): void {
  logger.error(
    { code: "authorization-error", err: error, auditID: exchange.auditID },
    "an authorizer could not decide",
  );
  sendText(exchange, 500, escapeHTML(`Internal Server Error: ${goQuote(exchange.target)}: ${error.message}`));
}
