/** The rules of how a definition's versions become one another: not at all, or by a webhook (spec: apiserver 8.1, 8.11). */
import { X509Certificate } from "node:crypto";
import {
  at,
  child,
  type FieldError,
  forbiddenField,
  invalidValue,
  notSupported,
  required,
} from "../../api/field-errors.ts";
import { dns1035Label } from "../../api/names.ts";
import { printedJSON } from "../../schema/definition-print.ts";
import { MAX_ERRORS } from "../../schema/definition-schema.ts";
import type { CustomResourceConversion } from "../generated/types.ts";
import { webhookServiceErrors, webhookURLErrors } from "../webhook-address.ts";

/** Versions of ConversionReview that are understood. */
const REVIEW_VERSIONS = ["v1", "v1beta1"];

export interface ConversionOptions {
  /** At least one version of ConversionReview must be one we speak. */
  readonly recognizedVersion: boolean;
  /** A bundle that cannot be read is accepted: nothing depends on it yet, or it was stored before. */
  readonly anyBundle: boolean;
}

export function hasRecognizedVersion(conversion: CustomResourceConversion | undefined): boolean {
  const versions = conversion?.webhook?.conversionReviewVersions ?? [];
  return versions.length === 0 || versions.some((version) => REVIEW_VERSIONS.includes(version));
}

/** Errors carry the names of upstream's internal form. */
export function conversionErrors(
  conversion: CustomResourceConversion | undefined,
  path: string,
  options: ConversionOptions,
): FieldError[] {
  if (!conversion) return [];
  const { strategy = "", webhook } = conversion;
  const errors: FieldError[] = [];
  if (strategy === "") errors.push(required(child(path, "strategy")));
  else if (strategy !== "None" && strategy !== "Webhook") {
    errors.push(notSupported(child(path, "strategy"), strategy, ["None", "Webhook"]));
  }
  const clientField = child(path, "webhookClientConfig");
  const versionsField = child(path, "conversionReviewVersions");
  const client = webhook?.clientConfig;
  const versions = webhook?.conversionReviewVersions ?? [];
  if (strategy !== "Webhook") {
    const detail = "should not be set when strategy is not set to Webhook";
    if (client) errors.push(forbiddenField(clientField, detail));
    if (versions.length > 0) errors.push(forbiddenField(versionsField, detail));
    return errors;
  }
  if (!client) errors.push(required(clientField, "required when strategy is set to Webhook"));
  else {
    const { url, service, caBundle } = client;
    if ((url === undefined) === !service)
      errors.push(required(clientField, "exactly one of url or service is required"));
    else if (url !== undefined) errors.push(...webhookURLErrors(url, child(clientField, "url")));
    else if (service) errors.push(...webhookServiceErrors(service, child(clientField, "service")));
    if (caBundle && !options.anyBundle) {
      const problem = bundleProblem(caBundle);
      if (problem !== undefined) {
        errors.push(invalidValue(child(clientField, "caBundle"), printedJSON(caBundle), problem));
      }
    }
  }
  errors.push(...reviewVersionErrors(versions, versionsField, options.recognizedVersion));
  return errors;
}

function reviewVersionErrors(versions: readonly string[], path: string, recognized: boolean): FieldError[] {
  if (versions.length === 0) return [required(path)];
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [index, version] of versions.entries()) {
    if (errors.length >= MAX_ERRORS) break;
    const field = at(path, index);
    if (seen.has(version)) {
      errors.push(invalidValue(field, version, "duplicate version"));
      continue;
    }
    seen.add(version);
    for (const message of dns1035Label(version)) errors.push(invalidValue(field, version, message));
  }
  if (recognized && !REVIEW_VERSIONS.some((version) => seen.has(version))) {
    const detail = `must include at least one of ${REVIEW_VERSIONS.join(", ")}`;
    errors.push(invalidValue(path, printedJSON([...versions]), detail));
  }
  return errors;
}

const BLOCK = /-----BEGIN ([^\n]*?)-----\r?\n([\s\S]*?)-----END \1-----\r?\n?/g;

/** Why a bundle (base64 of PEM) holds no certificate one could trust; undefined when it does. */
export function bundleProblem(caBundle: string): string | undefined {
  const text = Buffer.from(caBundle, "base64").toString("latin1");
  let problem: string | undefined;
  let rest = 0;
  for (const block of text.matchAll(BLOCK)) {
    rest = block.index + block[0].length;
    if (block[1] !== "CERTIFICATE" || block[2]!.includes(":")) continue;
    try {
      new X509Certificate(block[0]);
      return undefined;
    } catch {
      problem ??= "unable to load root certificates: failed to parse certificate: x509: malformed certificate";
    }
  }
  if (problem !== undefined) return problem;
  if (rest < text.length) return "unable to load root certificates: unable to parse bytes as PEM block";
  return "unable to load root certificates: no valid certificate authority data seen";
}
