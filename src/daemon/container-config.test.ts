import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFlags } from "../lib/flags/parse.ts";
import { CONTAINER_FLAGS, containerDefaultsOf, engineDefaultsOf } from "./container-config.ts";

const flags = (...argv: string[]) => parseFlags(CONTAINER_FLAGS, argv).values;

test("defaults of containers come from flags, from daemon.json, or are Docker's", () => {
  const own = containerDefaultsOf({}, flags());
  assert.deepEqual(own, {
    ulimits: [],
    shmSizeBytes: 64 << 20,
    ipcMode: "private",
    cgroupnsMode: undefined,
    hasInit: false,
    stopTimeoutSec: 10,
  });
  const given = containerDefaultsOf(
    {
      "default-ulimits": { nofile: { Name: "nofile", Hard: 64, Soft: 32 } },
      "default-shm-size": "8m",
      init: true,
    },
    flags("--default-ipc-mode", "shareable", "--default-cgroupns-mode=private"),
  );
  assert.deepEqual(given.ulimits, [{ Name: "nofile", Soft: 32, Hard: 64 }]);
  assert.equal(given.shmSizeBytes, 8 << 20);
  assert.deepEqual([given.ipcMode, given.cgroupnsMode, given.hasInit], ["shareable", "private", true]);
  assert.equal(containerDefaultsOf({ "default-stop-timeout": 0 }, flags()).stopTimeoutSec, 0);
  assert.throws(() => containerDefaultsOf({}, flags("--default-stop-timeout", "-1")), {
    message: "default-stop-timeout -1: seconds are needed, 0 or more",
  });
  assert.deepEqual(containerDefaultsOf({}, flags("--default-ulimit", "core=0:1")).ulimits, [
    { Name: "core", Soft: 0, Hard: 1 },
  ]);
});

test("the cgroup namespace's default depends on the machine, and on v1 not for privileged containers", () => {
  const modes = (config: object, isUnified: boolean): string[] => {
    const d = engineDefaultsOf(containerDefaultsOf(config as Record<string, unknown>, flags()), isUnified);
    return [d.cgroupnsMode, d.privilegedCgroupnsMode];
  };
  assert.deepEqual(modes({}, false), ["host", "host"]);
  assert.deepEqual(modes({}, true), ["private", "private"]);
  assert.deepEqual(modes({ "default-cgroupns-mode": "private" }, false), ["private", "host"]);
  assert.deepEqual(modes({ "default-cgroupns-mode": "host" }, true), ["host", "host"]);
});

test("wrong defaults are refused when the daemon starts", () => {
  const refused: [object, RegExp][] = [
    [{ "default-ulimits": [] }, /must be an object/],
    [{ "default-ulimits": { nofile: 5 } }, /needs Name, Soft and Hard/],
    [{ "default-ulimits": { x: { Name: "nosuch", Soft: 1, Hard: 1 } } }, /invalid ulimit type: nosuch/],
    [{ "default-shm-size": true }, /must be a size/],
    [{ "default-ipc-mode": "host" }, /use "private" or "shareable"/],
    [{ "default-cgroupns-mode": "x" }, /use "private" or "host"/],
    [{ init: "yes" }, /must be true or false/],
  ];
  for (const [file, message] of refused)
    assert.throws(() => containerDefaultsOf(file as Record<string, unknown>, flags()), { message });
});
