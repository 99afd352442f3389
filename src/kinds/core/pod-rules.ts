/** The rules of a pod's spec: what controllers, kubectl and people get wrong, in upstream's words and order. Volume sources, affinity and security contexts are taken as they are. */
import {
  append,
  duplicate,
  forbiddenField,
  invalidValue,
  notFoundField,
  notSupported,
  required,
} from "../../api/field-errors.ts";
import {
  dns1123Label,
  dns1123Subdomain,
  portName,
  portNumber,
  qualifiedName,
  rangeMessage,
  relaxedEnvVarName,
} from "../../api/names.ts";
import { validateLabels } from "../../api/object-meta.ts";
import { parseQuantity } from "../../api/quantity.ts";
import type { FieldError } from "../../api/status.ts";
import type {
  Container,
  ContainerPort,
  EnvVar,
  PodSpec,
  Probe,
  ResourceRequirements,
  Toleration,
  Volume,
  VolumeMount,
} from "../generated/types.ts";
import { PROTOCOLS } from "./endpoints.ts";

const MAX_INT32 = 2 ** 31 - 1;

function worded(field: string, value: string, messages: readonly string[]): FieldError[] {
  return messages.map((message) => invalidValue(field, value, message));
}

function oneOf(field: string, value: string | undefined, values: readonly string[]): FieldError[] {
  if (!value) return [required(field)];
  return values.includes(value) ? [] : [notSupported(field, value, values)];
}

function notNegative(field: string, value: number | undefined): FieldError[] {
  return value !== undefined && value < 0 ? [invalidValue(field, value, "must be greater than or equal to 0")] : [];
}

function volumeErrors(volumes: readonly Volume[], path: string, names: Set<string>): FieldError[] {
  const errors: FieldError[] = [];
  volumes.forEach((volume, index) => {
    const base = `${path}[${index}]`;
    const own: FieldError[] = [];
    const sources = Object.keys(volume).filter((key) => key !== "name");
    for (const extra of sources.slice(1)) {
      own.push(forbiddenField(`${base}.${extra}`, "may not specify more than 1 volume type"));
    }
    const name = volume.name ?? "";
    if (name === "") own.push(required(`${base}.name`));
    else append(own, worded(`${base}.name`, name, dns1123Label(name)));
    if (names.has(name)) own.push(duplicate(`${base}.name`, name));
    if (own.length === 0) names.add(name);
    append(errors, own);
  });
  return errors;
}

function portErrors(ports: readonly ContainerPort[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  ports.forEach((port, index) => {
    const base = `${path}[${index}]`;
    if (port.name) {
      const messages = portName(port.name);
      if (messages.length > 0) append(errors, worded(`${base}.name`, port.name, messages));
      else if (names.has(port.name)) errors.push(duplicate(`${base}.name`, port.name));
      else names.add(port.name);
    }
    if (!port.containerPort) errors.push(required(`${base}.containerPort`));
    else {
      for (const message of portNumber(port.containerPort)) {
        errors.push(invalidValue(`${base}.containerPort`, port.containerPort, message));
      }
    }
    if (port.hostPort) {
      for (const message of portNumber(port.hostPort)) {
        errors.push(invalidValue(`${base}.hostPort`, port.hostPort, message));
      }
    }
    append(errors, oneOf(`${base}.protocol`, port.protocol, PROTOCOLS));
  });
  return errors;
}

function envErrors(variables: readonly EnvVar[], path: string): FieldError[] {
  return variables.flatMap((variable, index) => {
    const base = `${path}[${index}]`;
    const name = variable.name ?? "";
    const errors = name === "" ? [required(`${base}.name`)] : worded(`${base}.name`, name, relaxedEnvVarName(name));
    const { valueFrom } = variable;
    if (!valueFrom) return errors;
    const sources = Object.keys(valueFrom).length;
    const from = `${base}.valueFrom`;
    if (variable.value) errors.push(invalidValue(from, "", "may not be specified when `value` is not empty"));
    else if (sources === 0) {
      errors.push(
        invalidValue(
          from,
          "",
          "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        ),
      );
    } else if (sources > 1) {
      errors.push(invalidValue(from, "", "may not have more than one field specified at a time"));
    }
    return errors;
  });
}

function mountErrors(mounts: readonly VolumeMount[], volumes: ReadonlySet<string>, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const places = new Set<string>();
  mounts.forEach((mount, index) => {
    const base = `${path}[${index}]`;
    const name = mount.name ?? "";
    if (name === "") errors.push(required(`${base}.name`));
    if (!volumes.has(name)) errors.push(notFoundField(`${base}.name`, name));
    const place = mount.mountPath ?? "";
    if (place === "") errors.push(required(`${base}.mountPath`));
    if (places.has(place)) errors.push(invalidValue(`${base}.mountPath`, place, "must be unique"));
    places.add(place);
  });
  return errors;
}

/** Only whole units of these can be given; all else may be given in part or twice. */
const NATIVE = new Set(["cpu", "memory", "ephemeral-storage", "storage"]);

function resourceErrors(resources: ResourceRequirements, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const limits = resources.limits ?? {};
  for (const part of ["limits", "requests"] as const) {
    for (const [name, text] of Object.entries(resources[part] ?? {})) {
      const field = `${path}.${part}[${name}]`;
      for (const message of qualifiedName(name)) errors.push(invalidValue(field, name, message));
      if (!name.includes("/") && !NATIVE.has(name) && !name.startsWith("hugepages-")) {
        errors.push(
          invalidValue(field, name, "must be a standard resource type or fully qualified"),
          invalidValue(field, name, "must be a standard resource for containers"),
        );
      }
      const quantity = parseQuantity(text);
      if (quantity.sign < 0) errors.push(invalidValue(field, text, "must be greater than or equal to 0"));
      if (name.includes("/") && quantity.milliValue() % 1000n !== 0n) {
        errors.push(invalidValue(field, text, "must be an integer"));
      }
      if (part === "limits") continue;
      const limitText = Object.hasOwn(limits, name) ? limits[name] : undefined;
      const mayDiffer = NATIVE.has(name) || (name.includes("/") && name.split("/")[0]!.endsWith("kubernetes.io"));
      if (limitText === undefined) {
        if (!mayDiffer) errors.push(required(`${path}.limits`, "Limit must be set for non overcommitable resources"));
        continue;
      }
      const order = quantity.compare(parseQuantity(limitText));
      if (order !== 0 && !mayDiffer) {
        errors.push(invalidValue(`${path}.requests`, text, `must be equal to ${name} limit of ${limitText}`));
      } else if (order > 0) {
        errors.push(
          invalidValue(`${path}.requests`, text, `must be less than or equal to ${name} limit of ${limitText}`),
        );
      }
    }
  }
  return errors;
}

function probeErrors(probe: Probe | undefined, path: string, once: boolean): FieldError[] {
  if (!probe) return [];
  const errors: FieldError[] = [];
  const handlers = (["exec", "httpGet", "tcpSocket", "grpc"] as const).filter((name) => probe[name] !== undefined);
  for (const extra of handlers.slice(1)) {
    errors.push(forbiddenField(`${path}.${extra}`, "may not specify more than 1 handler type"));
  }
  if (handlers.length === 0) errors.push(required(path, "must specify a handler type"));
  if (handlers[0] === "exec" && (probe.exec?.command ?? []).length === 0) errors.push(required(`${path}.exec.command`));
  const numbers = [
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
  ] as const;
  for (const name of numbers) append(errors, notNegative(`${path}.${name}`, probe[name]));
  const grace = probe.terminationGracePeriodSeconds;
  if (grace !== undefined && grace <= 0) {
    errors.push(invalidValue(`${path}.terminationGracePeriodSeconds`, grace, "must be greater than 0"));
  }
  const successes = probe.successThreshold ?? 1;
  if (once && successes !== 1) errors.push(invalidValue(`${path}.successThreshold`, successes, "must be 1"));
  return errors;
}

function commonErrors(container: Container, volumes: ReadonlySet<string>, path: string): FieldError[] {
  const name = container.name ?? "";
  return [
    ...(name === "" ? [required(`${path}.name`)] : worded(`${path}.name`, name, dns1123Label(name))),
    ...(container.image ? [] : [required(`${path}.image`)]),
    ...oneOf(`${path}.terminationMessagePolicy`, container.terminationMessagePolicy, ["File", "FallbackToLogsOnError"]),
    ...portErrors(container.ports ?? [], `${path}.ports`),
    ...envErrors(container.env ?? [], `${path}.env`),
    ...mountErrors(container.volumeMounts ?? [], volumes, `${path}.volumeMounts`),
    ...oneOf(`${path}.imagePullPolicy`, container.imagePullPolicy, ["Always", "IfNotPresent", "Never"]),
    ...resourceErrors(container.resources ?? {}, `${path}.resources`),
  ];
}

function hostPortErrors(containers: readonly Container[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  containers.forEach((container, index) => {
    (container.ports ?? []).forEach((port, position) => {
      if (!port.hostPort) return;
      const key = `${port.protocol}/${port.hostIP ?? ""}/${port.hostPort}`;
      if (seen.has(key)) errors.push(duplicate(`${path}[${index}].ports[${position}].hostPort`, key));
      seen.add(key);
    });
  });
  return errors;
}

function probesOf(container: Container, path: string): FieldError[] {
  return [
    ...probeErrors(container.livenessProbe, `${path}.livenessProbe`, true),
    ...probeErrors(container.readinessProbe, `${path}.readinessProbe`, false),
    ...probeErrors(container.startupProbe, `${path}.startupProbe`, true),
  ];
}

function containerErrors(spec: PodSpec, volumes: ReadonlySet<string>, path: string): FieldError[] {
  const containers = spec.containers ?? [];
  if (containers.length === 0) return [required(`${path}.containers`)];
  const errors: FieldError[] = [];
  const names = new Set<string>();
  containers.forEach((container, index) => {
    const base = `${path}.containers[${index}]`;
    append(errors, commonErrors(container, volumes, base));
    if (names.has(container.name)) errors.push(duplicate(`${base}.name`, container.name));
    names.add(container.name);
    append(errors, probesOf(container, base));
  });
  append(errors, hostPortErrors(containers, `${path}.containers`));
  (spec.initContainers ?? []).forEach((container, index) => {
    const base = `${path}.initContainers[${index}]`;
    append(errors, commonErrors(container, volumes, base));
    if (names.has(container.name)) errors.push(duplicate(`${base}.name`, container.name));
    else if (container.name) names.add(container.name);
    if (container.restartPolicy === "Always") append(errors, probesOf(container, base));
    else {
      for (const field of ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] as const) {
        if (container[field] === undefined) continue;
        const detail = "may not be set for init containers without restartPolicy=Always";
        errors.push(forbiddenField(`${base}.${field}`, detail));
      }
    }
  });
  return errors;
}

export function tolerationErrors(tolerations: readonly Toleration[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  tolerations.forEach((toleration, index) => {
    const base = `${path}[${index}]`;
    const { key = "", operator = "", value = "", effect = "", tolerationSeconds } = toleration;
    if (key !== "") append(errors, worded(`${base}.key`, key, qualifiedName(key)));
    if (key === "" && operator !== "Exists") {
      const detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"';
      errors.push(invalidValue(`${base}.operator`, operator, detail));
    }
    if (tolerationSeconds !== undefined && effect !== "NoExecute") {
      errors.push(invalidValue(`${base}.effect`, effect, "effect must be 'NoExecute' when `tolerationSeconds` is set"));
    }
    if (operator === "Exists" && value !== "") {
      errors.push(invalidValue(`${base}.operator`, value, "value must be empty when `operator` is 'Exists'"));
    } else if (operator !== "" && operator !== "Equal" && operator !== "Exists") {
      errors.push(notSupported(`${base}.operator`, operator, ["Equal", "Exists"]));
    }
    if (effect !== "") append(errors, oneOf(`${base}.effect`, effect, ["NoSchedule", "PreferNoSchedule", "NoExecute"]));
  });
  return errors;
}

/** `path`: `spec`, or where a template has it. The spec has its defaults. */
export function validatePodSpec(spec: PodSpec, path: string): FieldError[] {
  const volumes = new Set<string>();
  const errors = volumeErrors(spec.volumes ?? [], `${path}.volumes`, volumes);
  errors.push(
    ...containerErrors(spec, volumes, path),
    ...oneOf(`${path}.restartPolicy`, spec.restartPolicy, ["Always", "OnFailure", "Never"]),
    ...oneOf(`${path}.dnsPolicy`, spec.dnsPolicy, ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]),
    ...validateLabels(spec.nodeSelector, `${path}.nodeSelector`),
  );
  for (const field of ["serviceAccountName", "nodeName", "priorityClassName"] as const) {
    const value = spec[field];
    if (value) append(errors, worded(`${path}.${field}`, value, dns1123Subdomain(value)));
  }
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && (deadline < 1 || deadline > MAX_INT32)) {
    errors.push(invalidValue(`${path}.activeDeadlineSeconds`, deadline, rangeMessage(1, MAX_INT32)));
  }
  for (const field of ["hostname", "subdomain"] as const) {
    const value = spec[field];
    if (value) append(errors, worded(`${path}.${field}`, value, dns1123Label(value)));
  }
  append(errors, tolerationErrors(spec.tolerations ?? [], `${path}.tolerations`));
  return errors;
}

/** Only for pods themselves: images without space around. */
export function imageSpaceErrors(containers: readonly Container[] | null | undefined, path: string): FieldError[] {
  return (containers ?? []).flatMap((container, index) => {
    const image = container.image ?? "";
    if (image === image.trim()) return [];
    return [invalidValue(`${path}[${index}].image`, image, "must not have leading or trailing whitespace")];
  });
}
