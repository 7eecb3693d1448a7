// A start goes through many steps, and each can fail: the reason is told in Docker's words, with its exit code, and
// nothing of the attempt is left: no process, cgroup, link, mount, port or directory. The container itself stays, with
// the reason in its record, and can be removed or started when the reason is gone.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { after, afterEach, before, describe, test } from "node:test";
import { tracesOf } from "../../tools/leaks.ts";
import { run } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";

const CGROUP_V2 = existsSync("/sys/fs/cgroup/cgroup.controllers");
const berth = clients[0] as Client;

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

/** Where a start can end: its step, flags, command, exit code of `run` and of the record, what is said. */
const STEPS: readonly (readonly [
  step: string,
  flags: readonly string[],
  command: readonly string[],
  status: number,
  says: RegExp,
])[] = [
  ["devices of a driver", ["--gpus", "all"], ["true"], 125, /could not select device driver/],
  ["a port that is taken", ["-p", "127.0.0.1:4444:80"], ["true"], 125, /4444/],
  [
    "a limit that the kernel refuses",
    ["--cpus", "0.001"],
    ["true"],
    125,
    /write .*cpu.*: invalid argument \(the kernel does not take this value/,
  ],
  ["a device that has no queue", ["--device-read-bps", "/dev/null:1mb"], ["true"], 125, /no such device/],
  ["a mount", ["--tmpfs", "/x:size=nonsense"], ["true"], 125, /\/x|tmpfs/],
  ["a setting of the kernel", ["--sysctl", "net.ipv4.nosuch=1"], ["true"], 127, /nosuch: no such file/],
  ["its value", ["--sysctl", "net.ipv4.ip_forward=abc"], ["true"], 125, /ip_forward: [Ii]nvalid argument/],
  ["the working directory", ["-w", "/etc/passwd"], ["true"], 125, /is not a directory/],
  ["the user", ["-u", "nobody-there"], ["true"], 125, /unable to find user nobody-there/],
  ["the groups", ["--group-add", "nobody-there"], ["true"], 125, /unable to find group nobody-there/],
  ["a program that is not there", [], ["nosuch"], 127, /exec: "nosuch": executable file not found in \$PATH/],
  ["a program that is none", [], ["/etc/passwd"], 126, /exec: "\/etc\/passwd": permission denied/],
  ["a program that is a directory", [], ["/etc"], 126, /exec: "\/etc": is a directory/],
];

const links = async (): Promise<string[]> => {
  const { stdout } = await run(daemon.network.wrap(["ip", "-o", "link"]));
  return stdout.split("\n").flatMap((line) => /^\d+: ([^:@]+)/.exec(line)?.[1] ?? []);
};

/** The kernel takes a network namespace apart, links and all, a moment after its last process: what stays ten seconds stays. */
async function whatStays(look: () => Promise<string[]>): Promise<string[]> {
  for (let attempt = 0; ; attempt++) {
    const found = await look();
    if (found.length === 0 || attempt === 200) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** What this daemon has mounted where the host sees it. */
const mounts = async (): Promise<string[]> =>
  (await readFile("/proc/self/mountinfo", "utf8")).split("\n").filter((line) => line.includes(daemon.dir));

/** What there is of one container beside its record: processes, mounts, cgroups, links and the shim's directory. */
async function traces(id: string): Promise<string[]> {
  const ofHost = tracesOf({
    root: id, // whatever has the id in its arguments or mounts
    containerIds: [id],
    namespacePid: daemon.network.pid,
    otherLinks: await links(),
  }).filter((line) => !line.startsWith("nft "));
  const state = existsSync(daemon.path("run/c", id)) ? [`state ${id}`] : [];
  return [...ofHost, ...state];
}

for (const client of clients)
  describe(`${client.name}: a start that fails at`, () => {
    for (const [step, flags, command, status, says] of STEPS)
      test(step, async () => {
        const taker = ["run", "-d", "--name", "taker", "-p", "127.0.0.1:4444:80", "busybox", "sleep", "1000"];
        await daemon.text(berth, taker);
        const linksBefore = await links();
        const mountsBefore = await mounts();
        const argv = ["run", "--name", "broken", "-p", "127.0.0.1:5555:80", ...flags, "busybox", ...command];
        const failed = await daemon.run(client, argv);
        assert.match(failed.stderr, says);
        assert.equal(failed.status, status, failed.stderr);
        const { Id, State } = await daemon.inspect("broken");
        assert.deepEqual([State.Status, State.Running, State.Pid], ["created", false, 0]);
        assert.match(State.Error, says);
        assert.equal(State.ExitCode, status === 125 ? 128 : status);
        const more = async (): Promise<string[]> =>
          (await links()).filter((name) => !linksBefore.includes(name));
        assert.deepEqual(await whatStays(async () => [...(await traces(Id)), ...(await more())]), []);
        assert.deepEqual(await mounts(), mountsBefore);
        const { stdout: rules } = await daemon.network.run(["nft", "list", "ruleset"]);
        assert.equal(rules.includes("5555"), false, "its port leads nowhere");
        const again = ["run", "--rm", "-p", "127.0.0.1:5555:80", "busybox", "true"];
        assert.equal((await daemon.run(client, again)).status, 0, "its port is free");
        await daemon.text(client, ["rm", "broken"]);
        assert.equal(existsSync(daemon.path("data/containers", Id)), false);
      });
  });

test("a start that failed succeeds when its reason is gone", async () => {
  await mkdir(daemon.path("dir"), { recursive: true });
  const mount = `type=bind,src=${daemon.path("dir")},dst=/dir`;
  const id = await daemon.text(berth, [
    "create",
    "--name",
    "later",
    "--mount",
    mount,
    "busybox",
    "cat",
    "/dir/x",
  ]);
  await rmdir(daemon.path("dir"));
  const failed = await daemon.run(berth, ["start", "-a", "later"]);
  assert.notEqual(failed.status, 0);
  assert.deepEqual(await whatStays(() => traces(id)), []);
  await mkdir(daemon.path("dir"));
  await writeFile(daemon.path("dir/x"), "there\n");
  assert.equal(await daemon.text(berth, ["start", "-a", "later"]), "there");
  assert.equal((await daemon.inspect("later")).State.Error, "");
  await rm(daemon.path("dir"), { recursive: true });
});

describe("a create that fails leaves nothing", () => {
  test("at its last step, the record", async () => {
    const directories = async (): Promise<string[]> => (await readdir(daemon.path("data/containers"))).sort();
    const before = await directories();
    const volumes = async (): Promise<unknown> =>
      ((await daemon.request("GET", "/volumes")).body as { Volumes: unknown[] | null }).Volumes ?? [];
    const body = { Image: "busybox", Cmd: ["true"], Volumes: { "/data": {} }, HostConfig: {} };
    for (const [name, change] of [
      ["a name that is taken", {}],
      ["a volume's driver", { HostConfig: { VolumeDriver: "nosuch" } }],
      ["a container that is joined", { HostConfig: { PidMode: "container:nobody" } }],
      ["a device", { HostConfig: { Devices: [{ PathOnHost: "/dev/nosuch" }] } }],
      ["a network", { HostConfig: { NetworkMode: "nosuch" } }],
      ["a log option", { HostConfig: { LogConfig: { Type: "json-file", Config: { "max-size": "x" } } } }],
    ] as const) {
      if (name === "a name that is taken")
        await daemon.request("POST", "/containers/create?name=taken", body);
      const there = await directories();
      const then = await volumes();
      const target = name === "a name that is taken" ? "taken" : "fresh";
      const refused = await daemon.request("POST", `/containers/create?name=${target}`, {
        ...body,
        ...change,
      });
      assert.equal(
        refused.status,
        target === "taken" ? 409 : refused.status === 404 ? 404 : 400,
        `${name}: ${JSON.stringify(refused.body)}`,
      );
      assert.deepEqual(await directories(), there, name);
      assert.deepEqual(await volumes(), then, name);
    }
    await daemon.removeContainers();
    assert.deepEqual(await directories(), before);
  });
});

test("nothing of a container stays below the cgroup parent that it asked for", async () => {
  const root = "/sys/fs/cgroup";
  const hierarchies = CGROUP_V2 ? [root] : (await readdir(root)).map((name) => `${root}/${name}`);
  const parents = hierarchies.map((path) => `${path}/berth-e2e-parent`);
  await daemon.text(berth, ["run", "--rm", "--cgroup-parent", "/berth-e2e-parent", "busybox", "true"]);
  const there = parents.filter((path) => existsSync(path));
  assert.notDeepEqual(there, []);
  // compat: the parent itself stays, as with Docker; rmdir tells whether anything is in it.
  for (const path of there) await rmdir(path);
});
