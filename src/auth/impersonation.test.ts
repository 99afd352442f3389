import { describe, expect, it } from "vitest";
import type { Authorizer } from "../server/authorization.ts";
import type { UserInfo } from "../server/identity.ts";
import { alwaysAllow } from "./delegated/authorizers.ts";
import { fakeExchange } from "./delegated/exchange.test-support.ts";
import { impersonationFilter, isImpersonationHeader, serviceAccount } from "./impersonation.ts";

const ann: UserInfo = { name: "ann", uid: "", groups: ["system:authenticated"], extra: {} };
const node: UserInfo = {
  ...ann,
  name: "system:serviceaccount:ns:agent",
  extra: { "authentication.kubernetes.io/node-name": ["n1"] },
};

/** Allows what `grants` names: `verb group/resource[/subresource] namespace/name`; `asked` holds every question. */
function granting(...grants: string[]): Authorizer & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    ...alwaysAllow,
    asked,
    authorize(a) {
      const resource = a.subresource === "" ? a.resource : `${a.resource}/${a.subresource}`;
      const line = `${a.verb} ${a.group}/${resource} ${a.namespace}/${a.name}`;
      asked.push(line);
      return { verdict: grants.includes(line) ? "Allow" : "NoOpinion", reason: "" };
    },
  };
}

async function become(headers: [string, string][], authorizer: Authorizer, user = ann): Promise<string> {
  const exchange = fakeExchange({ headers, user });
  let reached = false;
  try {
    await impersonationFilter(authorizer)(exchange, () => {
      reached = true;
    });
  } catch (error) {
    expect(reached).toBe(false);
    expect(exchange.user).toBe(user);
    expect(exchange.answer.headers.get("x-content-type-options")).toBe("nosniff");
    return (error as Error).message;
  }
  expect(reached).toBe(true);
  const { name, uid, groups, extra } = exchange.user;
  return [name, uid, groups.join(","), JSON.stringify(extra)].join(" ");
}

describe("impersonation", () => {
  it.each<readonly [string, [string, string][], string[], string]>([
    ["nobody asked", [], [], "ann  system:authenticated {}"],
    ["an empty user is nobody", [["Impersonate-User", ""]], [], "ann  system:authenticated {}"],
    ["a user", [["Impersonate-User", "bob"]], ["impersonate /users /bob"], "bob  system:authenticated {}"],
    [
      "groups",
      [
        ["impersonate-user", "bob"],
        ["Impersonate-Group", "a, b"],
        ["Impersonate-Group", "c"],
      ],
      ["impersonate /users /bob", "impersonate /groups /a, b", "impersonate /groups /c"],
      "bob  a, b,c,system:authenticated {}",
    ],
    [
      "uid and extra",
      [
        ["Impersonate-User", "bob"],
        ["Impersonate-Uid", "7"],
        ["Impersonate-Extra-Acme.com%2fScopes", "x"],
      ],
      [
        "impersonate /users /bob",
        "impersonate authentication.k8s.io/uids /7",
        "impersonate authentication.k8s.io/userextras/acme.com/scopes /x",
      ],
      'bob 7 system:authenticated {"acme.com/scopes":["x"]}',
    ],
    [
      "a service account",
      [["Impersonate-User", "system:serviceaccount:ns:bot"]],
      ["impersonate /serviceaccounts ns/bot"],
      "system:serviceaccount:ns:bot  system:serviceaccounts,system:serviceaccounts:ns,system:authenticated {}",
    ],
    [
      "a service account with groups of its own",
      [
        ["Impersonate-User", "system:serviceaccount:ns:bot"],
        ["Impersonate-Group", "g"],
      ],
      ["impersonate /serviceaccounts ns/bot", "impersonate /groups /g"],
      "system:serviceaccount:ns:bot  g,system:authenticated {}",
    ],
    [
      "anonymous",
      [["Impersonate-User", "system:anonymous"]],
      ["impersonate /users /system:anonymous"],
      "system:anonymous  system:unauthenticated {}",
    ],
    [
      "somebody unauthenticated",
      [
        ["Impersonate-User", "bob"],
        ["Impersonate-Group", "system:unauthenticated"],
      ],
      ["impersonate /users /bob", "impersonate /groups /system:unauthenticated"],
      "bob  system:unauthenticated {}",
    ],
    [
      "the user granted, the group not",
      [
        ["Impersonate-User", "bob"],
        ["Impersonate-Group", "system:masters"],
      ],
      ["impersonate /users /bob"],
      'pods is forbidden: User "ann" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "ns"',
    ],
    [
      "nothing granted",
      [["Impersonate-User", "bob"]],
      [],
      'pods is forbidden: User "ann" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "ns"',
    ],
    [
      "a group without a user",
      [["Impersonate-Group", "a"]],
      [],
      'requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"a"}, Extra:map[string][]string(nil)} without impersonating a user name',
    ],
    [
      "extra without a user",
      [["Impersonate-Extra-a", "b"]],
      [],
      'requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string(nil), Extra:map[string][]string{"a":[]string{"b"}}} without impersonating a user name',
    ],
    [
      "constrained: the user for this verb",
      [["Impersonate-User", "bob"]],
      ["impersonate-on:user-info:list /pods ns/", "impersonate:user-info authentication.k8s.io/users /bob"],
      "bob  system:authenticated {}",
    ],
    [
      "constrained: a service account",
      [["Impersonate-User", "system:serviceaccount:ns:bot"]],
      [
        "impersonate-on:serviceaccount:list /pods ns/",
        "impersonate:serviceaccount authentication.k8s.io/serviceaccounts ns/bot",
      ],
      "system:serviceaccount:ns:bot  system:serviceaccounts,system:serviceaccounts:ns,system:authenticated {}",
    ],
    [
      "constrained: any node",
      [["Impersonate-User", "system:node:n1"]],
      ["impersonate-on:arbitrary-node:list /pods ns/", "impersonate:arbitrary-node authentication.k8s.io/nodes /n1"],
      "system:node:n1  system:nodes,system:authenticated {}",
    ],
    [
      "constrained: never system:masters",
      [
        ["Impersonate-User", "bob"],
        ["Impersonate-Group", "system:masters"],
      ],
      [
        "impersonate-on:user-info:list /pods ns/",
        "impersonate:user-info authentication.k8s.io/users /bob",
        "impersonate:user-info authentication.k8s.io/groups /system:masters",
      ],
      'groups.authentication.k8s.io "system:masters" is forbidden: User "ann" cannot impersonate:user-info resource "groups" in API group "authentication.k8s.io" at the cluster scope: impersonating the system:masters group is not allowed',
    ],
  ])("%s", async (_, headers, grants, expected) => {
    expect(await become(headers, granting(...grants))).toBe(expected);
  });

  it("an agent becomes the node it runs on, and no other", async () => {
    const grants = granting(
      "impersonate-on:associated-node:list /pods ns/",
      "impersonate:associated-node authentication.k8s.io/nodes /*",
    );
    expect(await become([["Impersonate-User", "system:node:n1"]], grants, node)).toBe(
      "system:node:n1  system:nodes,system:authenticated {}",
    );
    expect(await become([["Impersonate-User", "system:node:n2"]], grants, node)).toContain(
      "cannot impersonate-on:arbitrary-node:list",
    );
  });

  it("the question is asked as the one who asks, never as the one asked for", async () => {
    const users = new Set<string>();
    const watching: Authorizer = {
      ...alwaysAllow,
      authorize: ({ user }) =>
        users.add(user.name) ? { verdict: "NoOpinion", reason: "" } : { verdict: "Deny", reason: "" },
    };
    await become(
      [
        ["Impersonate-User", "root"],
        ["Impersonate-Group", "system:masters"],
      ],
      watching,
    );
    expect([...users]).toEqual(["ann"]);
  });

  it("names cannot look like HTML", async () => {
    const message = await become([["Impersonate-User", "bob"]], granting(), { ...ann, name: "<script>&" });
    expect(message).toContain('User "&lt;script&gt;&amp;" cannot');
  });

  it.each([
    ["Impersonate-User", true],
    ["IMPERSONATE-EXTRA-x", true],
    ["Impersonate-Uid", true],
    ["Impersonate", false],
    ["X-Impersonate-User", false],
  ])("%s is an impersonation header: %s", (name, yes) => {
    expect(isImpersonationHeader(name)).toBe(yes);
  });

  it.each([
    ["system:serviceaccount:a:b", { namespace: "a", name: "b" }],
    ["system:serviceaccount:a:b.c-d", { namespace: "a", name: "b.c-d" }],
    ["system:serviceaccount:a:b:c", undefined],
    ["system:serviceaccount::b", undefined],
    ["system:serviceaccount:a:", undefined],
    ["system:serviceaccount:A:b", undefined],
    ["system:serviceaccount:a:b\n", undefined],
  ])("%j", (name, expected) => {
    expect(serviceAccount(name)).toEqual(expected);
  });
});
