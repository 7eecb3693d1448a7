// Managed plugins by both command lines: a plugin that really runs (testdata/plugin.c) is made, pushed to a registry, installed from it,
// keeps volumes, judges requests and takes logs; it outlives the daemon, is started again when it dies, and harms nothing when it is bad.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { copyFile, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { TAR_END, tarEntry, tarHeader, tarPadding } from "../../src/lib/tar/writer.ts";
import { type Live, run } from "./command.ts";
import { type Client, clients, isAlive, TestDaemon } from "./harness.ts";
import { startOwnRegistry, stopRegistry } from "./own-registry.ts";

const PORT = 5000;
const dir = mkdtempSync(join(tmpdir(), "berth-e2e-plugins-"));
const program = join(dir, "plugin");
let daemon: TestDaemon;
let registry: Live;

interface Parts {
  readonly types?: readonly string[];
  readonly args?: readonly string[];
  readonly config?: Readonly<Record<string, unknown>>;
}

const VOLUMES = {
  network: { type: "none" },
  propagatedMount: "/mnt/state",
  linux: {
    capabilities: ["CAP_SYS_ADMIN"],
    devices: [{ name: "null", description: "a device", settable: ["path"], path: "/dev/null" }],
  },
  mounts: [
    {
      name: "here",
      description: "",
      settable: ["source"],
      source: dir,
      destination: "/host",
      type: "bind",
      options: ["rbind", "ro"],
    },
  ],
  env: [{ name: "DEBUG", description: "more words", settable: ["value"], value: "0" }],
};

/** Writes the directory of a plugin; returns its path. */
async function directoryOf(
  name: string,
  { types = ["docker.volumedriver/1.0"], args = [], config = {} }: Parts = {},
): Promise<string> {
  const at = join(dir, name);
  await mkdir(join(at, "rootfs/mnt/state"), { recursive: true });
  await copyFile(program, join(at, "rootfs/plugin"));
  const interfaces = { types, socket: "test.sock" };
  const whole = {
    description: `the ${name}`,
    entrypoint: ["/plugin", "test.sock", ...args],
    interface: interfaces,
    ...config,
  };
  await writeFile(join(at, "config.json"), JSON.stringify(whole));
  return at;
}

async function makePlugin(client: Client, name: string, parts?: Parts): Promise<void> {
  await daemon.text(client, [
    "plugin",
    "create",
    name,
    await directoryOf(name.replaceAll(/[:/]/g, "-"), parts),
  ]);
}

interface Plugin {
  Id: string;
  Name: string;
  Enabled: boolean;
  Settings: { Env: string[]; Mounts: { Source: string }[] };
}

const plugins = async (): Promise<Plugin[]> => (await daemon.request("GET", "/plugins")).body as Plugin[];

/** The processes of all plugins. */
async function pids(): Promise<number[]> {
  const all = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  return all.flatMap((pid) => {
    try {
      const isOurs = readFileSync(`/proc/${pid}/mountinfo`, "utf8").includes(`${daemon.dataRoot}/plugins/`);
      return isOurs && readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith("/plugin\0")
        ? [Number(pid)]
        : [];
    } catch {
      return []; // ignored: it has ended meanwhile
    }
  });
}

/** Sends an archive to PluginCreate; returns status and message. */
async function create(name: string, archive: Uint8Array): Promise<string> {
  const target = `http://localhost/plugins/create?name=${name}`;
  const argv = [
    "curl",
    "-s",
    "-w",
    " %{http_code}",
    "--unix-socket",
    daemon.socket,
    "-X",
    "POST",
    "-T",
    "-",
    target,
  ];
  return (await run(argv, { input: archive })).stdout;
}

function archiveOf(entries: readonly (Parameters<typeof tarEntry>[0] & { content?: string })[]): Buffer {
  const parts = entries.flatMap(({ content = "", ...entry }) => {
    const bytes = Buffer.from(content);
    return [tarHeader(tarEntry({ ...entry, sizeBytes: bytes.length })), bytes, tarPadding(bytes.length)];
  });
  return Buffer.concat([...parts, TAR_END]);
}

before(async () => {
  const source = join(import.meta.dirname, "testdata/plugin.c");
  const compiled = await run(["gcc", "-D_GNU_SOURCE", "-O1", "-static", "-o", program, source]);
  assert.equal(compiled.status, 0, compiled.stderr);
  daemon = await TestDaemon.start();
  registry = await startOwnRegistry(join(dir, "registry"), daemon.network, { port: PORT });
});
after(async () => {
  await stopRegistry(registry);
  await daemon.close();
  rmSync(dir, { recursive: true, force: true });
});
afterEach(async () => {
  await daemon.removeContainers();
  await daemon.removeVolumes();
  for (const { Id } of await plugins()) await daemon.request("DELETE", `/plugins/${Id}?force=1`);
});

const [first] = clients as readonly [Client, ...Client[]];
const PRIVILEGES = ` - network: [none]\n - mount: [${dir}]\n - device: [/dev/null]\n - capabilities: [CAP_SYS_ADMIN]\n`;

for (const c of clients) {
  const fails = async (args: readonly string[], words: RegExp): Promise<void> => {
    const outcome = await daemon.run(c, args);
    assert.equal(outcome.status, 1, `${args.join(" ")}: ${outcome.stdout}`);
    assert.match(outcome.stderr, words);
  };

  test(`a plugin is made, pushed, installed, set, upgraded and removed (${c.name})`, async () => {
    const name = `127.0.0.1:${PORT}/me/shelf-${c.name}`;
    const at = await directoryOf("shelf", { config: VOLUMES });
    assert.equal(await daemon.text(c, ["plugin", "create", name, at]), name);
    assert.match(
      await daemon.text(c, ["plugin", "push", name]),
      /^The push refers to repository \[127[^]*: Upload complete$/m,
    );
    assert.equal(await daemon.text(c, ["plugin", "rm", name]), name);
    const refused = await daemon.run(c, ["plugin", "install", name], { input: "n\n" });
    assert.equal(refused.status, 1);
    assert.equal(
      refused.stdout,
      `Plugin "${name}" is requesting the following privileges:\n${PRIVILEGES}Do you grant the above permissions? [y/N] `,
    );
    assert.equal(refused.stderr, `permission denied while installing plugin ${name}\n`);
    const installed = await daemon.text(c, ["plugin", "install", name, "DEBUG=1"], { input: "y\n" });
    assert.match(
      installed,
      new RegExp(
        `latest: Pulling from ${name}\nDigest: sha256:[0-9a-f]{64}\n[^]*: Complete\n(.*\n)*Installed plugin ${name}$`,
      ),
    );
    const row = new RegExp(`^[0-9a-f]{12}   ${name}:latest   the shelf     true$`, "m");
    assert.match(await daemon.text(c, ["plugin", "ls"]), row);
    await daemon.logs("plugin begins, DEBUG=1");
    await fails(["plugin", "rm", name], /plugin .*:latest is enabled/);
    await fails(["plugin", "enable", name], /plugin already enabled: plugin .* is enabled/);
    await fails(
      ["plugin", "set", name, "DEBUG=2"],
      /cannot set on an active plugin, disable plugin before setting/,
    );
    await fails(["plugin", "upgrade", name], /^the plugin must be disabled before upgrading/);
    await daemon.text(c, ["plugin", "disable", name]);
    await fails(["plugin", "disable", name], /plugin is already disabled: plugin .* found but disabled/);
    await fails(["plugin", "set", name, "nope=1"], /setting "nope" not found in the plugin configuration/);
    await fails(["plugin", "set", name, "here.options=1"], /"here.options" is not settable/);
    await fails(
      ["plugin", "set", name, "here=relative"],
      /the source of a mount "relative" is no absolute path/,
    );
    await daemon.text(c, ["plugin", "set", name, "DEBUG=2", "here.source=/tmp"]);
    const format = "{{json .Settings.Env}} {{(index .Settings.Mounts 0).Source}} {{.Config.Interface.Types}}";
    assert.equal(
      await daemon.text(c, ["plugin", "inspect", "-f", format, name]),
      '["DEBUG=2"] /tmp [docker.volumedriver/1.0]',
    );
    const upgraded = await daemon.text(c, ["plugin", "upgrade", "--grant-all-permissions", name]);
    assert.match(
      upgraded,
      new RegExp(
        `^Upgrading plugin ${name}:latest from ${name}:latest to ${name}:latest\n[^]*Upgraded plugin ${name}:latest to ${name}:latest$`,
      ),
    );
    assert.equal(await daemon.text(c, ["plugin", "ls", "-q", "-f", "enabled=true"]), "");
    assert.match(
      await daemon.text(c, ["plugin", "ls", "-q", "-f", "capability=volumedriver"]),
      /^[0-9a-f]{12}$/,
    );
    await fails(["plugin", "ls", "-f", "colour=red"], /invalid filter 'colour'/);
    const alias = ["plugin", "install", "--grant-all-permissions", "--disable", "--alias", "other", name];
    await daemon.text(c, alias);
    await fails(alias, /plugin other:latest already exists/);
    assert.equal(await daemon.text(c, ["plugin", "rm", "other", name]), `other\n${name}`);
    assert.deepEqual(
      await readdir(join(daemon.dataRoot, "plugins")).then((names) => names.filter((n) => n !== ".trash")),
      [],
    );
  });

  test(`a volume of a plugin is a mount that the plugin makes (${c.name})`, async () => {
    await makePlugin(c, "shelf", { config: VOLUMES });
    await daemon.text(c, ["plugin", "enable", "shelf"]);
    await daemon.text(c, ["volume", "create", "-d", "shelf", "books"]);
    assert.equal(
      await daemon.text(c, ["volume", "inspect", "-f", "{{.Driver}} {{.Scope}}", "books"]),
      "shelf:latest local",
    );
    const command = "grep ' /b ' /proc/mounts && echo word > /b/page && cat /b/page";
    const shown = await daemon.text(c, ["run", "--rm", "-v", "books:/b", "busybox", "sh", "-c", command]);
    assert.match(shown, /^tmpfs \/b tmpfs rw[^]*\nword$/);
    await fails(["plugin", "disable", "shelf"], /plugin shelf:latest is in use/);
    await fails(["plugin", "rm", "shelf"], /plugin shelf:latest is in use/);
    await daemon.text(c, ["plugin", "disable", "-f", "shelf"]);
    await fails(["volume", "create", "-d", "shelf", "more"], /plugin shelf found but disabled/);
    await daemon.text(c, ["plugin", "enable", "shelf"]);
    await daemon.text(c, ["volume", "rm", "books"]);
    await daemon.text(c, ["plugin", "rm", "-f", "shelf"]);
    assert.deepEqual(await pids(), []);
  });

  test(`logs go to a plugin and can be read (${c.name})`, async () => {
    await makePlugin(c, "paper", { types: ["docker.logdriver/1.0"] });
    await fails(["plugin", "enable", "--timeout", "-1", "paper"], /negative timeout -1 is invalid/);
    const argv = [
      "run",
      "--name",
      "talker",
      "--log-driver",
      "paper",
      "busybox",
      "sh",
      "-c",
      "echo one; echo two >&2",
    ];
    const none = await daemon.run(c, argv);
    assert.equal(none.status, 125);
    assert.match(none.stderr, /logger: no log driver named 'paper' is registered/);
    await daemon.text(c, ["plugin", "enable", "paper"]);
    await daemon.text(c, argv);
    assert.equal((await daemon.run(c, ["logs", "talker"])).stdout, "one\n");
    await daemon.text(c, ["rm", "talker"]); // waits until the lines are delivered
    const [paper] = await plugins();
    const written = join(daemon.dataRoot, "plugins", paper?.Id ?? "", "rootfs/log");
    await until(
      async () => existsSync(written) && (await readFile(written, "utf8")).split("\n").length === 3,
    );
    assert.deepEqual((await readFile(written, "utf8")).trim().split("\n").sort(), ["one", "two"]);
    await daemon.text(c, ["plugin", "disable", "paper"]);
  });
}

test("the daemon's log driver may be a plugin, which has to be there", async () => {
  const restartWith = async (config: object): Promise<void> => {
    await writeFile(daemon.path("daemon.json"), JSON.stringify(config));
    await daemon.terminate();
    await daemon.up();
  };
  await makePlugin(first, "paper", { types: ["docker.logdriver/1.0"] });
  await daemon.text(first, ["plugin", "enable", "paper"]);
  await restartWith({ "log-driver": "paper" });
  await daemon.text(first, ["run", "--name", "talker", "busybox", "echo", "one"]);
  const format = "{{.HostConfig.LogConfig.Type}}";
  assert.equal(await daemon.text(first, ["inspect", "-f", format, "talker"]), "paper");
  assert.equal(await daemon.text(first, ["logs", "talker"]), "one");
  assert.equal(await daemon.text(first, ["info", "-f", "{{.LoggingDriver}}"]), "paper");
  await daemon.text(first, ["rm", "talker"]);
  await restartWith({});
  await daemon.text(first, ["plugin", "disable", "paper"]);
  await writeFile(daemon.path("daemon.json"), JSON.stringify({ "log-driver": "paper" }));
  await daemon.terminate();
  await assert.rejects(daemon.up(), /no log driver named 'paper' is registered/);
  await writeFile(daemon.path("daemon.json"), "{}");
  await daemon.up();
});

/** Waits for what no program tells of. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 20));
}

test("a plugin judges requests, and one that is disabled is not asked", async () => {
  await makePlugin(first, "judge", { types: ["docker.authz/1.0"] });
  await daemon.text(first, ["plugin", "enable", "judge"]);
  await writeFile(daemon.path("daemon.json"), JSON.stringify({ "authorization-plugins": ["judge"] }));
  process.kill(daemon.pid, "SIGHUP");
  await daemon.logs("configuration reloaded");
  const { status, body } = await daemon.request("GET", "/containers/forbidden/json");
  assert.deepEqual([status, body], [403, { message: "authorization denied by plugin judge: not this" }]);
  assert.equal((await daemon.request("GET", "/containers/json")).status, 200);
  await daemon.text(first, ["plugin", "disable", "judge"]);
  assert.equal((await daemon.request("GET", "/containers/forbidden/json")).status, 404);
  await writeFile(daemon.path("daemon.json"), "{}");
  process.kill(daemon.pid, "SIGHUP");
  await daemon.logs(/(configuration reloaded[^]*){2}/);
});

test("a plugin outlives the daemon, and is started again when it dies", async () => {
  await makePlugin(first, "shelf", { config: VOLUMES });
  await makePlugin(first, "idle");
  await daemon.text(first, ["plugin", "enable", "shelf"]);
  const before = await pids();
  assert.equal(before.length, 1);
  for (const end of ["kill", "terminate"] as const) {
    await daemon[end]();
    await daemon.up();
    assert.deepEqual(await pids(), before, `after ${end}`);
    await daemon.text(first, ["volume", "create", "-d", "shelf", `after-${end}`]);
  }
  assert.equal(await daemon.text(first, ["ps", "-aq"]), "", "it is no container");
  process.kill(before[0] ?? 0, "SIGKILL");
  await daemon.logs(/plugin shelf:latest has ended with exit code 137: it is started again[^]*plugin begins/);
  await until(
    async () => (await daemon.run(first, ["volume", "create", "-d", "shelf", "again"])).status === 0,
  );
  assert.equal(await isAlive(before[0] ?? 0), false);
  const states = (await plugins()).map((p) => [p.Name, p.Enabled]);
  assert.deepEqual(states, [
    ["shelf:latest", true],
    ["idle:latest", false],
  ]);
});

test("with live-restore off a plugin ends and begins with the daemon", async () => {
  await writeFile(daemon.path("daemon.json"), JSON.stringify({ "live-restore": false }));
  await daemon.terminate();
  await daemon.up();
  await makePlugin(first, "shelf", { config: VOLUMES });
  await daemon.text(first, ["plugin", "enable", "shelf"]);
  const before = await pids();
  await daemon.terminate();
  assert.deepEqual(await pids(), []);
  await daemon.up();
  const now = await pids();
  assert.equal(now.length, 1);
  assert.notDeepEqual(now, before);
  await daemon.kill();
  await writeFile(daemon.path("daemon.json"), "{}");
  await daemon.up();
  assert.deepEqual(await pids(), now);
});

test("what becomes of plugins is told", async () => {
  const events = daemon.events();
  await makePlugin(first, "told");
  for (const verb of ["enable", "disable", "rm"]) await daemon.text(first, ["plugin", verb, "told"]);
  await events.prints('"Action":"remove"');
  events.kill("SIGTERM");
  const { stdout } = await events.ended;
  const all = stdout
    .trim()
    .split("\n")
    .map(
      (line) => JSON.parse(line) as { Type: string; Action: string; Actor: { Attributes: { name: string } } },
    );
  assert.deepEqual(
    all.map((e) => [e.Type, e.Action, e.Actor.Attributes.name]),
    [
      ["plugin", "create", "told:latest"],
      ["plugin", "enable", "told"],
      ["plugin", "disable", "told"],
      ["plugin", "remove", "told"],
    ],
  );
});

test("a plugin that cannot run says why and is left disabled", async () => {
  const refusals: [name: string, parts: Parts, timeout: string, status: number, words: RegExp][] = [
    [
      "dies",
      { args: ["exit"] },
      "30",
      500,
      /dial unix .*test.sock: connect: .*the plugin has ended with exit code 7/,
    ],
    ["waits", { args: ["wait"] }, "1", 500, /the plugin did not listen within 1 seconds/],
    [
      "wires",
      { types: ["docker.networkdriver/1.0"] },
      "30",
      501,
      /is a docker.networkdriver, which this engine has no use for/,
    ],
    ["empty", { config: { entrypoint: [] } }, "30", 400, /its config has no entrypoint/],
    ["rights", { config: { linux: { capabilities: ["CAP_ALL_OF_THEM"] } } }, "30", 400, /CAP_ALL_OF_THEM/],
  ];
  for (const [name, parts, timeout, status, words] of refusals) {
    await makePlugin(first, name, parts);
    const answer = await daemon.request("POST", `/plugins/${name}/enable?timeout=${timeout}`);
    assert.match(JSON.stringify(answer.body), words);
    assert.equal(answer.status, status, name);
  }
  assert.deepEqual(await pids(), []);
  assert.ok((await plugins()).every((p) => !p.Enabled));
});

test("hostile archives and configurations are refused and leave nothing", async () => {
  const root = { type: "directory", name: "rootfs" } as const;
  const config = (content: string) => ({ type: "file", name: "config.json", content }) as const;
  const good = config(JSON.stringify({ entrypoint: ["/x"], interface: { types: [], socket: "x.sock" } }));
  const refusals: [archive: Uint8Array, words: RegExp][] = [
    [archiveOf([root]), /config not found/],
    [archiveOf([good]), /no rootfs found/],
    [archiveOf([good, root, { type: "file", name: "../out", content: "x" }]), /is outside of the plugin/],
    [
      archiveOf([good, root, { type: "hardlink", name: "rootfs/x", linkName: "../../etc/passwd" }]),
      /leads out of rootfs/,
    ],
    [archiveOf([good, { type: "symlink", name: "rootfs", linkName: "/etc" }]), /rootfs is no directory/],
    [archiveOf([config("{"), root]), /failed to parse config: unexpected end/],
    [
      archiveOf([config(`{"description":"${"x".repeat(2 << 20)}"}`), root]),
      /failed to parse config: it is larger/,
    ],
    [archiveOf([config('{"interface":{"socket":"../x"}}'), root]), /the socket \\"..\/x\\" is no file name/],
    [
      archiveOf([config('{"propagatedMount":"/a/../.."}'), root]),
      /the propagated mount .* is no absolute path/,
    ],
    [
      archiveOf([config('{"mounts":[{"destination":"etc","source":"/"}]}'), root]),
      /the destination of a mount .* is no absolute path/,
    ],
    [
      archiveOf([config('{"entrypoint":"x"}'), root]),
      /cannot unmarshal string into Go struct field Config.Entrypoint/,
    ],
    [Buffer.from("no archive at all, but long enough to be looked at ".repeat(20)), /tar/],
  ];
  for (const [archive, words] of refusals) {
    const answer = await create("bad", archive);
    assert.match(answer, words);
    assert.match(answer, / 400$/, answer);
  }
  assert.match(await create("UPPER", archiveOf([good, root])), /must be lowercase.* 400$/s);
  assert.deepEqual(await plugins(), []);
  // A link in the root that points elsewhere stays a link in the plugin, and compressed archives are taken.
  const link = { type: "symlink", name: "rootfs/etc", linkName: "/etc" } as const;
  const behind = { type: "file", name: "rootfs/etc/berth-was-here", content: "x" } as const;
  await create("linked", gzipSync(archiveOf([good, root, link, behind])));
  assert.equal(existsSync("/etc/berth-was-here"), false);
});

test("a plugin that names what is not below its root gives nobody anything", async () => {
  const at = await directoryOf("sly", { config: { linux: { capabilities: ["CAP_SYS_ADMIN"] } } });
  rmSync(join(at, "rootfs/mnt"), { recursive: true });
  await symlink("/", join(at, "rootfs/mnt"));
  await mkdir(join(at, "rootfs/state/../state"), { recursive: true });
  await daemon.text(first, ["plugin", "create", "sly", at]);
  await daemon.text(first, ["plugin", "enable", "sly"]);
  await daemon.text(first, ["volume", "create", "-d", "sly", "trap"]);
  const { status, stderr } = await daemon.run(first, ["run", "--rm", "-v", "trap:/t", "busybox", "ls", "/t"]);
  assert.notEqual(status, 0);
  assert.match(stderr, /in which there is a symbolic link/);
});

test("only what was granted is installed, and only what is a plugin", async () => {
  const name = `127.0.0.1:${PORT}/me/granted`;
  await makePlugin(first, name, { config: VOLUMES });
  await daemon.text(first, ["plugin", "push", name]);
  await daemon.text(first, ["plugin", "rm", name]);
  const wanted = (await daemon.request("GET", `/plugins/privileges?remote=${name}`)).body as {
    Name: string;
    Value: string[];
  }[];
  assert.deepEqual(
    wanted.map((p) => p.Name),
    ["network", "mount", "device", "capabilities"],
  );
  const pull = (body: unknown) => daemon.request("POST", `/plugins/pull?remote=${name}`, body);
  for (const granted of [[], wanted.slice(1), wanted.map((p) => ({ ...p, Value: ["other"] }))])
    assert.deepEqual(await pull(granted), { status: 400, body: { message: "incorrect privileges" } });
  assert.equal((await pull(wanted.toReversed())).status, 200);
  await daemon.text(first, ["tag", "busybox", `127.0.0.1:${PORT}/me/image`]);
  await daemon.text(first, ["push", `127.0.0.1:${PORT}/me/image`]);
  const image = await daemon.request("GET", `/plugins/privileges?remote=127.0.0.1:${PORT}/me/image`);
  assert.match(JSON.stringify(image.body), /did not find plugin config for specified reference/);
  const missing = await daemon.request("GET", `/plugins/privileges?remote=127.0.0.1:${PORT}/me/nobody`);
  assert.equal(missing.status, 404);
  assert.match(JSON.stringify(missing.body), /error resolving plugin reference: /);
});
