/** Deployment: pods from a template, replaced step by step when it changes. */
import { forbiddenField, invalidValue, notSupported, Printed } from "../../api/field-errors.ts";
import { stringifyJSON } from "../../api/json/encode.ts";
import { dns1123Subdomain, percent } from "../../api/names.ts";
import type { FieldError } from "../../api/status.ts";
import type { ResourceDefinition, Strategy } from "../../server/resource.ts";
import { AGE_COLUMN, age, column, containerCells, NAME_COLUMN, selectorText } from "../columns.ts";
import { defaultPodTemplate } from "../core/pod-defaults.ts";
import { defineKind, keep, keepMeta, statusSubresource } from "../define.ts";
import type { Deployment, DeploymentStrategy } from "../generated/types.ts";
import { printedSelector } from "../selector-rules.ts";
import { semanticEqual } from "../semantic.ts";
import { scaleSubresource } from "./scale.ts";
import { nameWarnings, notNegative, selectorRules, statusCountRules, templateRules } from "./template.ts";

function setDefaults(object: Deployment): void {
  object.spec ??= {} as Deployment["spec"];
  const { spec } = object;
  spec.template ??= {} as Deployment["spec"]["template"];
  defaultPodTemplate(spec.template);
  spec.replicas ??= 1;
  spec.strategy ??= {};
  const { strategy } = spec;
  strategy.type ||= "RollingUpdate";
  if (strategy.type === "RollingUpdate") {
    strategy.rollingUpdate ??= {};
    const rolling = strategy.rollingUpdate;
    rolling.maxUnavailable ??= "25%";
    rolling.maxSurge ??= "25%";
  }
  spec.revisionHistoryLimit ??= 10;
  spec.progressDeadlineSeconds ??= 600;
}

/** An integer, or a percentage as a string. */
type IntOrString = number | string | undefined;

function countOrPercent(field: string, value: IntOrString): FieldError[] {
  if (typeof value === "string") return percent(value).map((message) => invalidValue(field, value, message));
  return notNegative(field, value);
}

/** The number before the sign, 0 for what is no percentage. */
function amount(value: IntOrString): number {
  if (typeof value !== "string") return value ?? 0;
  return percent(value).length === 0 ? Number(value.slice(0, -1)) : 0;
}

function strategyRules(strategy: DeploymentStrategy): FieldError[] {
  const path = "spec.strategy";
  const { type = "", rollingUpdate } = strategy;
  if (type === "Recreate") {
    if (!rollingUpdate) return [];
    return [forbiddenField(`${path}.rollingUpdate`, "may not be specified when strategy `type` is 'Recreate'")];
  }
  if (type !== "RollingUpdate") {
    const printed = new Printed(stringifyJSON({ Type: type, RollingUpdate: null }));
    return [notSupported(path, printed, ["Recreate", "RollingUpdate"])];
  }
  const { maxUnavailable, maxSurge } = rollingUpdate ?? {};
  const field = `${path}.rollingUpdate.maxUnavailable`;
  const errors = [
    ...countOrPercent(field, maxUnavailable),
    ...countOrPercent(`${path}.rollingUpdate.maxSurge`, maxSurge),
  ];
  if (amount(maxUnavailable) === 0 && amount(maxSurge) === 0) {
    errors.push(invalidValue(field, maxUnavailable, "may not be 0 when `maxSurge` is 0"));
  }
  if (typeof maxUnavailable === "string" && amount(maxUnavailable) > 100) {
    errors.push(invalidValue(field, maxUnavailable, "must not be greater than 100%"));
  }
  return errors;
}

export function validateDeployment(object: Deployment): FieldError[] {
  const { spec } = object;
  const errors = [
    ...notNegative("spec.replicas", spec.replicas),
    ...selectorRules(spec.selector),
    ...templateRules(spec.template, spec.selector),
    ...strategyRules(spec.strategy ?? {}),
    ...notNegative("spec.minReadySeconds", spec.minReadySeconds),
    ...notNegative("spec.revisionHistoryLimit", spec.revisionHistoryLimit),
    ...notNegative("spec.progressDeadlineSeconds", spec.progressDeadlineSeconds),
  ];
  const deadline = spec.progressDeadlineSeconds;
  if (deadline !== undefined && deadline <= (spec.minReadySeconds ?? 0)) {
    errors.push(invalidValue("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"));
  }
  return errors;
}

function selectorChanged(object: Deployment, old: Deployment): FieldError[] {
  if (semanticEqual(object.spec.selector, old.spec.selector)) return [];
  return [invalidValue("spec.selector", printedSelector(object.spec.selector), "field is immutable")];
}

const strategy: Strategy<Deployment> = {
  setDefaults,
  prepareForCreate(object) {
    object.status = {};
    object.metadata.generation = 1;
  },
  validate: validateDeployment,
  warningsOnCreate: (object) => nameWarnings(object.metadata.name ?? ""),
  prepareForUpdate(object, old) {
    keep(object, old, "status");
    const generation = old.metadata.generation ?? 0;
    const same =
      semanticEqual(object.spec, old.spec) && semanticEqual(object.metadata.annotations, old.metadata.annotations);
    object.metadata.generation = same ? generation : generation + 1;
  },
  validateUpdate: (object, old) => [...validateDeployment(object), ...selectorChanged(object, old)],
};

const statusStrategy: Strategy<Deployment> = {
  setDefaults,
  prepareForUpdate(object, old) {
    keep(object, old, "spec");
    keepMeta(object, old, "labels");
  },
  validateUpdate(object, old) {
    const status = object.status ?? {};
    const bounded = ["updatedReplicas", "readyReplicas", "availableReplicas"];
    const fields = [
      "observedGeneration",
      "replicas",
      ...bounded,
      "unavailableReplicas",
      "terminatingReplicas",
      "collisionCount",
    ];
    const errors = statusCountRules(status as Record<string, unknown>, fields, bounded);
    const collisions = status.collisionCount ?? 0;
    if (old.status?.collisionCount !== undefined && collisions < old.status.collisionCount) {
      errors.push(invalidValue("status.collisionCount", collisions, "cannot be decremented"));
    }
    return errors;
  },
};

export function deployments(): ResourceDefinition<Deployment> {
  return defineKind<Deployment>({
    group: "apps",
    version: "v1",
    kind: "Deployment",
    namespaced: true,
    shortNames: ["deploy"],
    categories: ["all"],
    nameRule: dns1123Subdomain,
    strategy,
    subresources: [scaleSubresource(strategy), statusSubresource(statusStrategy)],
    table: {
      columns: [
        NAME_COLUMN,
        column("Ready", "Ready pods of those desired."),
        column("Up-to-date", "Pods made from the current template."),
        column("Available", "Pods that have been ready for long enough."),
        AGE_COLUMN,
        column("Containers", "Names of the containers.", true),
        column("Images", "Images of the containers.", true),
        column("Selector", "Which pods are its own.", true),
      ],
      cells(object, now) {
        const status = object.status ?? {};
        return [
          object.metadata.name ?? "",
          `${status.readyReplicas ?? 0}/${object.spec.replicas ?? 0}`,
          status.updatedReplicas ?? 0,
          status.availableReplicas ?? 0,
          age(object, now),
          ...containerCells(object.spec.template?.spec?.containers),
          selectorText(object.spec.selector),
        ];
      },
    },
  });
}
