/** RoleBinding and ClusterRoleBinding: who a role is given to. */
import { invalidValue, notSupported, Printed, required } from "../../api/field-errors.ts";
import { stringifyJSON } from "../../api/json/encode.ts";
import { dns1123Subdomain, pathSegment } from "../../api/names.ts";
import type { FieldError } from "../../api/status.ts";
import type { ResourceDefinition, Strategy, TableColumns } from "../../server/resource.ts";
import { AGE_COLUMN, age, column, NAME_COLUMN } from "../columns.ts";
import { defineKind } from "../define.ts";
import type { ClusterRoleBinding, RoleBinding, Subject } from "../generated/types.ts";
import { RBAC_GROUP } from "./rules.ts";

type Binding = RoleBinding | ClusterRoleBinding;

function setDefaults(object: Binding): void {
  object.roleRef ??= { kind: "", name: "", apiGroup: "" };
  object.roleRef.apiGroup ||= RBAC_GROUP;
  for (const subject of object.subjects ?? []) {
    if (!subject.apiGroup && (subject.kind === "User" || subject.kind === "Group")) subject.apiGroup = RBAC_GROUP;
  }
}

function subjectErrors(subject: Subject, namespaced: boolean, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { name = "", apiGroup = "", kind = "" } = subject;
  if (name === "") errors.push(required(`${path}.name`));
  switch (kind) {
    case "ServiceAccount":
      if (name !== "") {
        for (const message of dns1123Subdomain(name)) errors.push(invalidValue(`${path}.name`, name, message));
      }
      if (apiGroup !== "") errors.push(notSupported(`${path}.apiGroup`, apiGroup, [""]));
      if (!namespaced && !subject.namespace) errors.push(required(`${path}.namespace`));
      break;
    case "User":
    case "Group":
      if (apiGroup !== RBAC_GROUP) errors.push(notSupported(`${path}.apiGroup`, apiGroup, [RBAC_GROUP]));
      break;
    default:
      errors.push(notSupported(`${path}.kind`, kind, ["ServiceAccount", "User", "Group"]));
  }
  return errors;
}

function validate(object: Binding, namespaced: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const { apiGroup = "", kind = "", name = "" } = object.roleRef;
  if (apiGroup !== RBAC_GROUP) errors.push(notSupported("roleRef.apiGroup", apiGroup, [RBAC_GROUP]));
  const kinds = namespaced ? ["Role", "ClusterRole"] : ["ClusterRole"];
  if (!kinds.includes(kind)) errors.push(notSupported("roleRef.kind", kind, kinds));
  if (name === "") errors.push(required("roleRef.name"));
  else for (const message of pathSegment(name)) errors.push(invalidValue("roleRef.name", name, message));
  (object.subjects ?? []).forEach((subject, index) => {
    errors.push(...subjectErrors(subject, namespaced, `subjects[${index}]`));
  });
  return errors;
}

function validateUpdate(object: Binding, old: Binding, namespaced: boolean): FieldError[] {
  const errors = validate(object, namespaced);
  const { apiGroup, kind, name } = object.roleRef;
  if (apiGroup !== old.roleRef.apiGroup || kind !== old.roleRef.kind || name !== old.roleRef.name) {
    // The internal type has no JSON names.
    const printed = new Printed(stringifyJSON({ APIGroup: apiGroup ?? "", Kind: kind, Name: name }));
    errors.push(invalidValue("roleRef", printed, "cannot change roleRef"));
  }
  return errors;
}

function strategy(namespaced: boolean): Strategy<Binding> {
  return {
    allowCreateOnUpdate: true,
    setDefaults,
    validate: (object) => validate(object, namespaced),
    validateUpdate: (object, old) => validateUpdate(object, old, namespaced),
  };
}

const table: TableColumns<Binding> = {
  columns: [
    NAME_COLUMN,
    column("Role", "The role that is given."),
    AGE_COLUMN,
    column("Users", "Users it is given to.", true),
    column("Groups", "Groups it is given to.", true),
    column("ServiceAccounts", "Service accounts it is given to.", true),
  ],
  cells(object, now) {
    const subjects = object.subjects ?? [];
    const named = (kind: string) => subjects.filter((subject) => subject.kind === kind);
    return [
      object.metadata.name ?? "",
      `${object.roleRef.kind}/${object.roleRef.name}`,
      age(object, now),
      named("User")
        .map((subject) => subject.name)
        .join(", "),
      named("Group")
        .map((subject) => subject.name)
        .join(", "),
      named("ServiceAccount")
        .map((subject) => `${subject.namespace ?? ""}/${subject.name}`)
        .join(", "),
    ];
  },
};

export function roleBindings(): ResourceDefinition<RoleBinding> {
  return defineKind<RoleBinding>({
    group: RBAC_GROUP,
    version: "v1",
    kind: "RoleBinding",
    namespaced: true,
    nameRule: pathSegment,
    strategy: strategy(true),
    table,
  });
}

export function clusterRoleBindings(): ResourceDefinition<ClusterRoleBinding> {
  return defineKind<ClusterRoleBinding>({
    group: RBAC_GROUP,
    version: "v1",
    kind: "ClusterRoleBinding",
    namespaced: false,
    nameRule: pathSegment,
    strategy: strategy(false),
    table,
  });
}
