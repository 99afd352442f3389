/** What a Pod or a pod template says when its author said nothing; clients compare these, so all of them are here. */
import { parseQuantity, ZERO } from "../../api/quantity.ts";
import type { Container, Pod, PodSpec, PodTemplateSpec, Probe, Volume } from "../generated/types.ts";

type Named<T> = Record<string, T>;

/** `Always` for the tag latest, said or unsaid; else `IfNotPresent`. A digest alone is no tag. */
export function defaultPullPolicy(image: string): "Always" | "IfNotPresent" {
  const digest = image.indexOf("@");
  const reference = digest < 0 ? image : image.slice(0, digest);
  const last = reference.slice(reference.lastIndexOf("/") + 1);
  const colon = last.indexOf(":");
  const tag = colon < 0 ? "" : last.slice(colon + 1);
  // What does not parse as a reference counts as one with a tag.
  const path = (colon < 0 ? reference : reference.slice(0, reference.length - tag.length - 1)).split("/");
  const repository = path.length > 1 && /[.:]|^localhost$/.test(path[0]!) ? path.slice(1) : path;
  if (!repository.every((part) => /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$/.test(part))) return "IfNotPresent";
  if (colon >= 0) return tag === "latest" ? "Always" : "IfNotPresent";
  return digest < 0 ? "Always" : "IfNotPresent";
}

/** Quantities below a thousandth are rounded up. */
function roundResources(list: Named<string> | undefined): void {
  for (const [name, text] of Object.entries(list ?? {})) {
    try {
      const quantity = parseQuantity(text);
      const milli = quantity.milliValue();
      const rounded = parseQuantity(`${milli}m`);
      if (rounded.compare(quantity) !== 0) list![name] = `${rounded.add(ZERO)}`;
    } catch {
      // The codec refuses what is no quantity; nothing to round.
    }
  }
}

function defaultProbe(probe: Probe | undefined): void {
  if (!probe) return;
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  defaultHTTPGet(probe.httpGet);
  if (probe.grpc) probe.grpc.service ??= "";
}

function defaultHTTPGet(action: { path?: string; scheme?: string } | undefined): void {
  if (!action) return;
  action.path ||= "/";
  action.scheme ||= "HTTP";
}

function defaultFieldRef(reference: { apiVersion?: string } | undefined): void {
  if (reference) reference.apiVersion ||= "v1";
}

function defaultContainer(container: Container): void {
  container.imagePullPolicy ||= defaultPullPolicy(container.image ?? "");
  container.terminationMessagePath ||= "/dev/termination-log";
  container.terminationMessagePolicy ||= "File";
  for (const port of container.ports ?? []) port.protocol ||= "TCP";
  for (const variable of container.env ?? []) {
    defaultFieldRef(variable.valueFrom?.fieldRef);
    if (variable.valueFrom?.fileKeyRef) variable.valueFrom.fileKeyRef.optional ??= false;
  }
  container.resources ??= {};
  roundResources(container.resources.limits);
  roundResources(container.resources.requests);
  defaultProbe(container.livenessProbe);
  defaultProbe(container.readinessProbe);
  defaultProbe(container.startupProbe);
  defaultHTTPGet(container.lifecycle?.postStart?.httpGet);
  defaultHTTPGet(container.lifecycle?.preStop?.httpGet);
}

/** Modes of files from the API: 0644 in octal. */
const FILE_MODE = 0o644;

function defaultVolume(volume: Volume): void {
  if (Object.keys(volume).every((key) => key === "name")) volume.emptyDir = {};
  if (volume.hostPath) volume.hostPath.type ??= "";
  if (volume.secret) volume.secret.defaultMode ??= FILE_MODE;
  if (volume.configMap) volume.configMap.defaultMode ??= FILE_MODE;
  if (volume.downwardAPI) {
    volume.downwardAPI.defaultMode ??= FILE_MODE;
    for (const item of volume.downwardAPI.items ?? []) defaultFieldRef(item.fieldRef);
  }
  if (volume.projected) {
    volume.projected.defaultMode ??= FILE_MODE;
    for (const source of volume.projected.sources ?? []) {
      for (const item of source.downwardAPI?.items ?? []) defaultFieldRef(item.fieldRef);
      if (source.serviceAccountToken) source.serviceAccountToken.expirationSeconds ??= 3600;
    }
  }
  if (volume.iscsi) volume.iscsi.iscsiInterface ||= "default";
  if (volume.rbd) {
    volume.rbd.pool ||= "rbd";
    volume.rbd.user ||= "admin";
    volume.rbd.keyring ||= "/etc/ceph/keyring";
  }
  if (volume.azureDisk) {
    volume.azureDisk.cachingMode ??= "ReadWrite";
    volume.azureDisk.fsType ??= "ext4";
    volume.azureDisk.readOnly ??= false;
    volume.azureDisk.kind ??= "Shared";
  }
  if (volume.scaleIO) {
    volume.scaleIO.storageMode ||= "ThinProvisioned";
    volume.scaleIO.fsType ||= "xfs";
  }
  const claim = volume.ephemeral?.volumeClaimTemplate?.spec;
  if (claim) {
    claim.volumeMode ??= "Filesystem";
    roundResources(claim.resources?.limits);
    roundResources(claim.resources?.requests);
  }
  if (volume.image) volume.image.pullPolicy ||= defaultPullPolicy(volume.image.reference ?? "");
}

export function defaultPodSpec(spec: PodSpec): void {
  spec.dnsPolicy ||= "ClusterFirst";
  spec.restartPolicy ||= "Always";
  spec.securityContext ??= {};
  spec.terminationGracePeriodSeconds ??= 30;
  spec.schedulerName ||= "default-scheduler";
  // Two names of one field.
  if (spec.serviceAccountName) spec.serviceAccount = spec.serviceAccountName;
  else if (spec.serviceAccount) spec.serviceAccountName = spec.serviceAccount;
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
  for (const container of spec.initContainers ?? []) defaultContainer(container);
  for (const container of spec.containers ?? []) defaultContainer(container);
  for (const container of spec.ephemeralContainers ?? []) defaultContainer(container as Container);
  roundResources(spec.overhead);
}

export function defaultPodTemplate(template: PodTemplateSpec): void {
  template.metadata ??= {};
  template.spec ??= { containers: null };
  defaultPodSpec(template.spec);
}

/** Limits become requests; only pods, not templates, do so. */
function requestsFromLimits(container: Container): void {
  const { limits } = container.resources ?? {};
  if (!limits) return;
  const requests = new Map(Object.entries(container.resources!.requests ?? {}));
  for (const [name, value] of Object.entries(limits)) if (!requests.has(name)) requests.set(name, value);
  container.resources!.requests = Object.fromEntries(requests);
}

export function defaultPod(pod: Pod): void {
  pod.spec ??= { containers: null };
  pod.status ??= {};
  for (const container of [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])]) {
    requestsFromLimits(container);
  }
  pod.spec.enableServiceLinks ??= true;
  defaultPodSpec(pod.spec);
  // On the host's network every port is one of the host; only pods, not templates, say so.
  if (pod.spec.hostNetwork) {
    for (const container of [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])]) {
      for (const port of container.ports ?? []) port.hostPort ||= port.containerPort;
    }
  }
  const { status } = pod;
  if (status.podIP && !status.podIPs?.length) status.podIPs = [{ ip: status.podIP }];
  else if (!status.podIP && status.podIPs?.[0]?.ip) status.podIP = status.podIPs[0].ip;
  if (status.hostIP && !status.hostIPs?.length) status.hostIPs = [{ ip: status.hostIP }];
  else if (!status.hostIP && status.hostIPs?.[0]?.ip) status.hostIP = status.hostIPs[0].ip;
}
