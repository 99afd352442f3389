/** Before the stories: the kubeconfig they run against. */
import type { TestProject } from "vitest/node";

export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const given = process.env["TENON_INTEROP_KUBECONFIG"];
  if (given !== undefined) {
    project.provide("kubeconfig", given);
    return undefined;
  }
  const { startForStories } = await import("./own.ts");
  const own = await startForStories();
  project.provide("kubeconfig", own.kubeconfig);
  return own.stop;
}
