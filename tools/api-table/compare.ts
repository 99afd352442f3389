/** Compares Tenon's codecs with what Go makes of the same objects: `go run ./oracle objects -n 1000 > f && node compare.ts f`. */
import { readFileSync } from "node:fs";
import type { KubeObject } from "../../src/api/meta.ts";
import { parseAPIVersion } from "../../src/api/meta.ts";
import { codecFor } from "../../src/kinds/tables.ts";

const text = new TextDecoder();
let compared = 0;
const failures: string[] = [];

/** Takes our empty resourceVersion slot out of the object's own metadata: Go leaves it out. */
function withoutSlot(json: string): string {
  return json.replace(/"resourceVersion":"",/, "").replace(/,?"resourceVersion":""\}/, "}");
}

for (const line of readFileSync(process.argv[2]!, "utf8").split("\n")) {
  if (line === "") continue;
  const { apiVersion, kind, json, protobuf, back } = JSON.parse(line) as Record<string, string>;
  const codec = codecFor({ ...parseAPIVersion(apiVersion!)!, kind: kind! });
  const go = Buffer.from(protobuf!, "base64");
  const differs = (what: string, ours: string, theirs: string) => {
    if (ours === theirs) return;
    let at = 0;
    while (ours[at] === theirs[at]) at++;
    const around = (side: string) => side.slice(Math.max(0, at - 80), at + 80);
    failures.push(`${kind} #${compared}: ${what} differs at ${at}\n  ours ${around(ours)}\n  Go   ${around(theirs)}`);
  };
  const encode = (object: KubeObject) => {
    const version = object.metadata?.resourceVersion ?? "";
    const ours = text.decode(codec.encode(object, version));
    return version === "" && !json!.includes(`"resourceVersion":""`) ? withoutSlot(ours) : ours;
  };
  const bytes = (object: KubeObject) => Buffer.from(codec.encodeProtobuf!(object)).toString("latin1");
  try {
    const fromJSON = codec.decode(new TextEncoder().encode(json), "application/json");
    if (fromJSON.problems.length > 0) failures.push(`${kind}: ${fromJSON.problems}`);
    differs("JSON → JSON", encode(fromJSON.object), json!);
    differs("JSON → protobuf", bytes(fromJSON.object), go.toString("latin1"));
    const fromProtobuf = codec.decode(go, "application/vnd.kubernetes.protobuf");
    differs("protobuf → JSON", encode(fromProtobuf.object), back ?? json!);
    // Where protobuf lost the difference between empty and absent, Go does not come back to its own bytes either.
    if (back === undefined) differs("protobuf → protobuf", bytes(fromProtobuf.object), go.toString("latin1"));
  } catch (error) {
    failures.push(`${apiVersion} ${kind} #${compared}: ${(error as Error).stack}`);
  }
  compared++;
}
for (const failure of failures.slice(0, 20)) console.log(failure);
console.log(`${compared} objects compared four ways, ${failures.length} differences`);
process.exitCode = failures.length === 0 && compared > 0 ? 0 : 1;
