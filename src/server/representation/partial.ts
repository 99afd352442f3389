/** PartialObjectMetadata: an object reduced to its metadata, cut out of its bytes (spec: apiserver 6.2). */
import { asBuffer } from "./canonical.ts";
import type { Item } from "./item.ts";

const OPENINGS = {
  v1: Buffer.from('{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":'),
  v1beta1: Buffer.from('{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1beta1","metadata":'),
} as const;
const CLOSE = Buffer.from("}");

export function partialMetadata(item: Item, version: "v1" | "v1beta1" = "v1"): Buffer {
  return Buffer.concat([OPENINGS[version], asBuffer(item.metadata()), CLOSE]);
}
