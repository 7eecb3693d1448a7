// `make test-vm`: boots Debian's cloud kernel in an emulated machine, with cgroup v2 alone and AppArmor enforcing, and runs
// there the suites that depend on it (vm/suite.ts); then once more with SELinux for those few that are about it. The
// machine's root is this machine's own, read-only, below an overlay in memory: what is built here runs there, and nothing
// that a test does comes back. (Overlays want their lower layer to hold still: no packages should be installed meanwhile.)
// `vm.ts [TEST FILE...]` runs some only; BERTH_VM_ACCEL=kvm uses the processor where it can.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { basename, dirname, join } from "node:path";
import { type CpioEntry, cpioArchive } from "./vm/cpio.ts";
import { type Kernel, loadKernel, modulesDirectory, modulesInOrder } from "./vm/kernel.ts";
import { type Machine, suitesOf } from "./vm/suite.ts";

const ROOT = dirname(import.meta.dirname);
const HOME = join(ROOT, "build/vm");
/** The longest that all of it may take. */
const LIMIT_MINUTES = Number(process.env["BERTH_VM_MINUTES"] ?? 120);
/** What is needed before the root is there; all others are loaded from it when they are asked for. */
const MODULES = ["virtio_pci", "virtio_blk", "virtiofs", "overlay"];
const COMMAND_LINE = "console=ttyS0 loglevel=4 panic=-1";
/** The kernel takes one of the two. */
const MODULE_OPTIONS: Readonly<Record<Machine, string>> = {
  apparmor: "apparmor=1 lsm=landlock,lockdown,yama,integrity,apparmor,bpf",
  selinux: "selinux=1 enforcing=1 lsm=landlock,lockdown,yama,integrity,selinux,bpf",
};

const SHARE = join(HOME, "share");
const SHARE_SOCKET = join(HOME, "share.sock");
const RESULT = join(HOME, "result");
const DISK = join(HOME, "disk");

const DIRECTORY = 0o040755;
const FILE = 0o100755;

/** The first root: busybox, the modules in the order in which they are loaded, and the script. */
function initramfs(kernel: Kernel): Buffer {
  const modules = modulesInOrder(kernel, MODULES);
  const entries: CpioEntry[] = ["bin", "modules"].map((path) => ({ path, mode: DIRECTORY }));
  const add = (path: string, content: Uint8Array): void => void entries.push({ path, mode: FILE, content });
  add("bin/busybox", readFileSync("/bin/busybox"));
  // The script names the shell of the second root; in the first it is a link that busybox has not made yet.
  add(
    "init",
    Buffer.from(readFileSync(join(ROOT, "tools/vm/init"), "utf8").replace(/^#!.*/, "#!/bin/busybox sh")),
  );
  for (const file of modules) add(`modules/${basename(file)}`, readFileSync(file));
  add("modules/order", Buffer.from(modules.map((file) => basename(file)).join("\n")));
  return cpioArchive(entries);
}

/** Serves this machine's root to the emulated one: a read-only mount of it in a mount namespace of its own. */
async function startShare(): Promise<ChildProcess> {
  const program = ["/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd"].find((path) => existsSync(path));
  if (program === undefined) throw new Error("virtiofsd is missing: run tools/install-packages vm");
  mkdirSync(SHARE, { recursive: true });
  rmSync(SHARE_SOCKET, { force: true });
  const script = `mount --bind / ${SHARE} && mount -o remount,bind,ro ${SHARE} && exec ${program} \
    --socket-path=${SHARE_SOCKET} -o source=${SHARE} -o cache=always -o log_level=warn`;
  const share = spawn("unshare", ["--mount", "--propagation", "private", "sh", "-c", script], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  for (let waited = 0; !existsSync(SHARE_SOCKET); waited++) {
    if (share.exitCode !== null || waited > 200) throw new Error("virtiofsd does not start");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return share;
}

function startMachine(kernel: Kernel, machine: Machine): ChildProcess {
  const memory = "4G";
  const accel = process.env["BERTH_VM_ACCEL"] ?? "tcg,thread=multi";
  const append = `${COMMAND_LINE} ${MODULE_OPTIONS[machine]} REPOSITORY=${ROOT} MODULES=${modulesDirectory(kernel)}`;
  const args = [
    ["-machine", "q35", "-accel", accel, "-cpu", "max", "-smp", String(Math.min(cpus().length, 4))],
    [
      "-m",
      memory,
      "-object",
      `memory-backend-memfd,id=memory,size=${memory},share=on`,
      "-numa",
      "node,memdev=memory",
    ],
    ["-kernel", kernel.image, "-initrd", join(HOME, "initramfs"), "-append", append],
    ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ["-serial", "stdio", "-serial", `file:${RESULT}`],
    [
      "-chardev",
      `socket,id=share,path=${SHARE_SOCKET}`,
      "-device",
      "vhost-user-fs-pci,chardev=share,tag=host",
    ],
    ["-drive", `file=${DISK},format=raw,if=virtio,cache=unsafe`],
  ].flat();
  return spawn("qemu-system-x86_64", args, { stdio: ["ignore", "inherit", "inherit"] });
}

/** Set by a signal, and when the time is over: nothing more is started. */
let isStopped = false;

/** Returns whether everything passed. */
async function boot(kernel: Kernel, module: Machine): Promise<boolean> {
  for (const path of [RESULT, DISK]) writeFileSync(path, "");
  truncateSync(DISK, 8 * 2 ** 30); // takes room as it is written
  const share = await startShare();
  const machine = startMachine(kernel, module);
  const end = (): void => void [machine, share].map((process) => process.kill("SIGKILL"));
  const stop = (): void => {
    isStopped = true;
    end();
  };
  const timer = setTimeout(
    () => {
      console.error(`\nnot done after ${LIMIT_MINUTES} minutes`);
      stop();
    },
    Math.max(0, began + LIMIT_MINUTES * 60_000 - Date.now()),
  );
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, stop);
  await once(machine, "exit");
  clearTimeout(timer);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, stop);
  end();
  for (const path of [DISK, SHARE_SOCKET]) rmSync(path, { force: true });
  return readFileSync(RESULT, "utf8").trim() === "passed";
}

if (statSync(ROOT).dev !== statSync("/").dev)
  throw new Error(`${ROOT} is on another file system than /, which is all that the machine sees`);
mkdirSync(HOME, { recursive: true });
const began = Date.now();
const all = suitesOf(ROOT, process.argv.slice(2));
const kernel = loadKernel(HOME);
writeFileSync(join(HOME, "initramfs"), initramfs(kernel));
execFileSync("secilc", [
  "-c",
  "33",
  "-o",
  join(HOME, "policy"),
  "-f",
  "/dev/null",
  join(ROOT, "tools/vm/selinux.cil"),
]);
console.log(`Linux ${kernel.release}, ${all.length} suites, at most ${LIMIT_MINUTES} minutes`);
let isGood = all.length > 0;
for (const machine of ["apparmor", "selinux"] as const) {
  const suites = all.filter((suite) => suite.machine === machine);
  writeFileSync(join(HOME, "suites.json"), JSON.stringify(suites));
  if (suites.length > 0 && (isStopped || !(await boot(kernel, machine)))) isGood = false;
}
console.log(
  `test-vm ${isGood ? "passed" : "FAILED"} in ${((Date.now() - began) / 60_000).toFixed(1)} minutes`,
);
process.exit(isGood ? 0 : 1);
