import assert from "node:assert/strict";
import { test } from "node:test";
import { parseNetDev, shapeStats } from "./sample.ts";

test("parseNetDev counts every interface but loopback", () => {
  const text = [
    "Inter-|   Receive                                                |  Transmit",
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed",
    "    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0",
    "  eth0:    1500      12    1    2    0     0          0         0      700       8    3    4    0     0       0          0",
    "",
  ].join("\n");
  assert.deepEqual(parseNetDev(text), {
    eth0: {
      rx_bytes: 1500,
      rx_packets: 12,
      rx_errors: 1,
      rx_dropped: 2,
      tx_bytes: 700,
      tx_packets: 8,
      tx_errors: 3,
      tx_dropped: 4,
    },
  });
});

test("shapeStats caps the memory limit at the machine's and leaves out what is not limited", () => {
  const none = {
    ioServiceBytesRecursive: [{ major: 8, minor: 0, op: "read", value: 4096 }],
    ioServicedRecursive: [],
    ioQueuedRecursive: [],
    ioServiceTimeRecursive: [],
    ioWaitTimeRecursive: [],
    ioMergedRecursive: [],
    ioTimeRecursive: [],
    sectorsRecursive: [],
  };
  const memory = { usageBytes: 10, limitBytes: 2 ** 63, failCount: 0, stats: { inactive_file: 3 } };
  const shaped = shapeStats(
    { memory, pids: { current: 2, limit: 0 }, blkio: none },
    { totalNs: 5, onlineCpus: 2 },
    1000,
    false,
  );
  assert.deepEqual(shaped.memory_stats, { usage: 10, stats: { inactive_file: 3 }, limit: 1000 });
  assert.deepEqual(shaped.pids_stats, { current: 2, limit: 2n ** 64n - 1n });
  const v1 = shapeStats(
    { pids: { current: 2, limit: 0 }, blkio: none },
    { totalNs: 5, onlineCpus: 2 },
    1000,
    true,
  );
  assert.deepEqual(v1.pids_stats, { current: 2 });
  assert.equal(shaped.blkio_stats.io_serviced_recursive, null);
  assert.equal(shaped.blkio_stats.io_service_bytes_recursive?.[0]?.value, 4096);
});
