/** Case 96: a namespace and a group that does not answer. */
import { equal, match, ok } from "node:assert/strict";
import { eventually } from "../story.ts";
import { define } from "./case.ts";

interface NamespaceStatus {
  readonly phase?: string;
  readonly conditions?: { type: string; status: string; message: string }[];
}

export const NAMESPACES = [
  define(
    96,
    "a namespace waits for a group that does not answer, and says so; the rest of it goes",
    async (stage) => {
      const { stage: own } = await stage.start();
      const behind = await own.behind();
      // Somewhere else than its Service, which would go too.
      const name = `doomed-${own.namespace}`;
      await own.make("/api/v1/namespaces", { metadata: { name } });
      const maps = `/api/v1/namespaces/${name}/configmaps`;
      await own.make(maps, { metadata: { name: "mine" } });
      await own.make(`/api/v1/namespaces/${name}/secrets`, { metadata: { name: "mine" } });
      await behind.server.kill();
      await own.condition(behind.name, (found) => found?.status === "False", 45);

      await own.target.call("DELETE", `/api/v1/namespaces/${name}`);
      const status = async () =>
        ((await own.target.call("GET", `/api/v1/namespaces/${name}`)).json.status ?? {}) as NamespaceStatus;
      const failure = ({ conditions }: NamespaceStatus) =>
        conditions?.find(({ type }) => type === "NamespaceDeletionDiscoveryFailure");
      const held = await eventually(status, (found) => failure(found)?.status === "True", 60);
      equal(failure(held)?.status, "True", JSON.stringify(held));
      match(failure(held)?.message ?? "", new RegExp(`${behind.group}/v1`));
      equal(held.phase, "Terminating");
      const emptied = await eventually(
        async () => (await own.target.call("GET", maps)).json.items.length as number,
        (count) => count === 0,
        60,
      );
      equal(emptied, 0);
      equal((await own.target.call("GET", `/api/v1/namespaces/${name}`)).status, 200);

      await behind.server.start();
      const gone = await eventually(
        () => own.target.call("GET", `/api/v1/namespaces/${name}`),
        ({ status: code }) => code === 404,
        150,
      );
      equal(gone.status, 404, gone.text);
      const swept = behind.server.seen.some(
        ({ method, url }) =>
          method === "DELETE" && url.startsWith(`/apis/${behind.group}/v1/namespaces/${name}/things`),
      );
      ok(swept, "nothing of the group was deleted");
    },
    { world: "own", slow: true },
  ),
];
