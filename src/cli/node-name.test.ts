import { expect, it } from "vitest";
import { dns1123Subdomain } from "../api/names.ts";
import { nodeNameOf } from "./node-name.ts";

it.each([
  ["Anna's MacBook Pro.local", "anna-s-macbook-pro.local"],
  ["_worker_1_", "worker-1"],
  ["a-.-b..c.", "a.b.c"],
  ["日本", "node"],
  ["", "node"],
  [`${"x".repeat(62)}-tail`, "x".repeat(62)],
])("the host %j is the node %j", (host, node) => {
  expect(nodeNameOf(host)).toBe(node);
  expect(dns1123Subdomain(node, false)).toEqual([]);
});
