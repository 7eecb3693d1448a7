// Other engines with Berth as their runtime: Docker's and containerd's shim, podman's conmon. Each in directories and namespaces of its
// own. An engine that is not installed is passed over, and said so.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, test } from "node:test";
import { baseImageTar } from "./base-image.ts";
import { Live, type Outcome, run } from "./command.ts";
import { FRONT } from "./runtime-bed.ts";

let dir: string;
let runtime: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), "berth-engines-"));
  await chmod(dir, 0o755);
  runtime = join(dir, "berth-runtime"); // as a distribution may link it
  await symlink(FRONT, runtime);
});
after(() => rm(dir, { recursive: true, force: true }));

/** The base image with a root directory that every user may enter. */
async function boxTar(): Promise<Buffer> {
  const root = join(dir, "box");
  if (!existsSync(root)) {
    await mkdir(root);
    const { status, stderr } = await run(["tar", "-x", "-C", root], { input: await baseImageTar() });
    assert.equal(status, 0, stderr);
    await chmod(root, 0o755);
  }
  return (await run(["tar", "-c", "-C", root, "."])).bytes;
}

/** Whether the test can be made; says why not. */
function has(...commands: string[]): boolean {
  const missing = commands.filter(
    (command) => !(process.env["PATH"] ?? "").split(delimiter).some((d) => existsSync(join(d, command))),
  );
  if (!existsSync(runtime)) missing.push("dist/berth-runtime");
  if (missing.length > 0) console.log(`passed over: ${missing.join(", ")} is not there`);
  return missing.length === 0;
}

type Engine = (args: readonly string[], input?: string) => Promise<Outcome>;

/** What is asked of every engine, in words that docker and podman share. */
async function story(engine: Engine): Promise<void> {
  const ok = async (...args: string[]): Promise<string> => {
    const { status, stdout, stderr } = await engine(args);
    assert.equal(status, 0, `${args.join(" ")}: ${stderr}`);
    return stdout;
  };
  const box = ["--network", "none", "box"];
  assert.equal(await ok("run", "--rm", ...box, "echo", "hello"), "hello\n");
  assert.equal((await engine(["run", "--rm", ...box, "sh", "-c", "exit 6"])).status, 6);
  assert.equal((await engine(["run", "--rm", "-i", ...box, "cat"], "words")).stdout, "words");
  assert.match(await ok("run", "--rm", "-t", ...box, "tty"), /^\/dev\/(pts\/0|console)\r\n$/);
  assert.match(
    await ok("run", "--rm", "--user", "1000:1001", "--read-only", ...box, "id"),
    /^uid=1000.* gid=1001/,
  );
  const missing = await engine(["run", "--rm", ...box, "nosuch"]);
  assert.equal(missing.status, 127);
  assert.match(missing.stderr, /executable file not found in \$PATH|command that was not found/);
  await ok("run", "-d", "--name", "stays", "--memory", "64m", ...box, "sleep", "1000");
  assert.match(await ok("exec", "stays", "cat", "/proc/1/cmdline"), /^sleep\0/);
  assert.equal((await engine(["exec", "stays", "sh", "-c", "exit 9"])).status, 9);
  assert.match(await ok("top", "stays"), /sleep 1000/);
  await ok("pause", "stays");
  await ok("unpause", "stays");
  await ok("kill", "stays");
  await ok("rm", "-f", "stays");
}

test("Docker Engine runs containers with it", async () => {
  if (!has("dockerd", "docker", "containerd")) return;
  const home = join(dir, "docker");
  await mkdir(home);
  await writeFile(
    join(home, "daemon.json"),
    JSON.stringify({ runtimes: { berth: { path: runtime } }, "default-runtime": "berth" }),
  );
  const socket = `unix://${join(home, "d.sock")}`;
  const places = [
    "--data-root",
    join(home, "data"),
    "--exec-root",
    join(home, "run"),
    "--pidfile",
    join(home, "pid"),
  ];
  const settings = ["--bridge", "none", "--iptables=false", "--storage-driver", "vfs"];
  const daemon = new Live(
    [
      "unshare",
      "-mn",
      "dockerd",
      "--config-file",
      join(home, "daemon.json"),
      "-H",
      socket,
      ...places,
      ...settings,
    ],
    { timeoutMs: 120_000 },
  );
  try {
    await daemon.prints("API listen on");
    const imported = await run(["docker", "-H", socket, "import", "-", "box"], {
      input: await boxTar(),
    });
    assert.equal(imported.status, 0, imported.stderr);
    await story((args, input) =>
      run(["docker", "-H", socket, ...args], input === undefined ? {} : { input }),
    );
  } finally {
    daemon.kill("SIGTERM");
    await daemon.ended;
  }
});

test("podman runs containers with it", async () => {
  if (!has("podman", "conmon")) return;
  const home = join(dir, "podman");
  await mkdir(home);
  const stores = ["--root", join(home, "graph"), "--runroot", join(home, "run"), "--storage-driver", "vfs"];
  const settings = [
    "--cgroup-manager",
    "cgroupfs",
    "--events-backend",
    "none",
    "--tmpdir",
    join(home, "tmp"),
  ];
  const podman: Engine = (args, input) =>
    run(
      ["unshare", "-m", "podman", ...stores, ...settings, "--runtime", runtime, ...args],
      input === undefined ? {} : { input },
    );
  const tar = join(home, "box.tar");
  await writeFile(tar, await boxTar());
  const imported = await podman(["import", tar, "box"]);
  assert.equal(imported.status, 0, imported.stderr);
  try {
    await story(podman);
  } finally {
    await podman(["rm", "-fa"]);
    await podman(["rmi", "-fa"]);
  }
});

/** An image as an OCI layout in a tar archive. */
async function imageArchive(home: string): Promise<string> {
  const blobs = join(home, "layout/blobs/sha256");
  await mkdir(blobs, { recursive: true });
  const put = async (mediaType: string, bytes: Buffer) => {
    const hex = createHash("sha256").update(bytes).digest("hex");
    await writeFile(join(blobs, hex), bytes);
    return {
      mediaType: `application/vnd.oci.image.${mediaType}`,
      digest: `sha256:${hex}`,
      size: bytes.length,
    };
  };
  const json = (value: object) => Buffer.from(JSON.stringify(value));
  const layer = await put("layer.v1.tar", await boxTar());
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const rootfs = { type: "layers", diff_ids: [layer.digest] };
  const config = await put(
    "config.v1+json",
    json({ architecture, os: "linux", rootfs, config: { Env: ["PATH=/bin"], Cmd: ["sh"] } }),
  );
  const manifest = await put("manifest.v1+json", json({ schemaVersion: 2, config, layers: [layer] }));
  const annotations = { "io.containerd.image.name": "box:latest" };
  await writeFile(
    join(home, "layout/index.json"),
    json({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
  );
  await writeFile(join(home, "layout/oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  const archive = join(home, "image.tar");
  const { status, stderr } = await run(["tar", "-cf", archive, "-C", join(home, "layout"), "."]);
  assert.equal(status, 0, stderr);
  return archive;
}

test("containerd's shim runs containers with it", async () => {
  if (!has("containerd", "ctr", "containerd-shim-runc-v2")) return;
  const home = join(dir, "containerd");
  await mkdir(home);
  const socket = join(home, "c.sock");
  const config = join(home, "config.toml");
  await writeFile(
    config,
    `version = 2
root = "${home}/root"
state = "${home}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "${socket}"
[ttrpc]
address = "${socket}.ttrpc"
`,
  );
  const daemon = new Live(["unshare", "-mn", "containerd", "-c", config], { timeoutMs: 120_000 });
  const ctr = (...args: string[]): Promise<Outcome> => run(["ctr", "-a", socket, ...args]);
  const ok = async (...args: string[]): Promise<string> => {
    const { status, stdout, stderr } = await ctr(...args);
    assert.equal(status, 0, `${args.join(" ")}: ${stderr}`);
    return stdout;
  };
  const how = ["--runc-binary", runtime, "--snapshotter", "native"];
  try {
    await daemon.prints("containerd successfully booted");
    await ok("image", "import", "--snapshotter", "native", await imageArchive(home));
    const image = (await ok("image", "ls", "-q")).trim();
    assert.equal(await ok("run", ...how, "--rm", image, "c1", "echo", "hello"), "hello\n");
    assert.equal((await ctr("run", ...how, "--rm", image, "c2", "sh", "-c", "exit 6")).status, 6);
    const missing = await ctr("run", ...how, "--rm", image, "c3", "nosuch");
    assert.match(missing.stderr, /OCI runtime create failed: .*executable file not found in \$PATH/);
    await ok("run", ...how, "-d", image, "c4", "sleep", "1000");
    assert.match(await ok("task", "ls"), /c4 +\d+ +RUNNING/);
    assert.match(await ok("task", "exec", "--exec-id", "e1", "c4", "cat", "/proc/1/cmdline"), /^sleep\0/);
    await ok("task", "pause", "c4");
    assert.match(await ok("task", "ls"), /c4 +\d+ +PAUSED/);
    await ok("task", "resume", "c4");
    await ok("task", "delete", "--force", "c4");
    await ok("container", "rm", "c4");
  } finally {
    daemon.kill("SIGTERM");
    await daemon.ended;
  }
});
