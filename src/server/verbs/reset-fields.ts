/** What a write through an endpoint can never change, and nobody comes to own there (spec: apiserver 5.5). */

import { wholeFields } from "../../api/apply/field-manager.ts";
import type { FieldSet } from "../../api/apply/field-set.ts";
import type { Strategy } from "../resource.ts";
import type { Call } from "./backend-context.ts";

/** What this endpoint resets, unless its strategy says otherwise: nobody owns the status through the object, nor the rest through the status. */
export function resetFieldsOf(call: Call, strategy: Strategy): FieldSet {
  if (strategy.resetFields !== undefined) return wholeFields(...strategy.resetFields);
  if (call.subresource === "status") return wholeFields(["spec"]);
  return call.endpoint.subresources.has("status") ? wholeFields(["status"]) : wholeFields();
}
