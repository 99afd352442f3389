/** An authorization webhook that is an aggregated API: reviews are created, answered, and never kept. */
import { createServer, defineResource } from "tenon";
import { z } from "zod";

const asked = z.looseObject({ namespace: z.string(), verb: z.string(), resource: z.string() }).partial();
const Review = defineResource({
  group: "authorizer.example.com",
  version: "v1",
  kind: "SubjectAccessReview",
  kindOf: { group: "authorization.k8s.io", version: "v1" },
  spec: z.looseObject({ user: z.string(), groups: z.array(z.string()), resourceAttributes: asked }).partial(),
  status: z.object({ allowed: z.boolean(), denied: z.boolean().optional(), reason: z.string().optional() }),
});

const server = createServer({
  resources: [
    Review.serve({
      create(_, review) {
        const { groups = [], resourceAttributes: { namespace = "", verb = "", resource = "" } = {} } = review.spec;
        const answer = (status: { allowed: boolean; denied?: boolean; reason: string }) => ({ ...review, status });
        if (namespace === "production" && verb.startsWith("delete"))
          return answer({ allowed: false, denied: true, reason: "nothing is deleted in production" });
        if (groups.includes("on-call") && ["get", "list", "watch"].includes(verb) && resource !== "secrets")
          return answer({ allowed: true, reason: "on call" });
        return answer({ allowed: false, reason: "" });
      },
    }),
  ],
});

const address = process.env["ADDRESS"] ?? "127.0.0.1";
const { port } = await server.listen({ port: 0, register: { service: "authorizer", address } });
console.log(`ready  subjectaccessreviews.authorizer.example.com on port ${port}`);
process.once("SIGINT", () => server.close().then(() => process.exit(0)));
process.once("SIGTERM", () => server.close().then(() => process.exit(0)));
