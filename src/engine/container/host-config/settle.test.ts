import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerCreateRequest } from "../../../api/schemas/container.ts";
import { checkConflicts, checkHostConfig, checkRestartPolicy } from "./check.ts";
import { Runtimes } from "../runtime/runtimes.ts";
import type { ContainerDefaults } from "./complete.ts";
import { checkExtraHost, parseExtraHost } from "./extra-hosts.ts";
import { limitsOf, withLimits } from "./limits.ts";
import { joinedContainer } from "./modes.ts";
import { settleRequest } from "./settle.ts";

const defaults: ContainerDefaults = {
  logType: "json-file",
  logOptions: {},
  cgroupnsMode: "host",
  privilegedCgroupnsMode: "host",
  ipcMode: "private",
  shmSizeBytes: 64 << 20,
  ulimits: [{ Name: "nofile", Hard: 20, Soft: 10 }],
  hasInit: true,
  stopTimeoutSec: 10,
  runtimes: new Runtimes({ configured: {}, defaultName: "", ownCommand: [], find: () => undefined }),
  maskedPaths: [],
  readonlyPaths: [],
};
const settle = (request: ContainerCreateRequest) => settleRequest({ Image: "i", ...request }, defaults);
const refuses = (request: ContainerCreateRequest, message: RegExp | string): void => {
  assert.throws(() => settle(request), { kind: "invalidParameter", message });
};

test("a request without a configuration, and variables, ports and arguments that cannot be, are refused", () => {
  for (const body of [{}, { HostConfig: {} }, { NetworkingConfig: {} }])
    assert.throws(() => settleRequest(body, defaults), {
      message: "config cannot be empty in order to create a container",
    });
  refuses({ Env: ["=x"] }, "invalid environment variable: =x");
  refuses({ ExposedPorts: { "0/tcp": {} } }, 'invalid port specification: "0/tcp"');
  refuses({ ExposedPorts: { "80/nope": {} } }, 'invalid port specification: "80/nope"');
  refuses({ Cmd: ["a\0b"] }, /must not contain NUL/);
  refuses({ WorkingDir: "srv" }, /needs to be an absolute path/);
  refuses({ Hostname: "x".repeat(65) }, /is too long/);
});

test("a settled request has the daemon's defaults where it says nothing, and its own where it does", () => {
  const { hostConfig, warnings } = settle({});
  assert.deepEqual(hostConfig.Ulimits, defaults.ulimits);
  assert.deepEqual([hostConfig.Runtime, hostConfig.Init, hostConfig.PidsLimit], ["runc", true, null]);
  assert.deepEqual(warnings, []);
  const own = settle({ HostConfig: { Init: false, Ulimits: [{ Name: "nofile", Hard: 5, Soft: 5 }] } });
  assert.deepEqual([own.hostConfig.Init, own.hostConfig.Ulimits?.length], [false, 1]);
  const told = settle({ HostConfig: { KernelMemory: 5, CpuPercent: 5, CpuCount: 5 } });
  assert.equal(told.warnings.length, 3);
  assert.deepEqual([told.hostConfig.CpuPercent, told.hostConfig.CpuCount], [0, 0]);
});

test("sharing with the host is outside of SELinux unless labels say otherwise", () => {
  const options = (HostConfig: ContainerCreateRequest["HostConfig"]) =>
    settle({ HostConfig: HostConfig ?? {} }).hostConfig.SecurityOpt;
  assert.equal(options({}), null);
  for (const shared of [{ PidMode: "host" }, { IpcMode: "host" }, { Privileged: true }])
    assert.deepEqual(options(shared), ["label=disable"]);
  assert.deepEqual(options({ PidMode: "host", SecurityOpt: ["label=disable", "no-new-privileges"] }), [
    "label=disable",
    "no-new-privileges",
  ]);
});

test("options that exclude each other are refused, in moby's order", () => {
  const conflict = (config: object, host: object, message: RegExp): void => {
    assert.throws(() => checkConflicts(config, host), { kind: "invalidParameter", message });
  };
  conflict({}, { NetworkMode: "container:" }, /invalid container format container:<name\|id>/);
  conflict(
    { Hostname: "x" },
    { NetworkMode: "container:y", Dns: ["1.1.1.1"] },
    /hostname and the network mode/,
  );
  conflict({}, { NetworkMode: "container:y", PublishAllPorts: true }, /port publishing/);
  conflict({}, { NetworkMode: "host", Links: ["a"] }, /host type networking can't be used with links/);
  conflict({}, { IOMaximumBandwidth: 5 }, /QoS maximum bandwidth/);
  assert.doesNotThrow(() => checkConflicts({ Hostname: "x" }, { NetworkMode: "host", Dns: ["1.1.1.1"] }));
});

test("policies, modes, runtimes and storage options that nobody knows are refused", () => {
  refuses({ HostConfig: { Runtime: "nosuch" } }, /unknown or invalid runtime name: nosuch/);
  const wrong = (host: Parameters<typeof checkHostConfig>[0], message: RegExp): void => {
    assert.throws(() => checkHostConfig(host), { kind: "invalidParameter", message });
  };
  wrong({ UsernsMode: "private" }, /invalid user namespace mode: private/);
  wrong({ IpcMode: "container:" }, /invalid IPC mode: container:/);
  wrong({ StorageOpt: { SIZE: "much" } }, /invalid size: 'much'/);
  wrong(
    { AutoRemove: true, RestartPolicy: { Name: "always" } },
    /'AutoRemove' container with restart policy/,
  );
  assert.throws(() => checkRestartPolicy({ Name: "always", MaximumRetryCount: -1 }), {
    message:
      "invalid restart policy: maximum retry count can only be used with 'on-failure'; maximum retry count cannot be negative",
  });
  assert.equal(joinedContainer("container:a"), "a");
  assert.equal(joinedContainer("host"), undefined);
});

test("lines for /etc/hosts are split at the first separator, and none can hide in another", () => {
  assert.deepEqual(parseExtraHost("a:::1"), { name: "a", address: "::1" });
  assert.deepEqual(parseExtraHost("a=[fe80::1]"), { name: "a", address: "fe80::1" });
  for (const text of ["a:1.2.3.4", "a=host-gateway", "a:[::1]"])
    assert.doesNotThrow(() => checkExtraHost(text));
  for (const text of ["a", ":1.2.3.4", "a:b", "a\n1.2.3.4 b:1.2.3.4"])
    assert.throws(() => checkExtraHost(text), { kind: "invalidParameter", message: /add-host/ });
});

test("limits that the machine has not are not recorded", () => {
  const { hostConfig } = settle({ HostConfig: { Memory: 64 << 20, BlkioWeightDevice: [] } });
  const { memory: _, ...left } = limitsOf(hostConfig);
  const recorded = withLimits(hostConfig, { ...left, memorySwap: -1 });
  assert.deepEqual([recorded.Memory, recorded.MemorySwap, recorded.BlkioWeightDevice], [0, -1, []]);
});
