import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerCreateRequest } from "../../../api/schemas/container.ts";
import { adaptNetworks } from "./older-clients.ts";

const [MAC, OTHER] = ["02:42:ac:11:00:42", "02:42:ac:11:00:43"];
const macs = (request: ContainerCreateRequest, version: string) => {
  const { body, warnings } = adaptNetworks(request, version);
  assert.equal(body.MacAddress, undefined);
  const endpoints = Object.entries(body.NetworkingConfig?.EndpointsConfig ?? {});
  return [Object.fromEntries(endpoints.map(([name, e]) => [name, e?.MacAddress ?? ""])), warnings.length];
};
const at = (endpoints: Record<string, string>, mode = "", MacAddress = ""): ContainerCreateRequest => ({
  MacAddress,
  HostConfig: { NetworkMode: mode },
  NetworkingConfig: {
    EndpointsConfig: Object.fromEntries(
      Object.entries(endpoints).map(([name, mac]) => [name, mac === "" ? {} : { MacAddress: mac }]),
    ),
  },
});

test("adaptNetworks takes a container-wide MAC address for the main network's, as the version means it", () => {
  for (const [version, warnings] of [
    ["1.43", 0],
    ["1.44", 1],
    ["1.51", 1],
  ] as const) {
    assert.deepEqual(macs(at({}, "", MAC), version), [{ default: MAC }, warnings]);
    assert.deepEqual(macs(at({ web: "" }, "web", MAC), version), [{ web: MAC }, warnings]);
    assert.deepEqual(macs(at({ web: MAC }, "web", MAC), version), [{ web: MAC }, warnings]);
  }
  assert.deepEqual(macs(at({ web: "" }, "web", MAC), "1.52"), [{ web: "" }, 0]);
  assert.deepEqual(macs(at({ web: OTHER }, "web", MAC), "1.43"), [{ web: MAC }, 0]);
  assert.deepEqual(macs(at({ web: OTHER }, "web-id", MAC), "1.43"), [{ web: MAC }, 0]);
  assert.deepEqual(macs(at({}, "host", MAC), "1.44"), [{}, 1]);
});

test("adaptNetworks ignores addresses of endpoints before 1.44, which has them", () => {
  assert.deepEqual(macs(at({ web: MAC, db: "" }, "web"), "1.43"), [{ web: "", db: "" }, 0]);
  assert.deepEqual(macs(at({ web: MAC, db: "" }, "web"), "1.44"), [{ web: MAC, db: "" }, 0]);
});

test("adaptNetworks refuses an address without a place, and two of them", () => {
  const refused = (request: ContainerCreateRequest, version: string, message: RegExp) =>
    assert.throws(() => adaptNetworks(request, version), { kind: "invalidParameter", message });
  for (const mode of ["host", "none", "container:x"])
    refused(at({}, mode, MAC), "1.43", /conflicting options: mac-address and the network mode/);
  refused(at({ web: OTHER }, "web", MAC), "1.44", /must match the endpoint-specific MAC address/);
  refused(at({ db: "" }, "web", MAC), "1.44", /HostConfig\.NetworkMode must match/);
});

test("adaptNetworks binds every port, and tells clients that know of it", () => {
  const bindings = (version: string) => {
    const PortBindings = { "80/tcp": [], "81/tcp": null, "82/tcp": [{ HostPort: "8082" }] };
    const { body, warnings } = adaptNetworks({ HostConfig: { PortBindings } }, version);
    const any = [{ HostIp: "", HostPort: "" }];
    assert.deepEqual(body.HostConfig?.PortBindings, { ...PortBindings, "80/tcp": any, "81/tcp": any });
    return warnings;
  };
  assert.deepEqual(bindings("1.51"), []);
  assert.match(bindings("1.52").join(), /^Following .* port-bindings: 80\/tcp, 81\/tcp\. Such/);
});
