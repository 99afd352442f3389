/** Webhook configurations, admission policies and bindings are answered as kube-apiserver 1.36.3 answers them, but for what expressions mean. */
import { join } from "node:path";
import { expect, test } from "vitest";
import type { ResourceDefinition } from "../../server/resource.ts";
import { decoded, rehearsalContext } from "../rehearse.test-support.ts";
import { replayCreates } from "../replay.test-support.ts";
import {
  mutatingAdmissionPolicies,
  mutatingAdmissionPolicyBindings,
  validatingAdmissionPolicies,
  validatingAdmissionPolicyBindings,
} from "./policies.ts";
import { mutatingWebhookConfigurations, validatingWebhookConfigurations } from "./webhook-configurations.ts";

const definitions = [
  mutatingAdmissionPolicies(),
  mutatingAdmissionPolicyBindings(),
  mutatingWebhookConfigurations(),
  validatingAdmissionPolicies(),
  validatingAdmissionPolicyBindings(),
  validatingWebhookConfigurations(),
] as ResourceDefinition[];
replayCreates(join(import.meta.dirname, "testdata", "answers.jsonl"), definitions, 150);

test("whoever writes one is told that nothing acts on it", () => {
  for (const { strategy } of definitions) {
    expect(strategy.warningsOnCreate?.({ metadata: {} })).toEqual([
      "stored, but not acted on: this server does not call webhooks or evaluate admission policies yet",
    ]);
  }
});

test("an update asks no more of a configuration than what it had", () => {
  const definition = validatingWebhookConfigurations();
  const hook = (more: object) => ({
    name: "a.b.c",
    clientConfig: { url: "https://x" },
    sideEffects: "None",
    admissionReviewVersions: ["v1"],
    ...more,
  });
  const configured = (...hooks: readonly object[]) => decoded(definition, { metadata: { name: "x" }, webhooks: hooks });
  const update = (object: ReturnType<typeof configured>, old: ReturnType<typeof configured>) =>
    definition.strategy.validateUpdate!(object, old, rehearsalContext()).map(({ field }) => field);
  const fine = configured(hook({}));
  const some = configured(hook({ sideEffects: "Some" }));
  const future = configured(hook({ admissionReviewVersions: ["v9"] }));
  const twice = configured(hook({}), hook({}));
  expect(update(some, fine)).toEqual(["webhooks[0].sideEffects"]);
  expect(update(some, some)).toEqual([]);
  expect(update(future, fine)).toEqual(["webhooks[0].admissionReviewVersions"]);
  expect(update(future, future)).toEqual([]);
  expect(update(twice, fine)).toEqual(["webhooks[1].name"]);
  expect(update(twice, twice)).toEqual([]);
});
