/** `--authorization-mode` and its companions, checked as upstream checks them. */
import { goQuote } from "../../api/go-quote.ts";

/** The modes there are; Node and ABAC are upstream's alone. */
export const AUTHORIZATION_MODES = ["AlwaysAllow", "AlwaysDeny", "RBAC", "Webhook"] as const;
export type AuthorizationModeName = (typeof AUTHORIZATION_MODES)[number];

const NOT_BUILT = new Set(["ABAC", "Node"]);

/** The modes of a comma-separated list, in order. Throws, with everything that is wrong, when one is unknown or the flags do not fit together. */
export function parseAuthorizationModes(text: string, webhookConfigFile: string | undefined): AuthorizationModeName[] {
  const modes = text === "" ? [] : text.split(",");
  const problems: string[] = [];
  if (modes.length === 0) problems.push("at least one authorization-mode must be passed");
  for (const mode of modes) {
    if (NOT_BUILT.has(mode)) problems.push(`authorization-mode ${goQuote(mode)} is not supported`);
    else if (!isMode(mode)) problems.push(`authorization-mode ${goQuote(mode)} is not a valid mode`);
    if (mode === "Webhook" && webhookConfigFile === undefined)
      problems.push("authorization-mode Webhook's authorization config file not passed");
  }
  if (webhookConfigFile !== undefined && !modes.includes("Webhook"))
    problems.push("cannot specify --authorization-webhook-config-file without mode Webhook");
  if (new Set(modes).size !== modes.length)
    problems.push(`authorization-mode [${modes.map(goQuote).join(" ")}] has mode specified more than once`);
  if (problems.length > 0)
    throw new Error(`${problems.join("; ")} (supported modes: ${AUTHORIZATION_MODES.join(", ")})`);
  return modes.filter(isMode);
}

function isMode(mode: string): mode is AuthorizationModeName {
  return (AUTHORIZATION_MODES as readonly string[]).includes(mode);
}
