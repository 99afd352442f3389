/** Names made from a generateName (spec: apiserver 3.4). */
import type { Random } from "./clock.ts";

/** No vowels, nothing that looks like something else: names never spell a word. */
const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH = 5;
/** What fits into a DNS label together with the suffix. */
const MAX_BASE_LENGTH = 63 - SUFFIX_LENGTH;

/** How often a create tries another name before it gives up with 409. */
export const GENERATE_NAME_ATTEMPTS = 8;

/** `base`, cut to 58 characters, and five random ones. */
export function generateName(base: string, random: Random): string {
  return base.slice(0, MAX_BASE_LENGTH) + randomSuffix(SUFFIX_LENGTH, random);
}

/** `length` characters of the alphabet of generated names. */
export function randomSuffix(length: number, random: Random): string {
  let suffix = "";
  while (suffix.length < length) suffix += ALPHABET[Math.floor(random.number() * ALPHABET.length)];
  return suffix;
}
