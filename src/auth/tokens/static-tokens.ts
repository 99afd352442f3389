/** Tokens from a file: `token,user,uid,"group1,group2"` a line (spec: apiserver 10.1). */
import { createHash } from "node:crypto";
import type { TokenAuthenticator, UserInfo } from "../../server/identity.ts";
import { newExtra } from "../delegated/headers.ts";

/** Reads the file's text. Throws an Error naming the line that is wrong; never the token. */
export function parseTokenFile(text: string): Map<string, UserInfo> {
  const users = new Map<string, UserInfo>();
  for (const [index, record] of csvRecords(text).entries()) {
    if (record.length === 1 && record[0] === "") continue;
    const [token = "", name = "", uid = "", groups = ""] = record;
    const where = `token file, record ${index + 1}`;
    if (record.length < 3)
      throw new Error(`${where}: must have at least 3 columns (token, user name, user uid), found ${record.length}`);
    if (token === "") throw new Error(`${where}: the token is empty`);
    if (name === "") throw new Error(`${where}: the user name is empty`);
    users.set(token, { name, uid, groups: groups === "" ? [] : groups.split(","), extra: newExtra() });
  }
  return users;
}

/** Looks tokens up by their hash, so that timing tells nothing of a token. */
export function staticTokens(users: ReadonlyMap<string, UserInfo>): TokenAuthenticator {
  const hash = (token: string) => createHash("sha256").update(token).digest("base64");
  const byHash = new Map([...users].map(([token, user]) => [hash(token), user]));
  return {
    authenticateToken(token, audiences) {
      const user = byHash.get(hash(token));
      return user === undefined ? undefined : { user, audiences };
    },
  };
}

/** RFC 4180: quotes, doubled quotes, commas and line breaks within quotes; lines that start with `#` are not special. */
function csvRecords(text: string): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  let field = "";
  let quoted = false;
  const endRecord = () => {
    records.push([...record, field.trim()]);
    record = [];
    field = "";
  };
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (quoted) {
      if (char !== '"') field += char;
      else if (text[at + 1] === '"') {
        field += '"';
        at++;
      } else quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === ",") {
      record.push(field.trim());
      field = "";
    } else if (char === "\n") endRecord();
    else if (char !== "\r") field += char;
  }
  if (field !== "" || record.length > 0) endRecord();
  return records;
}
