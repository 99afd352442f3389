/** All cases, in the order of their numbers. */
import { SERVICES } from "./availability.ts";
import { PROBES } from "./availability-probe.ts";
import type { Case } from "./case.ts";
import { DISCOVERY } from "./discovery.ts";
import { POLLING } from "./discovery-polling.ts";
import { EXTENSION_SIDE } from "./extension-side.ts";
import { NAMESPACES } from "./namespaces.ts";
import { PROXY } from "./proxy.ts";
import { CONNECTIONS } from "./proxy-connections.ts";
import { ROUTES } from "./proxy-routes.ts";
import { STREAMS } from "./proxy-streams.ts";
import { REGISTRATION } from "./registration.ts";
import { RESOURCE } from "./resource.ts";

export const SECTIONS: readonly { readonly title: string; readonly cases: readonly Case[] }[] = [
  { title: "Resource and validation", cases: RESOURCE },
  { title: "Availability", cases: inOrder(SERVICES, PROBES) },
  { title: "Proxy", cases: inOrder(PROXY, STREAMS, CONNECTIONS, ROUTES) },
  { title: "Discovery", cases: inOrder(DISCOVERY, POLLING) },
  { title: "Registration of built-ins and definitions", cases: REGISTRATION },
  { title: "Extension side", cases: inOrder(EXTENSION_SIDE, NAMESPACES) },
];

export const CASES: readonly Case[] = SECTIONS.flatMap(({ cases }) => cases);

function inOrder(...parts: readonly (readonly Case[])[]): Case[] {
  return parts.flat().sort((a, b) => a.number - b.number);
}
