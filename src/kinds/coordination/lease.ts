/** Lease: who holds a role, and since when. */
import { forbiddenField, invalidValue } from "../../api/field-errors.ts";
import { dns1123Subdomain } from "../../api/names.ts";
import type { FieldError } from "../../api/status.ts";
import type { ResourceDefinition } from "../../server/resource.ts";
import { AGE_COLUMN, age, column, NAME_COLUMN } from "../columns.ts";
import { defineKind } from "../define.ts";
import type { Lease } from "../generated/types.ts";

export function validateLease(object: Lease): FieldError[] {
  const { leaseDurationSeconds, leaseTransitions, strategy, preferredHolder } = object.spec ?? {};
  const errors: FieldError[] = [];
  if (leaseDurationSeconds !== undefined && leaseDurationSeconds <= 0) {
    errors.push(invalidValue("spec.leaseDurationSeconds", leaseDurationSeconds, "must be greater than 0"));
  }
  if (leaseTransitions !== undefined && leaseTransitions < 0) {
    errors.push(invalidValue("spec.leaseTransitions", leaseTransitions, "must be greater than or equal to 0"));
  }
  if (preferredHolder && !strategy) {
    errors.push(forbiddenField("spec.preferredHolder", "may only be specified if `strategy` is defined"));
  }
  return errors;
}

export function leases(): ResourceDefinition<Lease> {
  return defineKind<Lease>({
    group: "coordination.k8s.io",
    version: "v1",
    kind: "Lease",
    namespaced: true,
    nameRule: dns1123Subdomain,
    plainFinalizers: true,
    strategy: {
      allowCreateOnUpdate: true,
      allowUnconditionalUpdate: false,
      // Coordinated leader election is off by default: its fields are dropped.
      prepareForCreate: dropCoordination,
      prepareForUpdate: dropCoordination,
      validate: validateLease,
      validateUpdate: validateLease,
    },
    table: {
      columns: [NAME_COLUMN, column("Holder", "Who holds it."), AGE_COLUMN],
      cells: (object, now) => [object.metadata.name ?? "", object.spec?.holderIdentity ?? "", age(object, now)],
    },
  });
}

function dropCoordination(object: Lease): void {
  delete object.spec?.strategy;
  delete object.spec?.preferredHolder;
}
