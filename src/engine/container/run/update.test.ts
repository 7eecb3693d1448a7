import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostConfig } from "../../../api/schemas/host-config.ts";
import { updatedConfig } from "./update.ts";

const current = {
  Memory: 64,
  MemorySwap: 128,
  NanoCpus: 0,
  CpuPeriod: 0,
  CpuQuota: 0,
  CpuShares: 7,
  CpusetCpus: "0",
  PidsLimit: null,
  AutoRemove: false,
  RestartPolicy: { Name: "no", MaximumRetryCount: 0 },
} as unknown as HostConfig;

test("updatedConfig changes what is given and keeps the rest", () => {
  const next = updatedConfig(current, { Memory: 100, CpuShares: 0, CpusetCpus: "", PidsLimit: -1 });
  assert.deepEqual([next.Memory, next.MemorySwap, next.CpuShares, next.CpusetCpus], [100, 128, 7, "0"]);
  assert.equal(next.PidsLimit, 0, "no limit is shown as 0");
  assert.equal(updatedConfig(current, { PidsLimit: 5 }).PidsLimit, 5);
  const rates = [{ Path: "/dev/vda", Rate: 5 }];
  assert.deepEqual(updatedConfig(current, { BlkioDeviceReadBps: rates }).BlkioDeviceReadBps, rates);
  const policy = updatedConfig(current, { RestartPolicy: { Name: "on-failure", MaximumRetryCount: 3 } });
  assert.deepEqual(policy.RestartPolicy, { Name: "on-failure", MaximumRetryCount: 3 });
});

test("updatedConfig refuses contradictions in Docker's words", () => {
  assert.throws(() => updatedConfig(current, { Memory: 200 }), {
    kind: "conflict",
    message: /smaller than already set memoryswap/,
  });
  assert.throws(() => updatedConfig({ ...current, NanoCpus: 5 }, { CpuQuota: 5 }), {
    message: /CPU Quota cannot be updated as NanoCPUs/,
  });
  assert.throws(() => updatedConfig({ ...current, CpuPeriod: 5 }, { NanoCpus: 5 }), {
    message: /Nano CPUs cannot be updated as CPU Period/,
  });
  assert.throws(
    () => updatedConfig({ ...current, AutoRemove: true }, { RestartPolicy: { Name: "always" } }),
    { message: /AutoRemove is enabled/ },
  );
  assert.throws(() => updatedConfig(current, { RestartPolicy: { Name: "sometimes" } }), {
    message: /unknown policy 'sometimes'/,
  });
});
