// `berth runtime` and user namespaces: one of the bundle's own, another container's, and the runtime of an ordinary user.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "./command.ts";
import { RUNTIME, RuntimeBed } from "./runtime-bed.ts";

const FIRST = 600_000;
const USER = 54_322;
const mappings = [{ containerID: 0, hostID: FIRST, size: 65_536 }];
const LOOK = [
  "sh",
  "-c",
  "id -u; cat /proc/self/uid_map; stat -c %u / /dev/null; readlink /proc/self/ns/user",
];

/** The lines that LOOK prints. */
const lines = (text: string): string[] =>
  text
    .trim()
    .split("\n")
    .map((line) => line.trim().replace(/\s+/g, " "));

async function giveRoot(bed: RuntimeBed, id: number): Promise<void> {
  const { status } = await run(["chown", "-R", `${id}:${id}`, bed.rootfs]);
  assert.equal(status, 0);
}

test("a bundle has a user namespace of its own, and another container joins it", async () => {
  await using bed = await RuntimeBed.open();
  await giveRoot(bed, FIRST);
  await bed.configure((spec) => {
    spec.linux.namespaces?.push({ type: "user" });
    spec.linux.uidMappings = mappings;
    spec.linux.gidMappings = mappings;
  });
  const pidFile = join(bed.dir, "pid");
  const first = await bed.detached(["run", "-d", "--pid-file", pidFile, "first"]);
  assert.equal(first.status, 0, first.stderr);
  const exec = await bed.call(["exec", "first", ...LOOK]);
  const own = lines(exec.stdout);
  assert.deepEqual(own.slice(0, 4), ["0", `0 ${FIRST} 65536`, "0", "0"], exec.stderr);
  const path = `/proc/${(await readFile(pidFile, "utf8")).trim()}/ns/user`;
  await bed.configure((spec) => {
    spec.linux.namespaces?.push({ type: "user", path });
    spec.process.args = LOOK;
  });
  const joined = await bed.call(["run", "second"]);
  assert.deepEqual(lines(joined.stdout), own, joined.stderr);
});

test("a namespace is joined in which nobody is any more", async () => {
  await using bed = await RuntimeBed.open();
  await giveRoot(bed, FIRST);
  await using cleanup = new AsyncDisposableStack();
  const path = join(bed.dir, "userns");
  await writeFile(path, "");
  const holder = spawn("unshare", ["--user", "sh", "-c", "echo ready; read x"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(holder.stdout, "data");
  for (const name of ["uid_map", "gid_map"])
    await writeFile(`/proc/${holder.pid}/${name}`, `0 ${FIRST} 1000\n1000 ${FIRST + 5000} 64536\n`);
  assert.equal((await run(["mount", "--bind", `/proc/${holder.pid}/ns/user`, path])).status, 0);
  cleanup.defer(async () => assert.equal((await run(["umount", path])).status, 0));
  holder.stdin.end();
  await once(holder, "close");
  await bed.configure((spec) => {
    spec.linux.namespaces?.push({ type: "user", path });
    spec.process.args = LOOK;
  });
  const joined = await bed.call(["run", "joined"]);
  assert.deepEqual(
    lines(joined.stdout).slice(0, 5),
    ["0", `0 ${FIRST} 1000`, `1000 ${FIRST + 5000} 64536`, "0", "0"],
    joined.stderr,
  );
});

test("an ordinary user runs a bundle as root of a namespace with himself alone", async () => {
  await using bed = await RuntimeBed.open();
  await giveRoot(bed, USER);
  await bed.configure((spec) => {
    spec.process.args = LOOK;
    spec.linux.namespaces = (spec.linux.namespaces ?? []).filter(
      ({ type }) => type !== "network" && type !== "cgroup",
    );
    spec.linux.namespaces.push({ type: "user" });
    spec.linux.uidMappings = [{ containerID: 0, hostID: USER, size: 1 }];
    spec.linux.gidMappings = [{ containerID: 0, hostID: USER, size: 1 }];
    delete spec.linux.resources;
    // compat: runc's `spec --rootless` leaves the same out: other groups than root's do not exist.
    for (const mount of spec.mounts ?? [])
      mount.options = mount.options?.filter((option) => option !== "gid=5") ?? [];
    spec.mounts = (spec.mounts ?? [])
      .map((mount) =>
        mount.type === "sysfs"
          ? {
              destination: "/sys",
              type: "none",
              source: "/sys",
              options: ["rbind", "nosuid", "noexec", "nodev", "ro"],
            }
          : mount,
      )
      .filter((mount) => mount.type !== "cgroup");
  });
  const state = join(bed.dir, "user");
  await mkdir(state, { mode: 0o700 });
  await chown(state, USER, USER);
  await chmod(bed.bundle, 0o755);
  const user = ["setpriv", `--reuid=${USER}`, `--regid=${USER}`, "--clear-groups"];
  // Wherever the repository is: the user need not be able to look into it.
  const program = join(bed.dir, "berth");
  const script = `touch ${program}; mount --bind ${RUNTIME[0]} ${program}; cd ${bed.bundle}; exec ${user.join(" ")} ${program} runtime --root ${state} run alone`;
  const { stdout, stderr } = await run(["unshare", "--mount", "sh", "-ec", script], {
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", HOME: state, XDG_RUNTIME_DIR: state },
  });
  assert.deepEqual(lines(stdout).slice(0, 3), ["0", `0 ${USER} 1`, "0"], stderr);
});
