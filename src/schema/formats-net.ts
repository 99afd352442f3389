/** Addresses as Go's net package reads them: the formats ipv4, ipv6, cidr and mac. */

/** Four decimal bytes. `sloppy`: leading zeros, as Kubernetes has always read them. */
function dotted(text: string, sloppy: boolean): boolean {
  const parts = text.split(".");
  return (
    parts.length === 4 &&
    parts.every((part) => /^\d+$/.test(part) && (sloppy || part.length === 1 || part[0] !== "0") && Number(part) <= 255)
  );
}

/** Without a zone. `sloppy` is for a dotted tail. */
function colons(text: string, sloppy: boolean): boolean {
  const halves = text.split("::");
  if (halves.length > 2) return false;
  let groups = 0;
  for (const [side, half] of halves.entries()) {
    if (half === "") {
      if (halves.length === 1) return false;
      continue;
    }
    const parts = half.split(":");
    for (const [index, part] of parts.entries()) {
      const last = side === halves.length - 1 && index === parts.length - 1;
      if (last && part.includes(".")) {
        if (!dotted(part, sloppy)) return false;
        groups += 2;
      } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups++;
      else return false;
    }
  }
  return halves.length === 2 ? groups < 8 : groups === 8;
}

function address(text: string, sloppy: boolean): 4 | 6 | undefined {
  // The first of either separator decides, as in Go.
  const first = /[.:]/.exec(text)?.[0];
  if (first === ".") return dotted(text, sloppy) ? 4 : undefined;
  return first === ":" && colons(text, sloppy) ? 6 : undefined;
}

/** As net.ParseIP reads it. */
export function ipAddress(text: string): boolean {
  return address(text, false) !== undefined;
}

export function ipv4(text: string): boolean {
  return text.includes(".") && address(text, true) !== undefined;
}

export function ipv6(text: string): boolean {
  return text.includes(":") && address(text, false) !== undefined;
}

export function cidr(text: string): boolean {
  const slash = text.indexOf("/");
  if (slash < 0) return false;
  const family = address(text.slice(0, slash), true);
  const length = text.slice(slash + 1);
  return family !== undefined && /^\d{1,7}$/.test(length) && Number(length) <= (family === 4 ? 32 : 128);
}

export function mac(text: string): boolean {
  for (const separator of [":", "-"]) {
    if (text[2] !== separator) continue;
    const octets = text.split(separator);
    return [6, 8, 20].includes(octets.length) && octets.every((octet) => /^[0-9a-fA-F]{2}$/.test(octet));
  }
  const groups = text.split(".");
  return [3, 4, 10].includes(groups.length) && groups.every((group) => /^[0-9a-fA-F]{4}$/.test(group));
}
