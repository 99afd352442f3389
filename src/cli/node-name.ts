/** What this machine is called as a Node, and in the certificate its kubelet shows. */
import { hostname } from "node:os";

/** A host's name as the name of a Node: lower case, and nothing but letters, digits, dots and dashes. */
export function nodeNameOf(host: string = hostname()): string {
  const name = host
    .toLowerCase()
    .replace(/[^a-z0-9.-]+/g, "-")
    .slice(0, 63)
    .split(".")
    .map((label) => label.replace(/^-+|-+$/g, ""))
    .filter((label) => label !== "")
    .join(".");
  return name === "" ? "node" : name;
}
