/** How a part talks to the main API server: as its kubeconfig says. */
import { systemClock, systemRandom } from "../api/machine.ts";
import { type Client, createClient } from "../client/client.ts";
import { loadKubeconfig } from "../client/kubeconfig.ts";
import { httpsTransport } from "../client/transports/https.ts";
import type { DataDir } from "./data-dir.ts";

/** Throws, naming the file, when there is no such kubeconfig or it is none. */
export async function clientOf(kubeconfig: string, userAgent: string): Promise<Client> {
  const config = await loadKubeconfig(kubeconfig).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new Error(
      `${kubeconfig} does not exist: start \`tenon apiserver\` or \`tenon up\` with this data folder first, or give --kubeconfig`,
    );
  });
  return createClient(httpsTransport(config), { clock: systemClock, random: systemRandom, userAgent });
}

/** Runs `work` as the administrator of the data folder: what a part needs that it may not give itself. */
export async function asAdministrator(dir: DataDir, work: (client: Client) => Promise<void>): Promise<void> {
  const client = await clientOf(dir.kubeconfig, "tenon");
  try {
    await work(client);
  } finally {
    await client.close();
  }
}
