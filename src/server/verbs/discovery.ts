/** What a backend's resources look like in discovery (spec: apiserver 7.1, 7.2). */
import type { Endpoint } from "../representation/endpoint.ts";
import type { DiscoveryResource } from "../routes.ts";

export function discoveryOf(endpoints: readonly Endpoint[]): readonly DiscoveryResource[] {
  return endpoints.map(({ definition }) => {
    // A kind may be of another group than the resource: a review that a webhook speaks.
    const { group, version, kind } = definition.codec.kind;
    const subresources = (definition.subresources ?? []).map((sub) => ({
      subresource: sub.name,
      responseKind: sub.kind ?? { group, version, kind },
      verbs: [...sub.verbs].sort(),
    }));
    return {
      resource: definition.plural,
      responseKind: { group, version, kind },
      scope: definition.namespaced ? "Namespaced" : "Cluster",
      singularResource: definition.singular,
      verbs: [...definition.verbs].sort(),
      ...(definition.shortNames?.length && { shortNames: definition.shortNames }),
      ...(definition.categories?.length && { categories: definition.categories }),
      ...(subresources.length > 0 && {
        subresources: subresources.sort((a, b) => (a.subresource < b.subresource ? -1 : 1)),
      }),
    };
  });
}
