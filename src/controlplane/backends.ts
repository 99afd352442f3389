/** The built-in kinds as backends: one for each group-version, stored kinds bound to the store, reviews to what answers them. */
import type { Clock, Random } from "../api/clock.ts";
import type { GroupVersion } from "../api/meta.ts";
import {
  localSubjectAccessReviews,
  selfSubjectAccessReviews,
  selfSubjectRulesReviews,
  subjectAccessReviews,
} from "../auth/reviews/access-review.ts";
import { selfSubjectReviews, tokenReviews } from "../auth/reviews/token-review.ts";
import { reviewResources } from "../kinds/index.ts";
import type { Admission } from "../server/admission.ts";
import { lazyDocument } from "../server/openapi/lazy-document.ts";
import { ByteCache } from "../server/representation/byte-cache.ts";
import type { ResourceDefinition, VirtualResource } from "../server/resource.ts";
import type { Backend } from "../server/routes.ts";
import { localBackend, type ServedResource } from "../server/verbs/local-backend.ts";
import type { State } from "../store/state.ts";
import type { Identity } from "./identity.ts";
import { builtinDocument } from "./openapi.ts";

export interface BackendOptions {
  readonly definitions: readonly ResourceDefinition[];
  readonly state: State;
  readonly admission: Admission;
  readonly identity: Identity;
  /** Who this server is, for TokenReview. */
  readonly audiences: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  /** Shown in OpenAPI documents. */
  readonly serverVersion: string;
  readonly minRequestTimeoutSeconds?: number;
}

/** Bytes of derived encodings kept over all kinds. */
const ENCODINGS = 64 * 1024 * 1024;

export function builtinBackends(options: BackendOptions): Backend[] {
  const { identity, state, admission, clock, random, serverVersion } = options;
  const reviews = reviewBindings(options);
  const groups = new Map<string, GroupVersion & { resources: ServedResource[] }>();
  const add = (served: ServedResource) => {
    const { group, version } = served.definition;
    const key = `${group}/${version}`;
    let found = groups.get(key);
    if (found === undefined) {
      found = { group, version, resources: [] };
      groups.set(key, found);
    }
    found.resources.push(served);
  };
  for (const definition of options.definitions) add({ definition });
  for (const definition of reviewResources()) {
    const virtual = reviews.get(definition.kind);
    if (virtual === undefined) throw new Error(`nothing answers ${definition.kind}`);
    add({ definition, virtual });
  }
  const encodings = new ByteCache(ENCODINGS);
  return [...groups.values()].map(({ group, version, resources }) =>
    localBackend({
      group,
      version,
      resources,
      state,
      admission,
      authorizer: identity.authorizer,
      clock,
      random,
      encodings,
      ...(options.minRequestTimeoutSeconds !== undefined && {
        minRequestTimeoutSeconds: options.minRequestTimeoutSeconds,
      }),
      openapi: lazyDocument(() =>
        builtinDocument(
          { group, version },
          resources.map(({ definition }) => definition),
          serverVersion,
        ),
      ),
    }),
  );
}

function reviewBindings({ identity, audiences }: BackendOptions): ReadonlyMap<string, VirtualResource> {
  const { authorizer, tokens } = identity;
  return new Map<string, VirtualResource>([
    ["TokenReview", tokenReviews({ tokens, audiences }) as VirtualResource],
    ["SelfSubjectReview", selfSubjectReviews as VirtualResource],
    ["SubjectAccessReview", subjectAccessReviews(authorizer) as VirtualResource],
    ["LocalSubjectAccessReview", localSubjectAccessReviews(authorizer) as VirtualResource],
    ["SelfSubjectAccessReview", selfSubjectAccessReviews(authorizer) as VirtualResource],
    ["SelfSubjectRulesReview", selfSubjectRulesReviews(authorizer) as VirtualResource],
  ]);
}
