/** Keys and certificates: made, kept on disk, verified. */
export * from "./certificate.ts";
export { PKIError, type PKIErrorCode } from "./errors.ts";
export { diskFolder, type Folder, memoryFolder } from "./folder.ts";
export { type KubeconfigOptions, kubeconfig } from "./kubeconfig.ts";
export * from "./pki.ts";
export { type ParsedSubject, parseSubject, type Subject, USER_UID_OID } from "./subject.ts";
export * from "./trust-pool.ts";
