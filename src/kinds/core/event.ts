/** Event: what happened to an object, kept for an hour. */
import { invalidValue, required } from "../../api/field-errors.ts";
import { dns1123Subdomain, qualifiedName, utf8Length } from "../../api/names.ts";
import type { FieldError } from "../../api/status.ts";
import type { ResourceDefinition } from "../../server/resource.ts";
import { column, NAME_COLUMN, since } from "../columns.ts";
import { defineKind } from "../define.ts";
import type { Event } from "../generated/types.ts";

/** How long an Event is kept. */
export const EVENT_TTL_SECONDS = 3600;

function limited(field: string, text: string, limit: number): FieldError[] {
  return utf8Length(text) > limit ? [invalidValue(field, "", `can have at most ${limit} characters`)] : [];
}

function needed(field: string, text: string): FieldError[] {
  return text === "" ? [required(field)] : [];
}

/** The rules of the core group; an Event with `eventTime` follows those of the newer group. */
export function validateEvent(object: Event): FieldError[] {
  const errors: FieldError[] = [];
  const namespace = object.metadata.namespace ?? "";
  const involved = object.involvedObject?.namespace ?? "";
  const mismatch = invalidValue("involvedObject.namespace", involved, "does not match event.namespace");
  if (!object.eventTime) {
    const fits = involved === "" ? namespace === "" || namespace === "default" : namespace === involved;
    if (!fits) errors.push(mismatch);
  } else {
    if (involved === "" && namespace !== "default" && namespace !== "kube-system") errors.push(mismatch);
    const controller = object.reportingComponent ?? "";
    const instance = object.reportingInstance ?? "";
    const action = object.action ?? "";
    const reason = object.reason ?? "";
    errors.push(
      ...needed("reportingComponent", controller),
      ...qualifiedName(controller).map((message) => invalidValue("reportingComponent", controller, message)),
      ...needed("reportingInstance", instance),
      ...limited("reportingInstance", instance, 128),
      ...needed("action", action),
      ...limited("action", action, 128),
      ...needed("reason", reason),
      ...limited("reason", reason, 128),
      ...limited("message", object.message ?? "", 1024),
    );
  }
  for (const message of dns1123Subdomain(namespace)) errors.push(invalidValue("namespace", namespace, message));
  return errors;
}

function sourceCell(object: Event): string {
  const component = object.source?.component || object.reportingComponent || "";
  const host = object.source?.host || object.reportingInstance || "";
  return host === "" ? component : `${component}, ${host}`;
}

const involved = (field: string) => (object: Event) =>
  `${(object.involvedObject as Record<string, unknown> | undefined)?.[field] ?? ""}`;

export function events(): ResourceDefinition<Event> {
  return defineKind<Event>({
    group: "",
    version: "v1",
    kind: "Event",
    namespaced: true,
    shortNames: ["ev"],
    nameRule: dns1123Subdomain,
    ttlSeconds: EVENT_TTL_SECONDS,
    strategy: { allowCreateOnUpdate: true, validate: validateEvent, validateUpdate: validateEvent },
    fields: {
      "involvedObject.kind": involved("kind"),
      "involvedObject.namespace": involved("namespace"),
      "involvedObject.name": involved("name"),
      "involvedObject.uid": involved("uid"),
      "involvedObject.apiVersion": involved("apiVersion"),
      "involvedObject.resourceVersion": involved("resourceVersion"),
      "involvedObject.fieldPath": involved("fieldPath"),
      reason: (object) => object.reason ?? "",
      reportingComponent: (object) => object.reportingComponent ?? "",
      source: (object) => object.source?.component || object.reportingComponent || "",
      type: (object) => object.type ?? "",
    },
    table: {
      columns: [
        column("Last Seen", "When it happened last."),
        column("Type", "Normal or Warning."),
        column("Reason", "Why, in one word."),
        column("Object", "What it happened to."),
        column("Subobject", "The part of the object.", true),
        column("Source", "Who reported it.", true),
        column("Message", "What happened, for people."),
        column("First Seen", "When it happened first.", true),
        column("Count", "How often it happened.", true),
        { ...NAME_COLUMN, priority: 1 },
      ],
      cells(object, now) {
        const first = since(object.firstTimestamp || object.eventTime, now);
        let last = object.lastTimestamp ? since(object.lastTimestamp, now) : first;
        let count = object.count || 1;
        if (object.series) {
          last = since(object.series.lastObservedTime, now);
          count = object.series.count ?? 0;
        }
        const { kind = "", name = "", fieldPath = "" } = object.involvedObject ?? {};
        return [
          last,
          object.type ?? "",
          object.reason ?? "",
          name === "" ? kind.toLowerCase() : `${kind.toLowerCase()}/${name}`,
          fieldPath,
          sourceCell(object),
          (object.message ?? "").trim(),
          first,
          count,
          object.metadata.name ?? "",
        ];
      },
    },
  });
}
