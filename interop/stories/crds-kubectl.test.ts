import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { definition, install, OPEN_SCHEMA, uninstall, uniqueGroup } from "../crd.ts";
import { eventually, story } from "../story.ts";
import { uniqueName } from "../target.ts";

const { target, namespace } = story();
const group = uniqueGroup();
const name = `plans.${group}`;

afterAll(() => uninstall(target, name));

async function kubectl(args: readonly string[], stdin?: string): Promise<string> {
  const { code, stdout, stderr } = await target.kubectl(["-n", namespace, ...args], stdin);
  expect(code, `kubectl ${args.join(" ")}: ${stderr}`).toBe(0);
  return stdout;
}

const MANIFEST = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ${name}}
spec:
  group: ${group}
  scope: Namespaced
  names: {plural: plans, kind: Plan, shortNames: [pl]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [goal]
            properties:
              goal: {type: string, description: What is to be reached.}
              steps: {type: array, items: {type: string}}
    additionalPrinterColumns:
    - {name: Goal, type: string, jsonPath: .spec.goal}
`;
const plan = (goal: string) => `
apiVersion: ${group}/v1
kind: Plan
metadata: {name: first}
spec: {goal: ${goal}, steps: [a, b]}
`;

describe("kubectl and definitions", () => {
  it("apply, wait, and find the new kind", async () => {
    expect(await kubectl(["apply", "-f", "-"], MANIFEST)).toBe(
      `customresourcedefinition.apiextensions.k8s.io/${name} created\n`,
    );
    expect(await kubectl(["wait", "--for", "condition=established", `crd/${name}`, "--timeout=20s"])).toBe(
      `customresourcedefinition.apiextensions.k8s.io/${name} condition met\n`,
    );
    const listed = await eventually(
      () => target.kubectl(["api-resources", `--api-group=${group}`, "--no-headers"]),
      (result) => result.stdout !== "",
    );
    expect(listed.stdout).toMatch(new RegExp(`^plans +pl +${group}/v1 +true +Plan\\n$`));
    expect(await kubectl(["apply", "-f", "-"], MANIFEST)).toBe(
      `customresourcedefinition.apiextensions.k8s.io/${name} unchanged\n`,
    );
    expect(await kubectl(["get", "crd", name, "--no-headers"])).toMatch(
      new RegExp(`^${name} +\\d{4}-\\d\\d-\\d\\dT\\S+\\n$`),
    );
  });

  it("apply objects, again and changed", async () => {
    const resource = `plan.${group}/first`;
    expect(await kubectl(["apply", "-f", "-"], plan("sea"))).toBe(`${resource} created\n`);
    expect(await kubectl(["apply", "-f", "-"], plan("sea"))).toBe(`${resource} unchanged\n`);
    expect(await kubectl(["apply", "-f", "-"], plan("land"))).toBe(`${resource} configured\n`);
    expect(await kubectl(["get", "pl"])).toMatch(/^NAME +GOAL\nfirst +land\n$/);
    expect(await kubectl(["get", "pl", "first", "-o", "jsonpath={.metadata.generation} {.spec.steps}"])).toBe(
      '2 ["a","b"]',
    );
  });

  it("refuse what the schema does not know, before and at the server", async () => {
    const unknown = await target.kubectl(
      ["-n", namespace, "apply", "-f", "-"],
      plan("sea").replace("steps:", "stops:"),
    );
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain('unknown field "spec.stops"');
    const missing = await target.kubectl(
      ["-n", namespace, "create", "-f", "-"],
      plan("x").replace("goal: x, ", "").replace("first", "bad"),
    );
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain("spec.goal: Required value");
  });

  it("label, annotate, patch, replace, describe and explain", async () => {
    expect(await kubectl(["label", "pl", "first", "a=b"])).toBe(`plan.${group}/first labeled\n`);
    expect(await kubectl(["annotate", "pl", "first", "c=d"])).toBe(`plan.${group}/first annotated\n`);
    expect(await kubectl(["patch", "pl", "first", "--type=merge", "-p", '{"spec":{"goal":"air"}}'])).toBe(
      `plan.${group}/first patched\n`,
    );
    expect(await kubectl(["get", "pl", "-l", "a=b", "-o", "name"])).toBe(`plan.${group}/first\n`);
    const described = await kubectl(["describe", "pl", "first"]);
    expect(described).toMatch(/Labels: +a=b\n/);
    expect(described).toMatch(/Spec:\n +Goal: +air\n +Steps:\n +a\n +b\n/);
    expect(await kubectl(["explain", "plans.spec.goal", `--api-version=${group}/v1`])).toContain(
      "What is to be reached.",
    );
    const replaced = (await kubectl(["get", "pl", "first", "-o", "yaml"])).replace("goal: air", "goal: moon");
    expect(await kubectl(["replace", "-f", "-"], replaced)).toBe(`plan.${group}/first replaced\n`);
  });

  it("delete objects, and with the definition all that are left", async () => {
    await kubectl(["create", "-f", "-"], plan("x").replace("first", "second"));
    expect(await kubectl(["delete", "pl", "second"])).toContain(`plan.${group} "second" deleted`);
    expect(await kubectl(["delete", "-f", "-", "--timeout=20s"], MANIFEST)).toContain(
      `customresourcedefinition.apiextensions.k8s.io "${name}" deleted`,
    );
    const gone = await target.kubectl(["-n", namespace, "get", `plans.${group}`]);
    expect(gone.code).toBe(1);
  });
});

describe("custom resources among the rest", () => {
  const crd = definition(uniqueGroup(), { kind: "Note", schema: OPEN_SCHEMA });
  const notes = (where: string) => `/apis/${crd.spec.group}/v1/namespaces/${where}/notes`;
  const note = { apiVersion: `${crd.spec.group}/v1`, kind: "Note", metadata: { name: "n" }, spec: {} };

  beforeAll(() => install(target, crd));
  afterAll(() => uninstall(target, crd.metadata.name));

  it("are under RBAC", async () => {
    const user = uniqueName("reader");
    const as = { headers: { "impersonate-user": user } };
    const refused = await target.call("GET", notes(namespace), as);
    expect(refused.status).toBe(403);
    expect(refused.json.message).toBe(
      `notes.${crd.spec.group} is forbidden: User "${user}" cannot list resource "notes" in API group "${crd.spec.group}" in the namespace "${namespace}"`,
    );
    await kubectl(["create", "role", user, "--verb=get,list", `--resource=notes.${crd.spec.group}`]);
    await kubectl(["create", "rolebinding", user, `--role=${user}`, `--user=${user}`]);
    const allowed = await eventually(
      () => target.call("GET", notes(namespace), as),
      (answer) => answer.status === 200,
    );
    expect(allowed.status).toBe(200);
    expect((await target.call("POST", notes(namespace), { ...as, body: note })).status).toBe(403);
  });

  it("need a namespace, and go with it", async () => {
    const doomed = uniqueName("doomed");
    const missing = await target.call("POST", notes(doomed), { body: note });
    expect([missing.status, missing.json.message]).toEqual([404, `namespaces "${doomed}" not found`]);
    await target.call("POST", "/api/v1/namespaces", { body: { metadata: { name: doomed } } });
    expect((await target.call("POST", notes(doomed), { body: note })).status).toBe(201);
    await target.call("DELETE", `/api/v1/namespaces/${doomed}`);
    const gone = await eventually(
      () => target.call("GET", `/api/v1/namespaces/${doomed}`),
      (answer) => answer.status === 404,
    );
    expect(gone.status).toBe(404);
    expect((await target.call("GET", `${notes(doomed)}/n`)).status).toBe(404);
  });

  it("have a document of their own, which changes with the definition", async () => {
    const key = `apis/${crd.spec.group}/v1`;
    const index = await eventually(
      () => target.call("GET", "/openapi/v3"),
      (answer) => answer.json.paths[key] !== undefined,
    );
    const url = index.json.paths[key].serverRelativeURL;
    const { json } = await target.call("GET", url);
    const model = `${crd.spec.group.split(".").reverse().join(".")}.v1.Note`;
    expect(json.components.schemas[model]["x-kubernetes-group-version-kind"]).toEqual([
      { group: crd.spec.group, version: "v1", kind: "Note" },
    ]);
    expect(Object.keys(json.components.schemas[model].properties).sort()).toEqual([
      "apiVersion",
      "kind",
      "metadata",
      "spec",
      "status",
    ]);
    expect(json.components.schemas[`${model}List`].required).toEqual(["items"]);
    expect(Object.keys(json.paths).sort()).toEqual([
      `/${key}/namespaces/{namespace}/notes`,
      `/${key}/namespaces/{namespace}/notes/{name}`,
      `/${key}/notes`,
    ]);
    await target.call("PATCH", `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${crd.metadata.name}`, {
      contentType: "application/json-patch+json",
      body: [{ op: "add", path: "/spec/versions/0/schema/openAPIV3Schema/description", value: "Now described." }],
    });
    const changed = await eventually(
      () => target.call("GET", "/openapi/v3"),
      (answer) => answer.json.paths[key]?.serverRelativeURL !== url,
    );
    const again = await target.call("GET", changed.json.paths[key].serverRelativeURL);
    expect(again.json.components.schemas[model].description).toBe("Now described.");
  });
});
