/** `Warning` headers: what a handler or an admission plugin wants the person at the client to read (spec: apiserver 1.8). */

const TOTAL_BUDGET = 4096;
const ITEM_BUDGET = 256;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters make a warning unsendable, as upstream decides
const CONTROL = /[\x00-\x1f\x7f-\x9f]/;

/**
 * The header values for `texts`, in order, without duplicates. Lengths count code points. When the texts together pass
 * 4096, all are cut to 256; once the cut ones pass it too, the rest is dropped. Texts with control characters are left out.
 */
export function warningHeaders(texts: readonly string[]): string[] {
  const unique = [...new Set(texts)].filter((text) => text !== "" && !CONTROL.test(text));
  const headers: string[] = [];
  let written = 0;
  let truncating = false;
  for (const [index, text] of unique.entries()) {
    if (truncating && written >= TOTAL_BUDGET) break;
    const length = runes(text);
    if (!truncating && written + length > TOTAL_BUDGET) {
      truncating = true;
      written = 0;
      headers.length = 0;
      for (const earlier of unique.slice(0, index + 1)) {
        const cut = truncate(earlier);
        written += runes(cut);
        headers.push(quoted(cut));
      }
      continue;
    }
    const kept = truncating ? truncate(text) : text;
    written += runes(kept);
    headers.push(quoted(kept));
  }
  return headers;
}

const runes = (text: string) => (text.length <= ITEM_BUDGET ? text.length : [...text].length);
const truncate = (text: string) => (text.length <= ITEM_BUDGET ? text : [...text].slice(0, ITEM_BUDGET).join(""));
const quoted = (text: string) => `299 - "${text.replace(/["\\]/g, "\\$&")}"`;
