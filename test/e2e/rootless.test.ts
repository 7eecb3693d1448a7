// A daemon of an ordinary user. The user exists for this test only: accounts, set-aside ids and a tun device that everybody may open (as
// on any distribution) are bound over the machine's in a mount namespace of the test's own, and nothing on the machine changes.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync } from "node:fs";
import { chmod, chown, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { TAR_END, tarEntry, tarHeader } from "../../src/lib/tar/writer.ts";
import { baseImageTar } from "./base-image.ts";
import { type CommandOptions, Live, type Outcome, run } from "./command.ts";
import { clients } from "./harness.ts";

const UID = 54_321;
const FIRST = 1_200_000;
const ROOT = dirname(dirname(import.meta.dirname));
const EXECUTABLE = join(ROOT, "dist/berth");

/** The machine has cgroup v2 alone: a part of it is delegated to the user, as systemd does. */
const CGROUP = "/sys/fs/cgroup";
const hasDelegation = existsSync(`${CGROUP}/cgroup.controllers`);

/** A user of the test's own, and the machine as he sees it. */
class World {
  readonly dir: string;
  #holder: Live;

  private constructor(dir: string, holder: Live) {
    this.dir = dir;
    this.#holder = holder;
  }

  static async make(change: { subuid?: string } = {}): Promise<World> {
    const dir = await mkdtemp(join(tmpdir(), "berth-rootless-"));
    await chmod(dir, 0o755);
    const files = {
      passwd: `root:x:0:0::/root:/bin/sh\nwalter:x:${UID}:${UID}::${dir}/home:/bin/sh\n`,
      group: `root:x:0:\nwalter:x:${UID}:\n`,
      subuid: change.subuid ?? `walter:${FIRST}:65536\n`,
      subgid: `walter:${FIRST}:65536\n`,
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
    for (const name of ["home", "xdg", "work"]) {
      await mkdir(join(dir, name), { mode: 0o700 });
      await chown(join(dir, name), UID, UID);
    }
    const script = [
      "ip link set lo up",
      ...Object.keys(files).map((name) => `mount --bind ${dir}/${name} /etc/${name}`),
      // Wherever the repository is: not every user may look into it.
      `touch ${dir}/berth`,
      `mount --bind ${EXECUTABLE} ${dir}/berth`,
      // A machine that has never used one makes it now.
      "modprobe -q tun || true",
      "[ -e /dev/net/tun ] || { mkdir -p /dev/net; mknod /dev/net/tun c 10 200; }",
      `mknod ${dir}/tun c 10 200`,
      `chmod 666 ${dir}/tun`,
      `mount --bind ${dir}/tun /dev/net/tun`,
      "echo ready",
      "exec cat >/dev/null",
    ];
    const holder = new Live(["unshare", "--mount", "--net", "sh", "-ec", script.join("\n")], {
      timeoutMs: 3600_000,
    });
    await holder.prints("ready");
    return new World(dir, holder);
  }

  /** The program, where the user may execute it. */
  get berth(): string {
    return this.path("berth");
  }

  /** The cgroup in which the daemon is started, "" where nothing is delegated. */
  get cgroup(): string {
    return hasDelegation ? `${CGROUP}/${basename(this.dir)}` : "";
  }

  /** The daemon's command, started in the delegated cgroup. */
  async daemon(): Promise<string[]> {
    const hosts = [
      "-H",
      `unix://${this.path("xdg/berth.sock")}`,
      "-H",
      "tcp://127.0.0.1:2375",
      "--tls=false",
    ];
    const command = this.as([this.berth, "daemon", ...hosts]);
    if (this.cgroup === "") return command;
    if (!existsSync(this.cgroup)) {
      // As systemd does for all that is below it.
      for (const controller of ["cpu", "memory", "pids"])
        await writeFile(`${CGROUP}/cgroup.subtree_control`, `+${controller}`);
      mkdirSync(this.cgroup);
      for (const name of ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"])
        await chown(join(this.cgroup, name), UID, UID);
    }
    return ["sh", "-ec", 'echo $$ >"$0/cgroup.procs"; exec "$@"', this.cgroup, ...command];
  }

  path(...parts: string[]): string {
    return join(this.dir, ...parts);
  }

  /** The command as the user runs it. */
  as(argv: readonly string[], env: Readonly<Record<string, string>> = {}): string[] {
    const namespaces = [
      "nsenter",
      `--mount=/proc/${this.#holder.pid}/ns/mnt`,
      `--net=/proc/${this.#holder.pid}/ns/net`,
    ];
    const user = ["setpriv", `--reuid=${UID}`, `--regid=${UID}`, "--clear-groups"];
    const environment = {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      HOME: this.path("home"),
      XDG_RUNTIME_DIR: this.path("xdg"),
      TERM: "xterm",
      DOCKER_BUILDKIT: "0",
      ...env,
    };
    const variables = Object.entries(environment).map(([k, v]) => `${k}=${v}`);
    return [...namespaces, "--", ...user, "env", "-i", ...variables, ...argv];
  }

  run(argv: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
    return run(this.as(argv), options);
  }

  /** The command as the machine's administrator runs it, in the user's network. */
  asRoot(argv: readonly string[]): string[] {
    return ["nsenter", `--net=/proc/${this.#holder.pid}/ns/net`, "--", ...argv];
  }

  /** A command of the user's that has to succeed; its output without the last newline. */
  async text(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
    const outcome = await this.run(argv, options);
    assert.equal(outcome.status, 0, `${argv.join(" ")}: ${outcome.stdout}${outcome.stderr}`);
    return outcome.stdout.replace(/\n$/, "");
  }

  /** What runs under the user's ids, when it does so for ten seconds: what is killed takes a moment to go. */
  async processes(): Promise<string[]> {
    for (let attempt = 0; ; attempt++) {
      const left = this.#processes();
      if (left.length === 0 || attempt === 200) return left;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  #processes(): string[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .flatMap((pid) => {
        try {
          const uid = statSync(`/proc/${pid}`).uid;
          const isTheirs = uid === UID || (uid >= FIRST && uid < FIRST + 65536);
          const isOver = /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
          return isTheirs && !isOver ? [`${pid} ${readFileSync(`/proc/${pid}/comm`, "utf8").trim()}`] : [];
        } catch {
          return []; // ignored: it has ended meanwhile
        }
      });
  }

  async close(): Promise<void> {
    this.#holder.stdin.end();
    await this.#holder.ended;
    if (existsSync(this.cgroup)) {
      for (const name of ["docker", "berth-daemon"])
        if (existsSync(join(this.cgroup, name))) rmdirSync(join(this.cgroup, name));
      rmdirSync(this.cgroup);
    }
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** Says to which address one has come. */
const TCP_SERVER = `import socket
s = socket.create_server(("", 7000)); print("ready")
while True:
    c, _ = s.accept(); c.sendall((c.getsockname()[0] + "\\n").encode()); c.close()`;
const UDP_ECHO = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", 53)); print("ready")
while True: s.sendto(*s.recvfrom(2048))`;
const UDP_ASK = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(10); s.connect(("127.0.0.1", 5353)); s.send(b"ping"); print(s.recv(2048).decode())`;

describe("rootless", () => {
  let world: World;
  let daemon: Live;
  const start = async (): Promise<void> => {
    daemon = new Live(await world.daemon(), { timeoutMs: 600_000 });
    await daemon.prints(/(API listen on[^]*){2}/);
  };
  before(async () => {
    world = await World.make();
    await start();
    await world.text([world.berth, "import", "-", "busybox"], { input: await baseImageTar() });
  });
  after(async () => {
    const ids = await world.text([world.berth, "ps", "-aq"]);
    if (ids !== "") await world.text([world.berth, "rm", "-f", ...ids.split("\n")]);
    daemon.kill("SIGTERM");
    const { status, stderr } = await daemon.ended;
    assert.equal(status, 0, stderr);
    assert.deepEqual(readdirSync(world.path("xdg")), [], "nothing is left in the runtime directory");
    assert.deepEqual(await world.processes(), [], "no process is left");
    assert.doesNotMatch(stderr, /level=(error|warn)/);
    await world.close();
  });

  const berth = (...args: string[]): Promise<string> => world.text([world.berth, ...args]);

  test("the client finds the user's daemon, which says what it is", async () => {
    const info = JSON.parse(await berth("info", "--format", "json")) as Record<string, unknown>;
    assert.ok((info["SecurityOptions"] as string[]).includes("name=rootless"));
    assert.equal(info["DockerRootDir"], world.path("home/.local/share/berth"));
    assert.equal(info["CgroupDriver"], hasDelegation ? "cgroupfs" : "none");
    assert.equal(/Running in rootless-mode without cgroups/.test(String(info["Warnings"])), !hasDelegation);
    const endpoint = await berth("context", "inspect", "-f", "{{.Endpoints.docker.Host}}", "rootless");
    assert.equal(endpoint, `unix://${world.path("xdg/berth.sock")}`);
    assert.equal(await berth("--context", "rootless", "ps", "-q"), "");
    const viaContext = await world.text([
      world.berth,
      "context",
      "ls",
      "--format",
      "{{.Name}} {{.DockerEndpoint}}",
    ]);
    assert.match(viaContext, new RegExp(`unix://${world.path("xdg/berth.sock")}`));
  });

  test("a port of the daemon's own is where its clients are", async () => {
    const version = await world.text([
      "curl",
      "-s",
      "--retry",
      "5",
      "--retry-connrefused",
      "http://127.0.0.1:2375/version",
    ]);
    assert.equal((JSON.parse(version) as { Platform: { Name: string } }).Platform.Name, "Berth");
  });

  test("a second daemon of the user's is refused", async () => {
    const { status, stderr } = await world.run([world.berth, "daemon"]);
    assert.equal(status, 1);
    assert.match(stderr, /process with PID \d+ is still running/);
  });

  test("root in a container is the user, the others are his set-aside ids", async () => {
    const script =
      "id -u; cat /proc/self/uid_map; touch /v/root /v/dev; chown dev /v/dev; stat -c %u /bin/busybox /home/dev";
    const text = await berth("run", "--rm", "-v", `${world.path("work")}:/v`, "busybox", "sh", "-c", script);
    assert.match(text, new RegExp(`^0\\n\\s+0\\s+${UID}\\s+1\\n\\s+1\\s+${FIRST}\\s+65536\\n0\\n1000$`));
    assert.equal(statSync(world.path("work/root")).uid, UID);
    assert.equal(statSync(world.path("work/dev")).uid, FIRST + 999);
    const privileged = await berth(
      "run",
      "--rm",
      "--privileged",
      "busybox",
      "sh",
      "-c",
      "mount -t tmpfs x /tmp && echo ok; cat /etc/shadow; mknod /disk b 8 0 2>&1 | grep -c permitted",
    );
    assert.equal(privileged, "ok\n1");
  });

  test("run, exec, logs, top, stop, cp and diff", async () => {
    const [, docker] = clients;
    for (const argv of [
      [world.berth],
      ...(docker === undefined ? [] : [["docker", "-H", `unix://${world.path("xdg/berth.sock")}`]]),
    ]) {
      const client = (...args: string[]): Promise<string> => world.text([...argv, ...args]);
      await client(
        "run",
        "-d",
        "--name",
        "job",
        "busybox",
        "sh",
        "-c",
        "trap 'echo bye; exit 3' TERM; echo hello; touch /made; rm -r /home; while true; do sleep 0.1; done",
      );
      await client("exec", "job", "sh", "-c", "while [ -e /home ]; do sleep 0.02; done");
      assert.equal(await client("exec", "-u", "dev", "job", "id", "-u"), "1000");
      assert.match(await client("top", "job"), /trap/);
      await client("stop", "job");
      assert.equal(await client("logs", "job"), "hello\nbye");
      assert.equal(await client("inspect", "-f", "{{.State.ExitCode}}", "job"), "3");
      assert.equal(await client("diff", "job"), "D /home\nA /made");
      await client("cp", "job:/made", world.path("work/copied"));
      assert.equal(statSync(world.path("work/copied")).uid, UID);
      await client("commit", "job", "committed");
      assert.equal(await client("run", "--rm", "committed", "ls", "-d", "/made"), "/made");
      assert.match(
        (await world.run([...argv, "run", "--rm", "committed", "ls", "/home"])).stderr,
        /No such file/,
      );
      await client("rm", "job");
    }
  });

  test("a published port is reachable from the host, TCP and UDP", async () => {
    await berth(
      "run",
      "-d",
      "--name",
      "web",
      "-p",
      "8080:80",
      "-p",
      "5353:53/udp",
      "busybox",
      "httpd",
      "-f",
      "-p",
      "80",
      "-h",
      "/etc",
    );
    await berth(
      "exec",
      "web",
      "sh",
      "-c",
      "until wget -q -O /dev/null http://127.0.0.1/passwd; do sleep 0.05; done",
    );
    assert.match(await world.text(["curl", "-s", "http://127.0.0.1:8080/passwd"]), /^dev:x:1000:/m);
    const pid = await berth("inspect", "-f", "{{.State.Pid}}", "web");
    const echo = new Live(["nsenter", `--net=/proc/${pid}/ns/net`, "python3", "-uc", UDP_ECHO]);
    await echo.prints("ready");
    assert.equal(await world.text(["python3", "-c", UDP_ASK]), "ping");
    echo.kill("SIGKILL");
    await echo.ended;
    const taken = await world.run([world.berth, "run", "--rm", "-p", "8080:80", "busybox", "true"]);
    assert.equal(taken.status, 125);
    assert.match(taken.stderr, /8080.*(already allocated|already in use)/);
    const low = await world.run([world.berth, "run", "--rm", "-p", "81:80", "busybox", "true"]);
    assert.match(low.stderr, /failed to bind host port 0\.0\.0\.0:81.*permission denied/);
    await berth("rm", "-f", "web");
    assert.equal((await world.run(["curl", "-s", "http://127.0.0.1:8080/"])).status, 7);
  });

  test("an egress policy of a network, and of a container, lets out what its rules allow", async () => {
    const places = ["192.0.2.7", "192.0.2.8", "192.0.2.9"];
    for (const place of places)
      assert.equal((await run(world.asRoot(["ip", "addr", "add", `${place}/32`, "dev", "lo"]))).status, 0);
    const server = new Live(world.asRoot(["python3", "-uc", TCP_SERVER]));
    await server.prints("ready");
    await berth("network", "create", "--egress", "192.0.2.8/31:7000/tcp", "walled");
    const asked = async (...flags: string[]): Promise<string[]> => {
      await berth("run", "-d", "--name", "asks", "--network", "walled", ...flags, "busybox", "sleep", "1000");
      const got = [];
      for (const place of places)
        got.push(
          (await world.run([world.berth, "exec", "asks", "nc", "-w", "5", place, "7000"])).stdout.trim(),
        );
      await berth("rm", "-f", "asks");
      return got;
    };
    assert.deepEqual(await asked(), ["", "192.0.2.8", "192.0.2.9"]);
    assert.deepEqual(await asked("--label", "berth.egress=192.0.2.0/28:7000 dns"), [
      "",
      "192.0.2.8",
      "192.0.2.9",
    ]);
    assert.deepEqual(await asked("--label", "berth.egress=192.0.2.9"), ["", "", "192.0.2.9"]);
    assert.deepEqual(await asked("--label", "berth.egress=deny"), ["", "", ""]);
    await berth("network", "rm", "walled");
    server.kill("SIGKILL");
    await server.ended;
    for (const place of places) await run(world.asRoot(["ip", "addr", "del", `${place}/32`, "dev", "lo"]));
  });

  test("containers reach each other by name, and volumes keep what they write", async () => {
    await berth("network", "create", "net");
    await berth(
      "run",
      "-d",
      "--name",
      "peer",
      "--network",
      "net",
      "-v",
      "data:/www",
      "busybox",
      "sh",
      "-c",
      "echo named > /www/index.html; exec httpd -f -p 80 -h /www",
    );
    assert.equal(
      await berth(
        "run",
        "--rm",
        "--network",
        "net",
        "busybox",
        "sh",
        "-c",
        "until wget -q -O - http://peer/; do sleep 0.1; done",
      ),
      "named",
    );
    await berth("rm", "-f", "peer");
    assert.equal(await berth("run", "--rm", "-v", "data:/d", "busybox", "cat", "/d/index.html"), "named");
    await berth("volume", "rm", "data");
    await berth("network", "rm", "net");
  });

  test("a build makes layers with whiteouts and opaque directories", async () => {
    const context = world.path("work/context");
    await mkdir(context);
    await writeFile(
      join(context, "Dockerfile"),
      "FROM busybox\nRUN rm -r /home && mkdir /home && touch /home/new && rm /etc/group\nCOPY --chown=1000:2000 Dockerfile /copied\nRUN id -u > /who\n",
    );
    await berth("build", "-q", "-t", "built", context);
    assert.equal(
      await berth(
        "run",
        "--rm",
        "built",
        "sh",
        "-c",
        "ls /home; stat -c %u:%g /copied; cat /who; ls /etc/group 2>/dev/null; true",
      ),
      "new\n1000:2000\n0",
    );
    const saved = await world.run([world.berth, "save", "built"]);
    await berth("rmi", "built");
    await world.text([world.berth, "load"], { input: saved.bytes });
    assert.equal(await berth("run", "--rm", "built", "ls", "/home"), "new");
  });

  test("images with device nodes, and with more owners than the user has ids", async () => {
    const tar = (...entries: Parameters<typeof tarEntry>[0][]): Buffer =>
      Buffer.concat([...entries.map((entry) => tarHeader(tarEntry(entry))), TAR_END]);
    const device = tar(
      { type: "directory", name: "d" },
      { type: "char", name: "d/mem", devMajor: 1, devMinor: 1 },
    );
    await world.text([world.berth, "import", "-", "device"], { input: device });
    const exported = await world.run([world.berth, "save", "device"]);
    assert.equal(exported.status, 0);
    await berth("rmi", "device");
    await world.text([world.berth, "load"], { input: exported.bytes });
    const foreign = await world.run([world.berth, "import", "-", "foreign"], {
      input: tar({ type: "file", name: "f", uid: 70_000, gid: 70_000 }),
    });
    assert.equal(foreign.status, 1);
    assert.match(foreign.stderr, /chown f: .*not among your ids.*\/etc\/subuid/);
  });

  test("limits are set in a delegated cgroup, and told where there is none", async () => {
    const limited = ["run", "--rm", "-m", "64m", "--pids-limit", "50", "busybox"];
    const { status, stdout, stderr } = await world.run([
      world.berth,
      ...limited,
      "cat",
      "/sys/fs/cgroup/memory.max",
      "/sys/fs/cgroup/pids.max",
    ]);
    const id = await berth("run", "-d", "busybox", "sleep", "1000");
    const paused = await world.run([world.berth, "pause", id]);
    if (hasDelegation) {
      assert.equal(stdout, "67108864\n50\n", stderr);
      assert.equal(paused.status, 0, paused.stderr);
      await berth("unpause", id);
    } else {
      assert.equal(status, 1);
      assert.match(stderr, /does not support memory limit capabilities or the cgroup is not mounted/);
      assert.equal(paused.status, 1);
      assert.match(paused.stderr, /cannot pause container/);
    }
    await berth("rm", "-f", id);
  });

  test("containers outlive the daemon, killed or stopped", async () => {
    await berth(
      "run",
      "-d",
      "--name",
      "stays",
      "-p",
      "8081:80",
      "busybox",
      "sh",
      "-c",
      "mkdir /www; echo still > /www/index.html; exec httpd -f -p 80 -h /www",
    );
    await berth(
      "exec",
      "stays",
      "sh",
      "-c",
      "until wget -q -O /dev/null http://127.0.0.1/index.html; do sleep 0.05; done",
    );
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      daemon.kill(signal);
      await daemon.ended;
      await start();
      assert.equal(await berth("exec", "stays", "cat", "/www/index.html"), "still");
      assert.equal(await world.text(["curl", "-s", "http://127.0.0.1:8081/"]), "still");
    }
    await berth("rm", "-f", "stays");
  });
});

test("who has no set-aside ids reads what to do", async () => {
  const world = await World.make({ subuid: "" });
  try {
    const { status, stderr } = await world.run([world.berth, "daemon"]);
    assert.equal(status, 1);
    assert.match(stderr, /no ids are set aside for walter in \/etc\/subuid.*usermod --add-subuids/);
    assert.equal(await readFile(world.path("xdg/berth.pid"), "utf8").catch(() => "none"), "none");
    assert.deepEqual(await world.processes(), []);
  } finally {
    await world.close();
  }
});

test("settings of the machine's daemon are refused, and so is a runtime directory that is missing", async () => {
  const world = await World.make();
  try {
    for (const [flag, value, message] of [
      ["--userns-remap", "default", /userns-remap cannot be used in rootless mode/],
      ["--metrics-addr", "127.0.0.1:9323", /metrics-addr cannot be used in rootless mode/],
      ["-H", "fd://", /fd:\/\/\) cannot be used in rootless mode/],
    ] as const) {
      const refused = await world.run([world.berth, "daemon", flag, value]);
      assert.equal(refused.status, 1);
      assert.match(refused.stderr, message);
    }
    const homeless = await run(world.as([world.berth, "daemon"], { XDG_RUNTIME_DIR: "" }));
    assert.equal(homeless.status, 1);
    assert.match(homeless.stderr, /set XDG_RUNTIME_DIR to a directory that only you may enter/);
  } finally {
    await world.close();
  }
});
