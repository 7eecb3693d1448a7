// linux.netDevices: devices of the runtime's namespace become the container's, with their addresses, and are put back when it cannot be
// made. The runtime runs in a network namespace of the test's own; the devices are veth pairs, which every kernel has.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { OciSpec } from "../../src/runtime/spec/oci.ts";
import { run } from "./command.ts";
import { NetworkNamespace } from "./namespace.ts";
import { FRONT, RUNTIME, RuntimeBed } from "./runtime-bed.ts";

/** A container's id that no other copy of this test has: its cgroups are the host's. */
const named = (name: string): string => `rn-${process.pid}-${name}`;

let bed: RuntimeBed;
let host: NetworkNamespace;
before(async () => {
  host = await NetworkNamespace.make();
  bed = await RuntimeBed.open(host.wrap(RUNTIME));
});
after(async () => {
  await bed[Symbol.asyncDispose]();
  await host.close();
});

interface Shown {
  ifindex: number;
  ifname: string;
  flags: string[];
  mtu: number;
  address: string;
  addr_info: { local: string; prefixlen: number; scope: string }[];
}

/** Returns what `ip` shows of a device in a namespace, undefined when it is not there. */
async function show(where: NetworkNamespace, name: string): Promise<Shown | undefined> {
  const { status, stdout } = await where.run(["ip", "-json", "address", "show", "dev", name]);
  return status === 0 ? (JSON.parse(stdout) as Shown[])[0] : undefined;
}

const globalOf = (device: Shown | undefined) =>
  device?.addr_info
    .filter(({ scope }) => scope === "global")
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`);

async function makeDevice(name: string): Promise<void> {
  const commands = [
    `link add ${name} address 02:00:5e:00:00:77 mtu 1456 type veth peer name ${name}p`,
    `address add 192.0.2.9/24 dev ${name}`,
    `address add 198.51.100.1/32 dev ${name} scope host`,
    `address add 2001:db8::9/64 dev ${name} nodad`,
    `link set ${name} up`,
  ];
  for (const command of commands) {
    const { status, stderr } = await host.run(["ip", ...command.split(" ")]);
    assert.equal(status, 0, `${command}: ${stderr}`);
  }
}

function withDevice(spec: OciSpec, devices: Record<string, { name?: string }>, netns?: string): void {
  const linux = spec.linux ?? {};
  const namespaces = (linux.namespaces ?? []).filter(({ type }) => type !== "network");
  spec.linux = {
    ...linux,
    netDevices: devices,
    namespaces: [...namespaces, { type: "network", ...(netns ? { path: netns } : {}) }],
  };
}

test("a device comes into the container's new namespace under another name, with what it had, and is up", async () => {
  await makeDevice("nd0");
  await bed.configure((spec) => {
    withDevice(spec, { nd0: { name: "eth7" } });
    spec.process.args = [
      "sh",
      "-c",
      "ip -o address show dev eth7; cat /sys/class/net/eth7/address /sys/class/net/eth7/mtu /sys/class/net/eth7/flags",
    ];
  });
  const { status, stdout, stderr } = await bed.call(["run", named("new")]);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /inet 192\.0\.2\.9\/24 /);
  assert.match(stdout, /inet6 2001:db8::9\/64 /);
  assert.doesNotMatch(stdout, /198\.51\.100\.1/); // what holds on the host alone stays behind
  assert.match(stdout, /^02:00:5e:00:00:77$/m);
  assert.match(stdout, /^1456$/m);
  assert.match(stdout, /^0x[0-9a-f]*[13579bdf]$/m); // IFF_UP
  assert.equal(await show(host, "nd0"), undefined);
});

test("in a namespace that is joined it stays when the container is gone", async () => {
  const other = await NetworkNamespace.make();
  try {
    await makeDevice("nd1");
    // it has the index of the device that comes
    const index = String((await show(host, "nd1"))?.ifindex);
    const add = [
      "ip",
      "link",
      "add",
      "name",
      "other",
      "index",
      index,
      "type",
      "veth",
      "peer",
      "name",
      "otherp",
    ];
    assert.equal((await other.run(add)).status, 0);
    await bed.configure((spec) => withDevice(spec, { nd1: {} }, `/proc/${other.pid}/ns/net`));
    const created = await bed.detached(["run", "--detach", named("join")]);
    assert.equal(created.status, 0, created.stderr);
    await bed.call(["delete", "--force", named("join")]);
    const device = await show(other, "nd1");
    assert.deepEqual(globalOf(device)?.sort(), ["192.0.2.9/24", "2001:db8::9/64"]);
    assert.deepEqual(
      [device?.mtu, device?.address, device?.flags.includes("UP")],
      [1456, "02:00:5e:00:00:77", true],
    );
    assert.deepEqual(globalOf(await show(other, "other")), []);
  } finally {
    await other.close();
  }
});

test("a container that cannot be made leaves the device where and as it was", async () => {
  await makeDevice("nd2");
  const before = await show(host, "nd2");
  await bed.configure((spec) => {
    withDevice(spec, { nd2: { name: "inside" } });
    spec.process.args = ["/no/such/program"];
  });
  const { status, stderr } = await bed.call(["run", named("fails")]);
  assert.equal(status, 1);
  assert.match(stderr, /no such file or directory/i);
  const device = await show(host, "nd2");
  assert.deepEqual(globalOf(device)?.sort(), globalOf(before)?.sort());
  assert.deepEqual(
    [device?.mtu, device?.address, device?.flags.includes("UP")],
    [1456, "02:00:5e:00:00:77", true],
  );
});

test("it belongs to the root of the container's user namespace", async () => {
  await makeDevice("nd3");
  await run(["chmod", "755", bed.dir]);
  await bed.configure((spec) => {
    withDevice(spec, { nd3: {} });
    const ids = [{ containerID: 0, hostID: 200_000, size: 65_536 }];
    spec.linux = { ...spec.linux, uidMappings: ids, gidMappings: ids };
    spec.linux.namespaces = [...(spec.linux.namespaces ?? []), { type: "user" }];
    spec.process.capabilities = Object.fromEntries(
      ["bounding", "effective", "permitted"].map((set) => [set, ["CAP_NET_ADMIN"]]),
    );
    spec.process.args = ["ip", "link", "set", "dev", "nd3", "mtu", "1400"];
  });
  const { status, stderr } = await bed.call(["run", named("user")]);
  assert.equal(status, 0, stderr);
});

test("what cannot be moved is refused by name, and nothing of the container is left", async () => {
  const other = await NetworkNamespace.make();
  try {
    await makeDevice("nd4");
    const path = `/proc/${other.pid}/ns/net`;
    await other.run(["ip", "link", "add", "taken", "type", "veth", "peer", "name", "takenp"]);
    const cases: readonly [Record<string, { name?: string }>, string | undefined, RegExp][] = [
      [{ nowhere: {} }, undefined, /network device nowhere is not in the runtime's namespace/],
      [{ lo: {} }, undefined, /network device lo is the loopback, which cannot be moved/],
      [
        { nd4: { name: "taken" } },
        path,
        /network device nd4: the container's namespace has a device taken already/,
      ],
      [{ nd4: {} }, `/proc/${host.pid}/ns/net`, /the NET namespace to be joined is the host's/],
      [
        { nd4: { name: "lo" } },
        undefined,
        /move network device nd4 into the container: netlink: File exists/,
      ],
      [{ nd4: { name: "a" }, nd4p: { name: "a" } }, undefined, /two network devices are to be called a/],
    ];
    for (const [devices, netns, message] of cases) {
      await bed.configure((spec) => withDevice(spec, devices, netns));
      const { status, stderr } = await bed.call(["create", named("refused")]);
      assert.equal(status, 1, stderr);
      assert.match(stderr, message);
      assert.deepEqual(globalOf(await show(host, "nd4"))?.sort(), ["192.0.2.9/24", "2001:db8::9/64"]);
    }
    assert.equal((await bed.call(["list", "-q"])).stdout, "");
    await bed.configure((spec) => withDevice(spec, { nd4: {} }));
    const rootless = await bed.call(["--rootless", "true", "create", named("refused")]);
    assert.match(rootless.stderr, /network devices are not supported for rootless containers/);
  } finally {
    await other.close();
  }
});

test("what was made by one is deleted by the other program", async () => {
  await makeDevice("nd5");
  await bed.configure((spec) => withDevice(spec, { nd5: {} }));
  const created = await bed.detached(["create", named("front")]);
  assert.equal(created.status, 0, created.stderr);
  const front = await run([
    ...host.wrap([FRONT]),
    "--root",
    join(bed.dir, "root"),
    "delete",
    "--force",
    named("front"),
  ]);
  assert.equal(front.status, 0, front.stderr);
});
