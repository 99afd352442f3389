/** ReplicaSet: a number of pods from one template. */
import { invalidValue } from "../../api/field-errors.ts";
import { dns1123Subdomain } from "../../api/names.ts";
import type { FieldError } from "../../api/status.ts";
import { NONE } from "../../api/table.ts";
import type { ResourceDefinition, Strategy } from "../../server/resource.ts";
import { AGE_COLUMN, age, column, containerCells, integerColumn, NAME_COLUMN, selectorText } from "../columns.ts";
import { defaultPodTemplate } from "../core/pod-defaults.ts";
import { defineKind, keep, statusSubresource } from "../define.ts";
import type { ReplicaSet } from "../generated/types.ts";
import { printedSelector } from "../selector-rules.ts";
import { semanticEqual } from "../semantic.ts";
import { scaleSubresource } from "./scale.ts";
import { nameWarnings, notNegative, selectorRules, statusCountRules, templateRules } from "./template.ts";

function setDefaults(object: ReplicaSet): void {
  object.spec ??= {} as ReplicaSet["spec"];
  object.spec.template ??= {} as NonNullable<ReplicaSet["spec"]["template"]>;
  defaultPodTemplate(object.spec.template);
  object.spec.replicas ??= 1;
}

export function validateReplicaSet(object: ReplicaSet): FieldError[] {
  const { spec } = object;
  return [
    ...notNegative("spec.replicas", spec.replicas),
    ...notNegative("spec.minReadySeconds", spec.minReadySeconds),
    ...selectorRules(spec.selector),
    ...templateRules(spec.template!, spec.selector),
  ];
}

function selectorChanged(object: ReplicaSet, old: ReplicaSet): FieldError[] {
  if (semanticEqual(object.spec.selector, old.spec.selector)) return [];
  return [invalidValue("spec.selector", printedSelector(object.spec.selector), "field is immutable")];
}

const strategy: Strategy<ReplicaSet> = {
  setDefaults,
  prepareForCreate(object) {
    object.status = { replicas: 0 };
    object.metadata.generation = 1;
  },
  validate: validateReplicaSet,
  warningsOnCreate: (object) => nameWarnings(object.metadata.name ?? ""),
  prepareForUpdate(object, old) {
    keep(object, old, "status");
    const generation = old.metadata.generation ?? 0;
    object.metadata.generation = semanticEqual(object.spec, old.spec) ? generation : generation + 1;
  },
  validateUpdate: (object, old) => [...validateReplicaSet(object), ...selectorChanged(object, old)],
};

const statusStrategy: Strategy<ReplicaSet> = {
  setDefaults,
  prepareForUpdate: (object, old) => keep(object, old, "spec"),
  validateUpdate(object) {
    const bounded = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
    const fields = ["replicas", ...bounded, "observedGeneration", "terminatingReplicas"];
    return statusCountRules((object.status ?? {}) as unknown as Record<string, unknown>, fields, bounded);
  },
};

export function replicaSets(): ResourceDefinition<ReplicaSet> {
  return defineKind<ReplicaSet>({
    group: "apps",
    version: "v1",
    kind: "ReplicaSet",
    namespaced: true,
    shortNames: ["rs"],
    categories: ["all"],
    nameRule: dns1123Subdomain,
    strategy,
    fields: { "status.replicas": (object) => `${object.status?.replicas ?? 0}` },
    subresources: [scaleSubresource(strategy), statusSubresource(statusStrategy)],
    table: {
      columns: [
        NAME_COLUMN,
        integerColumn("Desired", "How many pods there should be."),
        integerColumn("Current", "How many pods there are."),
        integerColumn("Ready", "How many pods are ready."),
        AGE_COLUMN,
        column("Containers", "Names of the containers.", true),
        column("Images", "Images of the containers.", true),
        column("Selector", "Which pods are its own.", true),
      ],
      cells: (object, now) => [
        object.metadata.name ?? "",
        object.spec.replicas ?? 0,
        object.status?.replicas ?? 0,
        object.status?.readyReplicas ?? 0,
        age(object, now),
        ...containerCells(object.spec.template?.spec?.containers),
        selectorText(object.spec.selector) || NONE,
      ],
    },
  });
}
