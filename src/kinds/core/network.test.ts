import { describe, expect, test } from "vitest";
import { validateCanonicalIP, validateEndpointIP, validateIP } from "../addresses.ts";
import { leases } from "../coordination/lease.ts";
import { endpointSlices } from "../discovery/endpoint-slice.ts";
import { decoded, printedRow, rehearseCreate, rehearseUpdate } from "../rehearse.test-support.ts";
import { endpoints } from "./endpoints.ts";

const named = (rest: object) => ({ metadata: { name: "e" }, ...rest });

describe("addresses", () => {
  const invalid = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
  test.each<[string, string | undefined]>([
    ["1.2.3.4", undefined],
    ["fd00::1", undefined],
    ["FD00:0::1", undefined],
    ["x", invalid],
    ["", invalid],
    ["1.2.3", invalid],
    ["1.2.3.256", invalid],
    ["fe80::1%eth0", invalid],
    ["010.1.1.1", "must not have leading 0s"],
    ["::ffff:1.2.3.4", "must not be an IPv4-mapped IPv6 address"],
  ])("%s", (text, detail) => {
    const messages = validateIP("f", text).map((error) => error.message);
    expect(messages).toEqual(detail === undefined ? [] : [`Invalid value: "${text}": ${detail}`]);
  });

  test("one spelling", () => {
    expect(validateCanonicalIP("f", "fd00::1")).toEqual([]);
    expect(validateCanonicalIP("f", "fd00:0::1")[0]?.message).toBe(
      'Invalid value: "fd00:0::1": must be in canonical form ("fd00::1")',
    );
  });

  test.each([
    ["127.0.0.1", "may not be in the loopback range (127.0.0.0/8, ::1/128)"],
    ["::1", "may not be in the loopback range (127.0.0.0/8, ::1/128)"],
    ["169.254.1.1", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"],
    ["fe80::1", "may not be in the link-local range (169.254.0.0/16, fe80::/10)"],
    ["224.0.0.1", "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"],
    ["ff02::1", "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"],
    ["0.0.0.0", "may not be unspecified (0.0.0.0)"],
    ["::", "may not be unspecified (::)"],
  ])("no traffic goes to %s", (text, detail) => {
    expect(validateEndpointIP("f", text).map((error) => error.message)).toEqual([
      `Invalid value: "${text}": ${detail}`,
    ]);
  });
});

describe("Endpoints", () => {
  const definition = endpoints();
  test("ports are TCP unless they say more", () => {
    const object = decoded(definition, named({ subsets: [{ addresses: [{ ip: "1.2.3.4" }], ports: [{ port: 80 }] }] }));
    expect(object.subsets![0]!.ports).toEqual([{ port: 80, protocol: "TCP" }]);
  });

  test("rules", () => {
    const subsets = [{}, { addresses: [{ ip: "127.0.0.1" }], ports: [{ port: 0 }, { port: 1, protocol: "Z" }] }];
    expect(rehearseCreate(definition, named({ subsets })).errors).toEqual([
      "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`",
      'subsets[1].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
      "subsets[1].ports[0].name: Required value",
      "subsets[1].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
      "subsets[1].ports[1].name: Required value",
      'subsets[1].ports[1].protocol: Unsupported value: "Z": supported values: "SCTP", "TCP", "UDP"',
    ]);
  });

  test("what is stored is not checked again", () => {
    const stored = decoded(definition, named({ subsets: [{}] }));
    expect(rehearseUpdate(definition, stored, () => undefined).errors).toEqual([]);
  });

  test.each<[object, string]>([
    [{}, "<none>"],
    [{ subsets: [{ notReadyAddresses: [{ ip: "1.1.1.1" }], ports: [{ port: 1 }] }] }, ""],
    [{ subsets: [{ addresses: [{ ip: "1.1.1.1" }] }] }, "1.1.1.1"],
    [{ subsets: [{ addresses: [{ ip: "fd00::1" }], ports: [{ port: 80 }] }] }, "[fd00::1]:80"],
    [
      { subsets: [{ addresses: [{ ip: "1.1.1.1" }, { ip: "1.1.1.2" }], ports: [{ port: 1 }, { port: 2 }] }] },
      "1.1.1.1:1,1.1.1.2:1,1.1.1.1:2 + 1 more...",
    ],
  ])("%j prints as %s", (body, cell) => {
    expect(printedRow(definition, decoded(definition, named(body)))["Endpoints"]).toBe(cell);
  });
});

describe("EndpointSlice", () => {
  const definition = endpointSlices();
  const slice = named({ addressType: "IPv4", endpoints: [{ addresses: ["1.2.3.4"] }], ports: [{ port: 80 }] });

  test("ports have a name and a protocol", () => {
    expect(decoded(definition, slice).ports).toEqual([{ name: "", protocol: "TCP", port: 80 }]);
  });

  test("generation follows the content and the labels", () => {
    const stored = rehearseCreate(definition, slice).object;
    expect(stored.metadata.generation).toBe(1);
    const generationAfter = (edit: (changed: typeof stored) => void) =>
      rehearseUpdate(definition, stored, edit).object.metadata.generation;
    expect(generationAfter(() => undefined)).toBe(1);
    expect(
      generationAfter((changed) => {
        changed.metadata.annotations = { a: "b" };
      }),
    ).toBe(1);
    expect(
      generationAfter((changed) => {
        changed.metadata.labels = { a: "b" };
      }),
    ).toBe(2);
    expect(
      generationAfter((changed) => {
        changed.ports![0]!.port = 81;
      }),
    ).toBe(2);
  });

  test("rules", () => {
    const bad = named({
      addressType: "IPv4",
      endpoints: [{ addresses: ["fd00::1", "x"] }, { addresses: [] }],
      ports: [{ port: 80 }, { port: 1 }],
    });
    expect(rehearseCreate(definition, bad).errors).toEqual([
      'ports[1].name: Duplicate value: ""',
      'endpoints[0].addresses: Invalid value: "fd00::1": must be an IPv4 address',
      'endpoints[0].addresses[1]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      "endpoints[1].addresses: Required value: must contain at least 1 address",
    ]);
    expect(rehearseCreate(definition, named({ addressType: "X", endpoints: [] })).errors).toEqual([
      'addressType: Unsupported value: "X": supported values: "FQDN", "IPv4", "IPv6"',
    ]);
  });

  test("the type of its addresses stays", () => {
    const stored = rehearseCreate(definition, slice).object;
    const { errors } = rehearseUpdate(definition, stored, (changed) => {
      changed.addressType = "FQDN";
      changed.endpoints = [];
    });
    expect(errors).toEqual(['addressType: Invalid value: "FQDN": field is immutable']);
  });

  test("columns", () => {
    expect(printedRow(definition, decoded(definition, slice))).toMatchObject({
      AddressType: "IPv4",
      Ports: "80",
      Endpoints: "1.2.3.4",
    });
    expect(printedRow(definition, decoded(definition, named({ addressType: "IPv4" })))).toMatchObject({
      Ports: "<unset>",
      Endpoints: "<unset>",
    });
  });
});

describe("Lease", () => {
  const definition = leases();
  test("rules and columns", () => {
    const bad = named({ spec: { holderIdentity: "h", leaseDurationSeconds: 0, leaseTransitions: -1, strategy: "X" } });
    const { object, errors } = rehearseCreate(definition, bad);
    expect(errors).toEqual([
      "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
      "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
    ]);
    expect(object.spec?.strategy).toBeUndefined();
    expect(printedRow(definition, object)).toEqual({ Name: "e", Holder: "h", Age: "<unknown>" });
  });
});
