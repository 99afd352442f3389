/** Tenon itself as the target of the stories: a control plane in the process that runs the tests, served on TLS. */
import { startControlPlane } from "../src/testing/control-plane.ts";

export async function startForStories(): Promise<{ kubeconfig: string; stop(): Promise<void> }> {
  const plane = await startControlPlane();
  return { kubeconfig: plane.kubeconfig, stop: plane.close };
}
