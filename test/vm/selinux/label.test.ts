// SELinux labels of an OCI specification on a kernel that enforces them: the program has its label, file systems have theirs, and what
// the policy (tools/vm/selinux.cil) denies is denied. Run by `make test-vm`, on a machine of its own.
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Keel, startKeel } from "../../../src/linux/keel.ts";
import { host } from "../../../src/linux/ops.ts";
import { planContainer } from "../../../src/runtime/plan/plan.ts";
import { connectShim, openShimEvents, type ShimExit } from "../../../src/runtime/shim/client.ts";
import type { OciSpec } from "../../../src/runtime/spec/oci.ts";

const ROOT = new URL("../../..", import.meta.url).pathname;
const CONTAINER = "u:r:container_t:s0:c1,c2";
const FILES = "u:object_r:container_file_t:s0:c1,c2";
const SECRET = "u:object_r:secret_t:s0";

let dir: string;
let keel: Keel;
before(async () => {
  dir = mkdtempSync(join(tmpdir(), "berth-selinux-"));
  mkdirSync(join(dir, "root/bin"), { recursive: true });
  mkdirSync(join(dir, "target"));
  cpSync("/bin/busybox", join(dir, "root/bin/busybox"));
  for (const applet of ["sh", "cat", "touch"]) symlinkSync("busybox", join(dir, "root/bin", applet));
  const options = { keelPath: join(ROOT, "build/keel"), socketPath: join(dir, "agent.sock") };
  keel = await startKeel({ ...options, onExit: () => {} });
});
after(async () => {
  await keel.close();
  rmSync(dir, { recursive: true });
});

/** Runs a shell script under the container's label to its end; returns its exit code and what it wrote. */
async function run(
  script: string,
  linux: OciSpec["linux"] = {},
): Promise<{ exitCode: number; output: string }> {
  const id = `c${Math.random().toString(36).slice(2)}`;
  const log = join(dir, `${id}.log`);
  const spec: OciSpec = {
    ociVersion: "1.2.0",
    process: {
      user: { uid: 0, gid: 0 },
      args: ["/bin/sh", "-c", script],
      env: ["PATH=/bin"],
      cwd: "/",
      selinuxLabel: CONTAINER,
    },
    root: { path: "root" },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/labelled", type: "tmpfs", source: "tmpfs" },
      { destination: "/secret", type: "tmpfs", source: "tmpfs", options: [`context="${SECRET}"`] },
    ],
    linux: { namespaces: [{ type: "mount" }, { type: "pid" }, { type: "ipc" }], ...linux },
  };
  const plan = planContainer({
    id,
    spec,
    root: { kind: "dir", path: join(dir, "root") },
    rootTarget: join(dir, "target"),
    stateDir: join(dir, id),
    log: { kind: "json-file", path: log, maxSizeBytes: 0, maxFiles: 1, attrs: "" },
    hasBarrier: true,
  });
  await keel.run([...plan.hostOps, host.shim(plan.shim)]);
  const exit = Promise.withResolvers<ShimExit>();
  const socket = join(dir, id, "shim.sock");
  using _events = await openShimEvents(socket, {
    onExit: exit.resolve,
    onExecExit: () => {},
    onWarning: () => {},
    onLost: () => exit.reject(new Error("the shim is gone")),
  });
  const shim = await connectShim(socket);
  await shim.start();
  const { exitCode } = await exit.promise;
  shim.close();
  const lines = readFileSync(log, "utf8").trim().split("\n").filter(Boolean);
  return { exitCode, output: lines.map((line) => (JSON.parse(line) as { log: string }).log).join("") };
}

test("the kernel enforces a policy", () => {
  assert.equal(readFileSync("/sys/fs/selinux/enforce", "utf8"), "1");
  assert.match(readFileSync("/proc/self/attr/current", "utf8"), /^u:r:host_t:s0/);
});

test("the program has the label of process.selinuxLabel", async () => {
  const { exitCode, output } = await run("cat /proc/self/attr/current");
  assert.equal(output.replace(/\0/g, ""), CONTAINER);
  assert.equal(exitCode, 0);
});

test("file systems have the label of linux.mountLabel, unless they bring their own", async () => {
  const script = "touch /labelled/x && cat /proc/mounts";
  const { exitCode, output } = await run(script, { mountLabel: FILES });
  assert.equal(exitCode, 0, output);
  assert.match(output, new RegExp(`^tmpfs /labelled tmpfs .*context="?${FILES}`, "m"));
  assert.match(output, new RegExp(`^tmpfs /secret tmpfs .*context="?${SECRET}`, "m"));
  assert.doesNotMatch(output, /^proc \/proc proc .*context=/m);
});

test("what the policy denies to the label is denied", async () => {
  const { exitCode, output } = await run("touch /secret/x");
  assert.notEqual(exitCode, 0);
  assert.match(output, /Permission denied/);
});

test("a label that the policy does not know keeps the container from starting", async () => {
  const unknown = planContainer({
    id: "unknown",
    spec: {
      ociVersion: "1.2.0",
      process: { user: { uid: 0, gid: 0 }, args: ["/bin/sh"], cwd: "/", selinuxLabel: "u:r:nobody_t:s0" },
      mounts: [],
      linux: { namespaces: [{ type: "mount" }, { type: "pid" }] },
    },
    root: { kind: "dir", path: join(dir, "root") },
    rootTarget: join(dir, "target"),
    stateDir: join(dir, "unknown"),
    log: { kind: "none" },
  });
  await assert.rejects(
    keel.run([...unknown.hostOps, host.shim(unknown.shim)]),
    /execLabel u:r:nobody_t:s0: Invalid argument/,
  );
});
