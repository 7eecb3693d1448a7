// A machine whose init is systemd, as far as `--systemd-cgroup` is concerned: the real systemd as the first process of new pid, mount, cgroup, ipc
// and uts namespaces, with a small root of bind mounts, cgroups of its own and no units but one that says when it is up.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCgroupHost, parseOwnCgroups } from "../../src/linux/cgroupfs/hierarchy.ts";
import { type CommandOptions, Live, type Outcome, run } from "./command.ts";

const host = loadCgroupHost();
export const isUnified = host.mode === "unified";

/** The new root, with what the machine's programs need, in which only /run, /tmp, /var and `shared` can be written to. */
const script = (dir: string, shared: readonly string[]) => `set -e
echo forked
read -r go < ${dir}/go
mount --make-rprivate /
mount -t tmpfs tmpfs ${dir}/root
cd ${dir}/root
for d in bin sbin lib lib32 lib64 usr etc opt root; do
  if [ -L /$d ]; then cp -P /$d .; elif [ -d /$d ]; then mkdir $d; mount --rbind -o ro /$d $d; fi
done
mkdir proc dev sys run tmp var old
mount -t proc proc proc
mount --bind proc/sys proc/sys && mount -o remount,bind,ro proc/sys
mount --rbind /dev dev
mount --bind /dev/null dev/console
mount --rbind /sys sys
mount -t tmpfs tmpfs sys/fs/cgroup
${cgroupMounts()}
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
${shared.map((path) => `mkdir -p .${path}; mount --rbind ${path} .${path}`).join("\n")}
mkdir -p run/systemd/system
cp ${dir}/up.service run/systemd/system
pivot_root . old
umount -l /old
export container=berth-test
exec /lib/systemd/systemd --system --unit=up.service --log-target=null
`;

const SERVICE = (dir: string) => `[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'echo up > ${dir}/up'
`;

function cgroupMounts(): string {
  const v2 = (at: string) => `mkdir -p sys/fs/cgroup${at}; mount -t cgroup2 cgroup2 sys/fs/cgroup${at}`;
  if (isUnified) return v2("");
  const v1 = host.v1.map(({ controllers, name, mountpoint }) => {
    const at = `sys/fs/cgroup/${mountpoint.slice(mountpoint.lastIndexOf("/") + 1)}`;
    return `mkdir ${at}; mount -t cgroup -o ${name === "" ? controllers.join(",") : `none,name=${name}`} cgroup ${at}`;
  });
  return [...v1, ...(host.v2 ? [v2("/unified")] : [])].join("\n");
}

/** Its own cgroup in every hierarchy: in version 2 at the top, where controllers can be had. */
function makeCgroups(name: string): string[] {
  const own = parseOwnCgroups(readFileSync("/proc/self/cgroup", "utf8"));
  const v1 = host.v1.map(({ controllers, name: hierarchy, mountpoint }) => {
    const path = own.get(hierarchy === "" ? (controllers[0] ?? "") : `name=${hierarchy}`) ?? "/";
    return join(mountpoint, path, name);
  });
  if (isUnified)
    for (const controller of host.v2?.controllers ?? [])
      tryWrite(join(host.v2?.mountpoint ?? "", "cgroup.subtree_control"), `+${controller}`);
  const dirs = [...v1, ...(host.v2 ? [join(host.v2.mountpoint, name)] : [])];
  for (const dir of dirs) {
    mkdirSync(dir);
    for (const file of ["cpuset.cpus", "cpuset.mems"]) inherit(dir, file);
  }
  return dirs;
}

/** Writes what the kernel may refuse: a controller that cannot be had is missing there, too. */
function tryWrite(path: string, text: string | Buffer): void {
  try {
    writeFileSync(path, text);
  } catch {} // ignored: see above
}

/** A new cpuset of version 1 is empty, and nobody can be in it. */
function inherit(dir: string, file: string): void {
  try {
    if (!isUnified) writeFileSync(join(dir, file), readFileSync(join(dir, "..", file)));
  } catch {} // ignored: not the cpuset's hierarchy
}

function removeTree(dir: string): void {
  for (const entry of readdirSync(dir, { withFileTypes: true }))
    if (entry.isDirectory()) removeTree(join(dir, entry.name));
  rmdirSync(dir);
}

/**
 * Goes to where systemd itself is: with its children's controllers a cgroup of version 2 has no processes of its own. In hierarchies
 * of version 1 it may be anywhere at any time.
 */
const joining = (dir: string) =>
  `echo $$ 2>/dev/null >${dir}/init.scope/cgroup.procs || echo $$ >${dir}/cgroup.procs`;

/** nsenter stays as the parent of what it starts in a pid namespace, and passes no signal on. */
const PASSING_SIGNALS = `trap 'kill -TERM $(cat /proc/$n/task/$n/children)' TERM; "$@" & n=$!
wait $n; code=$?; if [ $code -gt 128 ]; then wait $n; code=$?; fi; exit $code`;

export class SystemdHost implements AsyncDisposable {
  readonly #dir: string;
  readonly #cgroups: readonly string[];
  readonly #live: Live;
  #pid = 0;

  private constructor(dir: string, cgroups: readonly string[], live: Live) {
    this.#dir = dir;
    this.#cgroups = cgroups;
    this.#live = live;
  }

  /** Boots. `shared` are directories of this machine that are there, too. */
  static async boot(shared: readonly string[]): Promise<SystemdHost> {
    const dir = await mkdtemp(join(tmpdir(), "berth-systemd-"));
    mkdirSync(join(dir, "root"));
    assert.equal((await run(["mkfifo", join(dir, "up"), join(dir, "go")])).status, 0);
    await writeFile(join(dir, "up.service"), SERVICE(dir));
    await writeFile(join(dir, "boot"), script(dir, [dir, ...shared]));
    const cgroups = makeCgroups(`berth-systemd-${process.pid}`);
    const joined = cgroups.map((d) => `echo $$ > ${d}/cgroup.procs`).join("; ");
    const enter = `${joined}; unshare --pid --mount --ipc --uts --cgroup --fork --kill-child sh ${dir}/boot 2>&1 &
echo $!; wait`;
    const live = new Live(["sh", "-c", enter], { timeoutMs: 600_000 });
    const machine = new SystemdHost(dir, cgroups, live);
    try {
      const down = live.ended.then(() => assert.fail(`systemd does not start: ${live.output}`));
      // its namespaces are there: until then it would take what it is moved to for its root
      await Promise.race([down, live.prints(/\d+\n[^]*forked|forked\n[^]*\d+\n/)]);
      const outside = Number(/\d+/.exec(live.output)?.[0]);
      // in version 2 a cgroup with processes gives its children no controllers: those that only started the machine leave
      if (host.v2)
        for (const pid of [live.pid, outside])
          writeFileSync(join(host.v2.mountpoint, "cgroup.procs"), String(pid));
      await writeFile(join(dir, "go"), "go\n");
      await Promise.race([down, run(["cat", join(dir, "up")])]);
      const children = await readFile(`/proc/${outside}/task/${outside}/children`, "utf8");
      machine.#pid = Number(children.trim());
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
    return machine;
  }

  /** Runs a program there, in a cgroup of that machine's: systemd cannot move a process that is in none. */
  call(argv: readonly string[], options: CommandOptions = {}): Promise<Outcome> {
    const { cwd = "/", ...rest } = options;
    const joined = this.#cgroups.map(joining).join("; ");
    const there = 'cd "$1" && shift && exec "$@"';
    const enter = `${joined}; exec nsenter -t ${this.#pid} -a -- sh -c '${there}' sh "$@"`;
    return run(["sh", "-ec", enter, "sh", cwd, ...argv], rest);
  }

  /** Returns the command that runs a daemon there, in the caller's network, whose settings it may change; SIGTERM reaches it. */
  daemon(argv: readonly string[]): string[] {
    const namespaces = ["--pid", "--mount", "--ipc", "--uts", "--cgroup"];
    const there = 'umount /proc/sys; exec "$@"';
    const enter = [
      ...["nsenter", `--target=${this.#pid}`, ...namespaces, "--"],
      ...["unshare", "--mount", "--propagation", "slave", "sh", "-ec", there, "sh", ...argv],
    ];
    const joined = this.#cgroups.map(joining).join("; ");
    return ["sh", "-c", `${joined}; ${PASSING_SIGNALS}`, "sh", ...enter];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#pid > 0) process.kill(this.#pid, "SIGKILL");
    await this.#live.ended;
    for (const dir of this.#cgroups) removeTree(dir);
    await rm(this.#dir, { recursive: true, force: true });
  }
}
