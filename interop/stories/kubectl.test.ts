import { describe, expect, inject, it } from "vitest";
import { eventually } from "../story.ts";
import { openTarget, uniqueName } from "../target.ts";

const target = openTarget(inject("kubeconfig"));
const namespace = uniqueName("demo");

/** Runs kubectl in the story's namespace; it must succeed. */
async function kubectl(command: string, stdin?: string): Promise<string> {
  const { code, stdout, stderr } = await target.kubectl(["-n", namespace, ...command.split(" ")], stdin);
  expect(stderr.replace(/^WARNING: version difference.*$/gm, "").trim(), `kubectl ${command}`).toBe("");
  expect(code, `kubectl ${command}: ${stderr}`).toBe(0);
  return stdout;
}

const MANIFEST = (color: string) => `
apiVersion: v1
kind: ConfigMap
metadata: {name: applied, labels: {app: demo}}
data: {color: ${color}}
---
apiVersion: v1
kind: Service
metadata: {name: applied}
spec:
  selector: {app: demo}
  ports:
  - {name: http, port: 80, targetPort: 8080}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: applied}
spec:
  replicas: 2
  selector: {matchLabels: {app: demo}}
  template:
    metadata: {labels: {app: demo}}
    spec:
      containers:
      - name: web
        image: example.com/web:${color}
        ports: [{containerPort: 8080}]
        env: [{name: COLOR, value: ${color}}]
`;

describe("kubectl, unmodified", () => {
  it("creates a namespace with what every namespace has", async () => {
    expect(await kubectl(`create ns ${namespace}`)).toBe(`namespace/${namespace} created\n`);
    const account = await eventually(
      () => target.call("GET", `/api/v1/namespaces/${namespace}/serviceaccounts/default`),
      (answer) => answer.status === 200,
    );
    expect(account.status).toBe(200);
    const ca = await eventually(
      () => target.call("GET", `/api/v1/namespaces/${namespace}/configmaps/kube-root-ca.crt`),
      (answer) => answer.status === 200,
    );
    expect(ca.json.data["ca.crt"]).toContain("BEGIN CERTIFICATE");
  });

  it("lists what the server has", async () => {
    const listed = await kubectl("api-resources");
    for (const line of [
      /^configmaps +cm +v1 +true +ConfigMap$/m,
      /^deployments +deploy +apps\/v1 +true +Deployment$/m,
      /^apiservices +apiregistration.k8s.io\/v1 +false +APIService$/m,
    ]) {
      expect(listed).toMatch(line);
    }
    expect(await kubectl("api-versions")).toContain("rbac.authorization.k8s.io/v1\n");
    const services = await kubectl("get apiservices");
    expect(services).toMatch(/^NAME +SERVICE +AVAILABLE +AGE\n/);
    expect(services).toMatch(/^v1\.apps +Local +True +\S+$/m);
  });

  it("creates a config map, a deployment and a service account", async () => {
    expect(await kubectl("create configmap made --from-literal=a=1")).toBe("configmap/made created\n");
    expect(await kubectl("create deployment made --image=example.com/made:1 --replicas=3")).toBe(
      "deployment.apps/made created\n",
    );
    expect(await kubectl("create serviceaccount made")).toBe("serviceaccount/made created\n");
    expect(await kubectl("get cm made -o jsonpath={.data.a}")).toBe("1");
  });

  it("applies what is new, unchanged and changed", async () => {
    expect(await kubectl("apply -f -", MANIFEST("red"))).toBe(
      "configmap/applied created\nservice/applied created\ndeployment.apps/applied created\n",
    );
    expect(await kubectl("apply -f -", MANIFEST("red"))).toBe(
      "configmap/applied unchanged\nservice/applied unchanged\ndeployment.apps/applied unchanged\n",
    );
    expect(await kubectl("apply -f -", MANIFEST("blue"))).toBe(
      "configmap/applied configured\nservice/applied unchanged\ndeployment.apps/applied configured\n",
    );
    const deployment = JSON.parse(await kubectl("get deploy applied -o json"));
    expect(deployment.metadata.generation).toBe(2);
    expect(deployment.spec.template.spec.containers).toHaveLength(1);
    expect(deployment.spec.template.spec.containers[0]).toMatchObject({
      image: "example.com/web:blue",
      env: [{ name: "COLOR", value: "blue" }],
      imagePullPolicy: "IfNotPresent",
      terminationMessagePath: "/dev/termination-log",
    });
  });

  it("labels, annotates, scales, edits by patch", async () => {
    expect(await kubectl("label cm made color=red")).toBe("configmap/made labeled\n");
    expect(await kubectl("label cm made color=red")).toBe("configmap/made not labeled\n");
    expect(await kubectl("annotate cm made note=hello")).toBe("configmap/made annotated\n");
    expect(await kubectl("get cm -l color=red -o name")).toBe("configmap/made\n");
    expect(await kubectl("scale deployment made --replicas=5")).toBe("deployment.apps/made scaled\n");
    expect(await kubectl("get deploy made -o jsonpath={.spec.replicas}")).toBe("5");
    expect(
      await kubectl(
        'patch deploy made -p {"spec":{"template":{"spec":{"containers":[{"name":"made","image":"example.com/made:2"}]}}}}',
      ),
    ).toBe("deployment.apps/made patched\n");
    expect(await kubectl("set image deploy/made made=example.com/made:3")).toBe("deployment.apps/made image updated\n");
    expect(await kubectl("get deploy made -o jsonpath={.spec.template.spec.containers[*].image}")).toBe(
      "example.com/made:3",
    );
  });

  it("prints the tables people know", async () => {
    expect(await kubectl("get deploy -o wide")).toMatch(
      /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE +CONTAINERS +IMAGES +SELECTOR\n/,
    );
    expect(await kubectl("get svc -o wide")).toMatch(
      /^NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE +SELECTOR\napplied +ClusterIP +10\.\d+\.\d+\.\d+ +<none> +80\/TCP +\S+ +app=demo\n/,
    );
    expect(await kubectl("get deploy made")).toMatch(/^made +0\/5 +0 +0 +\d+s$/m);
    expect(await kubectl("get ns")).toMatch(new RegExp(`^${namespace} +Active +\\d+s$`, "m"));
    expect(await kubectl("get all")).toMatch(/^service\/applied /m);
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "lonely" },
      spec: { containers: [{ name: "c", image: "example.com/c" }] },
    };
    await kubectl("apply -f -", JSON.stringify(pod));
    expect(await kubectl("get pods -o wide")).toMatch(
      /^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES\nlonely +0\/1 +Pending +0 +\d+s +<none> +<none> +<none> +<none>\n/,
    );
    await kubectl("delete pod lonely --wait=false");
    expect(await kubectl("get pods,svc,deploy -A -o wide")).toContain("deployment.apps/made");
    expect(await kubectl("describe deploy made")).toContain("Replicas:               5 desired");
  });

  it("knows what one may do and who one is", async () => {
    expect(await kubectl("auth can-i create pods")).toBe("yes\n");
    const refused = await target.kubectl(["auth", "can-i", "list", "secrets", "--as", "jane"]);
    expect(refused.stdout).toBe("no\n");
    expect(await kubectl("auth whoami")).toMatch(/Username +kubernetes-admin/);
    expect(await kubectl("auth can-i --list --as jane")).toContain("selfsubjectreviews.authentication.k8s.io");
  });

  it("explains", async () => {
    const explained = await kubectl("explain deployment.spec");
    expect(explained).toMatch(/^GROUP: +apps\nKIND: +Deployment\nVERSION: +v1\n/);
    expect(explained).toMatch(/^ {2}selector\t<LabelSelector> -required-$/m);
  });

  it("refuses what does not validate, and says why", async () => {
    const { code, stderr } = await target.kubectl(
      ["-n", namespace, "apply", "-f", "-"],
      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: wrong}\ndta: {}\n",
    );
    expect(code).toBe(1);
    expect(stderr).toContain('strict decoding error: unknown field "dta"');
    const missing = await target.kubectl(["-n", namespace, "get", "cm", "missing"]);
    expect(missing.stderr).toBe('Error from server (NotFound): configmaps "missing" not found\n');
    const again = await target.kubectl(["create", "ns", namespace]);
    expect(again.stderr).toBe(`Error from server (AlreadyExists): namespaces "${namespace}" already exists\n`);
  });

  it("waits, diffs and deletes", async () => {
    expect(await kubectl("wait --for=jsonpath={.spec.replicas}=5 deploy/made --timeout=5s")).toBe(
      "deployment.apps/made condition met\n",
    );
    const diff = await target.kubectl(["-n", namespace, "diff", "-f", "-"], MANIFEST("green"));
    expect(diff.code).toBe(1);
    expect(diff.stdout).toMatch(/^\+ +color: green$/m);
    expect(await kubectl("delete cm made --wait=true")).toMatch(/^configmap "made" deleted/);
  });

  it("drains a node", async () => {
    const node = `${namespace}-node`;
    const made = JSON.stringify({ apiVersion: "v1", kind: "Node", metadata: { name: node } });
    await kubectl("create -f -", made);
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "drained" },
      spec: {
        nodeName: node,
        terminationGracePeriodSeconds: 0,
        tolerations: [{ operator: "Exists" }],
        containers: [{ name: "c", image: "example.com/c" }],
      },
    };
    await kubectl("create -f -", JSON.stringify(pod));
    const dry = await target.kubectl(["drain", node, "--force", "--dry-run=server"]);
    expect(dry.stdout).toBe(
      `node/${node} cordoned (server dry run)\nevicting pod ${namespace}/drained (server dry run)\nnode/${node} drained (server dry run)\n`,
    );
    const drained = await target.kubectl(["drain", node, "--force", "--timeout=20s"]);
    expect(drained.stdout).toBe(
      `node/${node} cordoned\nevicting pod ${namespace}/drained\npod/drained evicted\nnode/${node} drained\n`,
    );
    expect(await kubectl(`get node ${node}`)).toMatch(/SchedulingDisabled/);
    expect(await kubectl("get pods -o name")).not.toContain("drained");
    expect(await target.kubectl(["delete", "node", node])).toMatchObject({
      code: 0,
      stdout: `node "${node}" deleted\n`,
    });
  });

  it("deletes the namespace with everything in it", async () => {
    const deleted = await target.kubectl(["delete", "ns", namespace, "--timeout=60s"]);
    expect(deleted).toMatchObject({ code: 0, stdout: `namespace "${namespace}" deleted\n` });
    expect((await target.call("GET", `/apis/apps/v1/namespaces/${namespace}/deployments`)).json.items).toEqual([]);
    expect((await target.call("GET", `/api/v1/namespaces/${namespace}`)).status).toBe(404);
  }, 90_000);
});
