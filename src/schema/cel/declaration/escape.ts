/** Names of properties as identifiers: `a-b` is `a__dash__b`, `namespace` is `__namespace__` (spec: apiserver 8.6). */

const RESERVED = new Set(
  "true false null in as break const continue else for function if import let loop package namespace return var void while".split(
    " ",
  ),
);
const WRITTEN: Record<string, string> = { __: "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__" };

/** Words that are no variables but may be fields: `self.namespace` and `self.__namespace__` are the same. */
export function isKeyword(name: string): boolean {
  return RESERVED.has(name);
}

/** Undefined: expressions cannot name the property. */
export function escapeName(name: string): string | undefined {
  if (!/^[a-zA-Z_./-][a-zA-Z0-9_./-]*$/.test(name)) return undefined;
  if (RESERVED.has(name)) return `__${name}__`;
  return name.replace(/__|[-./]/g, (part) => WRITTEN[part]!);
}
