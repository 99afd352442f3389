/** The order of API versions as discovery shows them: v2, v1, v1beta2, v1beta1, v1alpha1, then everything else by name. */

const KUBE_VERSION = /^v([0-9]+)(?:(alpha|beta)([0-9]+))?$/;
const STABILITY: Record<string, number> = { alpha: 0, beta: 1 };

function parse(version: string): readonly [number, number, number] | undefined {
  const match = KUBE_VERSION.exec(version);
  if (match === null) return undefined;
  return [match[2] === undefined ? 2 : STABILITY[match[2]]!, Number(match[1]), Number(match[3] ?? 0)];
}

/** For `sort`: the preferred version first. */
export function compareVersions(a: string, b: string): number {
  if (a === b) return 0;
  const left = parse(a);
  const right = parse(b);
  if (left === undefined || right === undefined) {
    if (left === undefined && right === undefined) return a < b ? -1 : 1;
    return left === undefined ? 1 : -1;
  }
  for (let part = 0; part < 3; part++) {
    if (left[part] !== right[part]) return right[part]! - left[part]!;
  }
  return 0;
}
