/** The rules of a definition's names: those it asks for and those it was given (spec: apiserver 8.1). */
import { at, child, type FieldError, invalidValue, required } from "../../api/field-errors.ts";
import { dns1035Label, dns1123Subdomain } from "../../api/names.ts";
import { MAX_ERRORS } from "../../schema/definition-schema.ts";
import type { CustomResourceDefinition, CustomResourceDefinitionNames } from "../generated/types.ts";

/** A label, wrong in any number of ways at once: upstream joins the reasons. */
export function labelErrors(field: string, value: string): FieldError[] {
  const messages = dns1035Label(value);
  return messages.length === 0 ? [] : [invalidValue(field, value, messages.join(","))];
}

function kindErrors(field: string, value: string): FieldError[] {
  const messages = dns1035Label(value.toLowerCase());
  if (messages.length === 0) return [];
  return [invalidValue(field, value, `may have mixed case, but should otherwise match: ${messages.join(",")}`)];
}

/** What holds wherever names stand; empty ones are not asked for here. */
export function namesErrors(names: Partial<CustomResourceDefinitionNames>, path: string): FieldError[] {
  const { plural = "", singular = "", kind = "", listKind = "", shortNames = [], categories = [] } = names;
  const field = (name: string) => child(path, name);
  const errors: FieldError[] = [];
  if (plural !== "") errors.push(...labelErrors(field("plural"), plural));
  if (singular !== "") errors.push(...labelErrors(field("singular"), singular));
  if (kind !== "") errors.push(...kindErrors(field("kind"), kind));
  if (listKind !== "") errors.push(...kindErrors(field("listKind"), listKind));
  labels(shortNames, field("shortNames"), errors);
  if (kind !== "" && kind === listKind) {
    errors.push(invalidValue(field("listKind"), listKind, "kind and listKind may not be the same"));
  }
  labels(categories, field("categories"), errors);
  return errors;
}

function labels(names: readonly string[], path: string, errors: FieldError[]): void {
  for (const [index, name] of names.entries()) {
    if (errors.length >= MAX_ERRORS) return;
    errors.push(...labelErrors(at(path, index), name));
  }
}

/** The names a definition was given, which stand in its status. */
export function acceptedNamesErrors(object: CustomResourceDefinition): FieldError[] {
  return namesErrors(object.status?.acceptedNames ?? {}, "status.acceptedNames");
}

/** What a specification must name; defaults have been filled. */
export function requiredNames(names: Partial<CustomResourceDefinitionNames>, path: string): FieldError[] {
  return (["plural", "singular", "kind", "listKind"] as const)
    .filter((name) => !names[name])
    .map((name) => required(child(path, name)));
}

export function groupErrors(group: string, path: string): FieldError[] {
  if (group === "") return [required(path)];
  const messages = dns1123Subdomain(group);
  if (messages.length > 0) return [invalidValue(path, group, messages.join(","))];
  return group.includes(".") ? [] : [invalidValue(path, group, "should be a domain with at least one dot")];
}

/** A definition is called after what it defines. The server has checked the form of the name already. */
export function objectNameErrors(object: CustomResourceDefinition): FieldError[] {
  const wanted = `${object.spec.names.plural ?? ""}.${object.spec.group ?? ""}`;
  return (["generateName", "name"] as const)
    .filter((field) => object.metadata[field] && object.metadata[field] !== wanted)
    .map((field) =>
      invalidValue(`metadata.${field}`, object.metadata[field], 'must be spec.names.plural+"."+spec.group'),
    );
}
