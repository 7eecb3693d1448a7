// What daemon.json says of containers is what they get that ask for nothing else, and no more than that.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { type Client, clients, TestDaemon } from "./harness.ts";

const berth = clients[0] as Client;

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start({
    config: {
      "default-ulimits": { nofile: { Name: "nofile", Hard: 300, Soft: 200 } },
      "default-shm-size": "8m",
      "default-ipc-mode": "shareable",
      "default-cgroupns-mode": "private",
      init: true,
    },
  });
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const SCRIPT =
  "ulimit -Sn; ulimit -Hn; df -k /dev/shm | tail -1 | awk '{print $2}'; cut -d: -f3 /proc/self/cgroup | sort -u; cat /proc/1/comm; :";

test("a container that says nothing has the daemon's defaults", async () => {
  const args = ["run", "--name", "plain", "busybox", "sh", "-c", SCRIPT];
  assert.equal(await daemon.text(berth, args), "200\n300\n8192\n/\ndocker-init");
  const { HostConfig } = await daemon.inspect("plain");
  assert.deepEqual(
    ["Ulimits", "ShmSize", "IpcMode", "CgroupnsMode", "Init"].map((key) => HostConfig[key]),
    [[{ Name: "nofile", Hard: 300, Soft: 200 }], 8 << 20, "shareable", "private", true],
  );
});

test("one that does has its own", async () => {
  const flags = ["--ulimit", "nofile=50:60", "--shm-size", "4m", "--ipc", "private", "--init=false"];
  const args = ["run", "--name", "own", ...flags, "busybox", "sh", "-c", SCRIPT];
  assert.equal(await daemon.text(berth, args), "50\n60\n4096\n/\nsh");
  const { HostConfig } = await daemon.inspect("own");
  assert.deepEqual([HostConfig["IpcMode"], HostConfig["Init"]], ["private", false]);
});

test("an unknown default ends the daemon's start with the reason", async () => {
  const refused = daemon.launch(["--default-ipc-mode", "host"]);
  const { status } = await refused.ended;
  assert.equal(status, 1);
  assert.match(refused.errors, /default-ipc-mode/);
});
