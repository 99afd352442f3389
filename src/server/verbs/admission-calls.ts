/** Calling admission around a write, with the attributes of this request (spec: apiserver 2.3, 9.1). */
import type { KubeObject } from "../../api/meta.ts";
import type { AdmissionAttributes } from "../admission.ts";
import type { Call } from "./backend-context.ts";

function attributes(
  call: Call,
  operation: AdmissionAttributes["operation"],
  dryRun: boolean,
  name: string,
  object: KubeObject | undefined,
  oldObject: KubeObject | undefined,
): AdmissionAttributes {
  const { definition } = call.endpoint;
  const sub = call.subresource === "" ? undefined : call.endpoint.subresources.get(call.subresource);
  const { group, version } = definition;
  return {
    operation,
    kind: sub?.kind ?? { group, version, kind: definition.kind },
    resource: { group, version, resource: definition.plural },
    subresource: call.subresource,
    // As upstream has it, a namespace is in itself.
    namespace: definition.plural === "namespaces" && group === "" ? name : call.namespace,
    name,
    user: call.exchange.user,
    dryRun,
    object,
    oldObject,
    warn: (text) => call.exchange.warn(text),
  };
}

export interface AdmissionCalls {
  admit(object: KubeObject | undefined, old: KubeObject | undefined, name?: string): Promise<void>;
  validate(object: KubeObject | undefined, old: KubeObject | undefined, name?: string): Promise<void>;
}

/** Creates, updates and deletes of one call, each under its own operation. */
export function admissionFor(call: Call, operation: AdmissionAttributes["operation"], dryRun: boolean): AdmissionCalls {
  const { admission } = call.backing;
  return {
    async admit(object, old, name = call.name) {
      await admission?.admit?.(attributes(call, operation, dryRun, name, object, old));
    },
    async validate(object, old, name = call.name) {
      await admission?.validate?.(attributes(call, operation, dryRun, name, object, old));
    },
  };
}
