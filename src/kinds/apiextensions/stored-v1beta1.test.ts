import { describe, expect, it } from "vitest";
import type { JSONObject } from "../../api/meta.ts";
import { definitionFromV1beta1 } from "./stored-v1beta1.ts";

const stored = (spec: JSONObject): JSONObject => ({
  kind: "CustomResourceDefinition",
  apiVersion: "apiextensions.k8s.io/v1beta1",
  metadata: { name: "things.example.com" },
  spec,
  status: { storedVersions: ["v1"] },
});
const schema = { openAPIV3Schema: { type: "object" } };
const names = { plural: "things", kind: "Thing" };

describe("a definition stored in v1beta1", () => {
  it("gives each version what was said once for all, and keeps what it says itself", () => {
    const other = { openAPIV3Schema: { type: "object", nullable: true } };
    const result = definitionFromV1beta1(
      stored({
        group: "example.com",
        version: "v1",
        names,
        scope: "Namespaced",
        validation: schema,
        subresources: { status: {} },
        selectableFields: [{ jsonPath: ".spec.a" }],
        additionalPrinterColumns: [{ name: "A", type: "string", JSONPath: ".spec.a" }],
        versions: [
          { name: "v1", served: true, storage: true },
          { name: "v2", served: false, storage: false, schema: other, additionalPrinterColumns: [] },
        ],
        preserveUnknownFields: false,
        conversion: { strategy: "None" },
      }),
    );
    const common = { subresources: { status: {} }, selectableFields: [{ jsonPath: ".spec.a" }] };
    expect(result).toEqual({
      ...stored({}),
      apiVersion: "apiextensions.k8s.io/v1",
      spec: {
        group: "example.com",
        names,
        scope: "Namespaced",
        versions: [
          {
            name: "v1",
            served: true,
            storage: true,
            schema,
            ...common,
            additionalPrinterColumns: [{ name: "A", type: "string", jsonPath: ".spec.a" }],
          },
          { name: "v2", served: false, storage: false, schema: other, ...common, additionalPrinterColumns: [] },
        ],
        conversion: { strategy: "None" },
      },
    });
  });

  it("has one version when it only names one, and preserves unknown fields unless it says no", () => {
    const result = definitionFromV1beta1(
      stored({ group: "example.com", version: "v1alpha1", names, scope: "Cluster" }),
    );
    expect(result["spec"]).toEqual({
      group: "example.com",
      names,
      scope: "Cluster",
      versions: [{ name: "v1alpha1", served: true, storage: true }],
      preserveUnknownFields: true,
    });
  });

  it("puts the parts of a conversion webhook together", () => {
    const webhookClientConfig = { url: "https://example.com" };
    const conversion = { strategy: "Webhook", webhookClientConfig, conversionReviewVersions: ["v1"] };
    const { spec } = definitionFromV1beta1(stored({ versions: [], preserveUnknownFields: false, conversion }));
    expect((spec as JSONObject)["conversion"]).toEqual({
      strategy: "Webhook",
      webhook: { clientConfig: webhookClientConfig, conversionReviewVersions: ["v1"] },
    });
  });

  it.each([[undefined], ["text"], [[]]])("without a spec (%o) is left to the codec", (spec) => {
    expect(definitionFromV1beta1(stored(spec as never))["apiVersion"]).toBe("apiextensions.k8s.io/v1");
  });
});
