/** Several admissions as one: each in turn may change, then each in turn may refuse. */
import type { Admission } from "../server/admission.ts";

export function admissionChain(plugins: readonly Admission[]): Admission {
  return {
    async admit(attributes) {
      for (const plugin of plugins) await plugin.admit?.(attributes);
    },
    async validate(attributes) {
      for (const plugin of plugins) await plugin.validate?.(attributes);
    },
  };
}
