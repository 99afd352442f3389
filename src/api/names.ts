/** The rules for names: each function answers with messages, none when the value is good (spec: apiserver 3.3). */
import { utf8Length } from "./json/utf8.ts";

export { utf8Length } from "./json/utf8.ts";

const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const DNS1035 = "[a-z]([-a-z0-9]*[a-z0-9])?";
const QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_VALUE = `(${QUALIFIED})?`;
const CONFIG_KEY = "[-._a-zA-Z0-9]+";
const ENV_NAME = "[-._a-zA-Z][-._a-zA-Z0-9]*";
const HEADER_NAME = "[-A-Za-z0-9]+";
const PERCENT = "[0-9]+%";
const C_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*";
const WILDCARD_SUBDOMAIN = `\\*\\.${SUBDOMAIN}`;

// Our own patterns: none is ambiguous, so V8 matches them in linear time.
const whole = (pattern: string) => new RegExp(`^${pattern}$`);
const labelPattern = whole(LABEL);
const subdomainPattern = whole(SUBDOMAIN);
const dns1035Pattern = whole(DNS1035);
const qualifiedPattern = whole(QUALIFIED);
const labelValuePattern = whole(LABEL_VALUE);
const configKeyPattern = whole(CONFIG_KEY);
const envNamePattern = whole(ENV_NAME);
const headerNamePattern = whole(HEADER_NAME);
const percentPattern = whole(PERCENT);
const cIdentifierPattern = whole(C_IDENTIFIER);
const wildcardPattern = whole(WILDCARD_SUBDOMAIN);

/** How upstream words a failed pattern: `… (e.g. 'a',  or 'b', regex used for validation is '…')`. */
export function regexMessage(message: string, pattern: string, ...examples: string[]): string {
  if (examples.length === 0) return `${message} (regex used for validation is '${pattern}')`;
  const listed = examples.map((example) => `'${example}', `).join(" or ");
  return `${message} (e.g. ${listed}regex used for validation is '${pattern}')`;
}

export function maxLengthMessage(length: number): string {
  return `must be no more than ${length} characters`;
}

export function rangeMessage(low: number, high: number): string {
  return `must be between ${low} and ${high}, inclusive`;
}

/** The trailing dash of a generateName stands for what will be appended; upstream takes the character before it along. */
function asPrefix(name: string, prefix: boolean): string {
  return prefix && name.length > 1 && name.endsWith("-") ? `${name.slice(0, -2)}a` : name;
}

/** An RFC 1123 subdomain of at most 253 characters. `prefix`: checking a generateName. */
export function dns1123Subdomain(name: string, prefix = false): string[] {
  const value = asPrefix(name, prefix);
  const messages: string[] = [];
  if (utf8Length(value) > 253) messages.push(maxLengthMessage(253));
  if (!subdomainPattern.test(value)) messages.push(subdomainMessage());
  return messages;
}

function subdomainMessage(): string {
  return regexMessage(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
    SUBDOMAIN,
    "example.com",
  );
}

/** An RFC 1123 label of at most 63 characters. */
export function dns1123Label(name: string, prefix = false): string[] {
  const value = asPrefix(name, prefix);
  const messages: string[] = [];
  if (utf8Length(value) > 63) messages.push(maxLengthMessage(63));
  if (!labelPattern.test(value)) {
    if (subdomainPattern.test(value)) messages.push("must not contain dots");
    else {
      messages.push(
        regexMessage(
          "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
          LABEL,
          "my-name",
          "123-abc",
        ),
      );
    }
  }
  return messages;
}

/** A DNS-1035 label of at most 63 characters: like an RFC 1123 label, but it starts with a letter. */
export function dns1035Label(name: string, prefix = false): string[] {
  const value = asPrefix(name, prefix);
  const messages: string[] = [];
  if (utf8Length(value) > 63) messages.push(maxLengthMessage(63));
  if (!dns1035Pattern.test(value)) {
    messages.push(
      regexMessage(
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
        DNS1035,
        "my-name",
        "abc-123",
      ),
    );
  }
  return messages;
}

/** A subdomain whose first label is `*`. */
export function wildcardSubdomain(value: string): string[] {
  const messages: string[] = [];
  if (utf8Length(value) > 253) messages.push(maxLengthMessage(253));
  if (!wildcardPattern.test(value)) {
    messages.push(
      regexMessage(
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
        WILDCARD_SUBDOMAIN,
        "*.example.com",
      ),
    );
  }
  return messages;
}

/** What every name must at least be: one segment of a path. `system:foo` is good. */
export function pathSegment(name: string, prefix = false): string[] {
  if (!prefix && (name === "." || name === "..")) return [`may not be '${name}'`];
  return ["/", "%"].filter((part) => name.includes(part)).map((part) => `may not contain '${part}'`);
}

/** The key of a label or annotation: an optional subdomain and `/`, then at most 63 characters. */
export function qualifiedName(value: string): string[] {
  const message =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
  const parts = value.split("/", 3);
  if (parts.length > 2) {
    const worded = regexMessage(message, QUALIFIED, "MyName", "my.name", "123-abc");
    return [`a valid label key ${worded} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  }
  const messages: string[] = [];
  const name = parts.at(-1)!;
  if (parts.length === 2) {
    const prefix = parts[0]!;
    if (prefix === "") messages.push("prefix part must be non-empty");
    else {
      if (utf8Length(prefix) > 253) messages.push("prefix part must be no more than 253 bytes");
      if (!subdomainPattern.test(prefix)) messages.push(`prefix part ${subdomainMessage()}`);
    }
  }
  if (name === "") messages.push("name part must be non-empty");
  else if (utf8Length(name) > 63) messages.push("name part must be no more than 63 bytes");
  if (!qualifiedPattern.test(name)) {
    messages.push(`name part ${regexMessage(message, QUALIFIED, "MyName", "my.name", "123-abc")}`);
  }
  return messages;
}

/** At most 63 bytes, possibly none. */
export function labelValue(value: string): string[] {
  const messages: string[] = [];
  if (utf8Length(value) > 63) messages.push("must be no more than 63 bytes");
  if (!labelValuePattern.test(value)) {
    messages.push(
      regexMessage(
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
        LABEL_VALUE,
        "MyValue",
        "my_value",
        "12345",
      ),
    );
  }
  return messages;
}

/** The key of a ConfigMap or Secret. */
export function configMapKey(value: string): string[] {
  const messages: string[] = [];
  if (utf8Length(value) > 253) messages.push(maxLengthMessage(253));
  if (!configKeyPattern.test(value)) {
    messages.push(
      regexMessage(
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
        CONFIG_KEY,
        "key.name",
        "KEY_NAME",
        "key-name",
      ),
    );
  }
  return [...messages, ...climbs(value)];
}

/** The name of an environment variable, strict form. */
export function envVarName(value: string): string[] {
  const messages: string[] = [];
  if (!envNamePattern.test(value)) {
    messages.push(
      regexMessage(
        "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit",
        ENV_NAME,
        "my.env-name",
        "MY_ENV.NAME",
        "MyEnvName1",
      ),
    );
  }
  return [...messages, ...climbs(value)];
}

/** The name of an environment variable as pods accept it: printable ASCII but `=`. */
export function relaxedEnvVarName(value: string): string[] {
  const messages: string[] = [];
  if (value === "") messages.push("environment variable name must be non-empty");
  if (!/^[ -<>-~]*$/.test(value)) {
    messages.push("a valid environment variable name must consist only of printable ASCII characters other than '='");
  }
  return messages;
}

function climbs(value: string): string[] {
  if (value === ".") return ["must not be '.'"];
  if (value === "..") return ["must not be '..'"];
  return value.startsWith("..") ? ["must not start with '..'"] : [];
}

export function portNumber(port: number): string[] {
  return port >= 1 && port <= 65535 ? [] : [rangeMessage(1, 65535)];
}

/** The name of a port (IANA service name). */
export function portName(value: string): string[] {
  const messages: string[] = [];
  if (utf8Length(value) > 15) messages.push(maxLengthMessage(15));
  if (!/^[-a-z0-9]+$/.test(value)) {
    messages.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (!/[a-z]/.test(value)) messages.push("must contain at least one letter (a-z)");
  if (value.includes("--")) messages.push("must not contain consecutive hyphens");
  if (value.startsWith("-") || value.endsWith("-")) messages.push("must not begin or end with a hyphen");
  return messages;
}

export function httpHeaderName(value: string): string[] {
  if (headerNamePattern.test(value)) return [];
  return [
    regexMessage("a valid HTTP header must consist of alphanumeric characters or '-'", HEADER_NAME, "X-Header-Name"),
  ];
}

export function percent(value: string): string[] {
  if (percentPattern.test(value)) return [];
  const message = "a valid percent string must be a numeric string followed by an ending '%'";
  return [regexMessage(message, PERCENT, "1%", "93%")];
}

export function cIdentifier(value: string): string[] {
  if (cIdentifierPattern.test(value)) return [];
  const message =
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'";
  return [regexMessage(message, C_IDENTIFIER, "my_name", "MY_NAME", "MyName")];
}
