/** A kubeconfig file for `kubectl` and every other client. */

export interface KubeconfigOptions {
  /** The name of cluster and context; default `tenon`. */
  readonly name?: string;
  /** `https://127.0.0.1:6443` */
  readonly server: string;
  /** PEM; absent: the system's roots. */
  readonly certificateAuthority?: string;
  /** The user's name in the file; default `admin`. */
  readonly user?: string;
  /** PEM. */
  readonly clientCertificate?: string;
  readonly clientKey?: string;
  readonly token?: string;
  readonly namespace?: string;
}

/** The file's text: JSON is YAML, and this is YAML whose every scalar is a JSON string, so that no value can break out of its place. */
export function kubeconfig(options: KubeconfigOptions): string {
  const name = options.name ?? "tenon";
  const user = options.user ?? "admin";
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const line = (indent: number, key: string, value: string | undefined) =>
    value === undefined ? [] : [`${" ".repeat(indent)}${key}: ${JSON.stringify(value)}`];
  const data = (indent: number, key: string, value: string | undefined) =>
    line(indent, key, value === undefined ? undefined : base64(value));
  const credentials = [
    ...data(4, "client-certificate-data", options.clientCertificate),
    ...data(4, "client-key-data", options.clientKey),
    ...line(4, "token", options.token),
  ];
  return [
    "apiVersion: v1",
    "kind: Config",
    "clusters:",
    ...line(0, "- name", name),
    "  cluster:",
    ...line(4, "server", options.server),
    ...data(4, "certificate-authority-data", options.certificateAuthority),
    "users:",
    ...line(0, "- name", user),
    credentials.length === 0 ? "  user: {}" : "  user:",
    ...credentials,
    "contexts:",
    ...line(0, "- name", name),
    "  context:",
    ...line(4, "cluster", name),
    ...line(4, "user", user),
    ...line(4, "namespace", options.namespace),
    ...line(0, "current-context", name),
    "",
  ].join("\n");
}
