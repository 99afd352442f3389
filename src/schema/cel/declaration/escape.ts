/** Names of properties as identifiers: `a-b` is `a__dash__b`, `namespace` is `__namespace__` (spec: apiserver 8.6). */

const RESERVED = new Set(
  "true false null in as break const continue else for function if import let loop package namespace return var void while".split(
    " ",
  ),
);
const WRITTEN: Record<string, string> = { __: "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__" };
const READ: Record<string, string> = { underscores: "__", dot: ".", dash: "-", slash: "/" };

/** Undefined: expressions cannot name the property. */
export function escapeName(name: string): string | undefined {
  if (!/^[a-zA-Z_./-][a-zA-Z0-9_./-]*$/.test(name)) return undefined;
  if (RESERVED.has(name)) return `__${name}__`;
  return name.replace(/__|[-./]/g, (part) => WRITTEN[part]!);
}

/** The property an identifier names; undefined when it is none an escape gives. */
export function unescapeName(name: string): string | undefined {
  let wrong = false;
  const read = name.replace(/__([^_]+)__/g, (whole, word: string) => {
    if (Object.hasOwn(READ, word)) return READ[word]!;
    if (!RESERVED.has(word) || whole !== name) wrong = true;
    return word;
  });
  return wrong ? undefined : read;
}
