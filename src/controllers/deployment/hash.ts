/** The label that tells the pods of one template from those of another. */
import { equalJSON, stringifySorted } from "../../api/json/index.ts";
import type { JSONValue } from "../../api/meta.ts";
import type { PodTemplate } from "../objects.ts";

export const HASH_LABEL = "pod-template-hash";

/** Letters and digits that spell no word. */
const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/**
 * A short name for a template: FNV-1a over its canonical JSON and the number of collisions so far, spelt as upstream spells its own.
 * Upstream hashes how Go prints its structs, so names differ; nobody compares them, templates are compared.
 */
export function templateHash(template: PodTemplate, collisions: number | undefined): string {
  const text = `${stringifySorted(template as JSONValue)}${collisions === undefined ? "" : `#${collisions}`}`;
  let hash = FNV_OFFSET;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, FNV_PRIME);
  return Array.from(String(hash >>> 0), (digit) => ALPHABET[digit.charCodeAt(0) % ALPHABET.length]).join("");
}

/** Whether two templates make the same pods; the label itself does not count. */
export function sameTemplate(a: PodTemplate, b: PodTemplate): boolean {
  return a === b || equalJSON(bare(a), bare(b));
}

/** Without the label, and without what says nothing: null, empty lists, empty maps of the metadata. */
function bare(template: PodTemplate): JSONValue {
  const { labels = {}, annotations = {}, finalizers = [] } = template.metadata ?? {};
  const rest = Object.entries(labels).filter(([name]) => name !== HASH_LABEL);
  const metadata = { labels: Object.fromEntries(rest), annotations, finalizers };
  return withoutEmpty({ metadata, spec: template.spec ?? {} } as unknown as JSONValue);
}

function withoutEmpty(value: JSONValue): JSONValue {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([, one]) => one !== null && !(Array.isArray(one) && one.length === 0));
  return Object.fromEntries(kept.map(([key, one]) => [key, withoutEmpty(one)]));
}
