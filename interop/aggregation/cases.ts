/** All cases, in the order of their numbers. */
import type { Case } from "./case.ts";
import { RESOURCE } from "./resource.ts";

export const SECTIONS: readonly { readonly title: string; readonly cases: readonly Case[] }[] = [
  { title: "Resource and validation", cases: RESOURCE },
];

export const CASES: readonly Case[] = SECTIONS.flatMap(({ cases }) => cases);
