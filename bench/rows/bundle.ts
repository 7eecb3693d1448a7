// What it costs an engine to have a container from a bundle: create, start and delete with each OCI runtime that is installed, with the
// system-call filter that engines give every container. crun refuses hosts that have version 1 and version 2 of cgroups side by side, so
// that all of them run in a room without the version 2 hierarchy where there are both: like with like. Each call goes through
// nsenter(1), under a millisecond for each of them.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { DEFAULT_PROFILE } from "../../src/runtime/seccomp/default-profile.ts";
import { resolveProfile } from "../../src/runtime/seccomp/profile.ts";
import { BERTH, isInstalled } from "../field/engines.ts";
import { must, Room } from "../field/room.ts";
import { type Contender, type Field, type Group, timed } from "./row.ts";

const UNIFIED = "/sys/fs/cgroup/unified";

interface Runtime extends Contender {
  /** Of its bundle. */
  readonly dir: string;
  /** Runs one command of the runtime's. */
  call(...args: string[]): void;
}

function makeBundle(dir: string): void {
  mkdirSync(join(dir, "rootfs/bin"), { recursive: true });
  copyFileSync("/bin/busybox", join(dir, "rootfs/bin/sleep"));
  must([BERTH, "runtime", "spec"], { cwd: dir });
  const file = join(dir, "config.json");
  const spec = JSON.parse(readFileSync(file, "utf8"));
  spec.ociVersion = "1.0.2"; // one that all know
  spec.process.terminal = false;
  spec.process.args = ["sleep", "1000"];
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  spec.linux.seccomp = resolveProfile(DEFAULT_PROFILE, { arch, capabilities: [], kernel: release() });
  writeFileSync(file, JSON.stringify(spec));
}

async function open(): Promise<Field<Runtime>> {
  const room = await Room.open("bundle", existsSync(UNIFIED) ? `umount ${UNIFIED}` : ":");
  const programs: Record<string, string[]> = {
    "berth-runtime": [join(BERTH, "../berth-runtime")],
    "berth runtime": [BERTH, "runtime"],
  };
  for (const name of ["crun", "runc"]) if (isInstalled(name)) programs[name] = [name];
  const contenders = Object.entries(programs).map(([kind, program]) => {
    const dir = join(room.dir, kind);
    makeBundle(dir);
    const file = join(dir, "config.json");
    const spec = JSON.parse(readFileSync(file, "utf8"));
    spec.linux.cgroupsPath = `${room.cgroup}/${kind.replace(" ", "_")}`;
    writeFileSync(file, JSON.stringify(spec));
    const argv = room.wrap(program);
    const call = (...args: string[]): void => {
      // No pipes: a container that keeps one open would keep us waiting.
      const [file = "", ...rest] = [...argv, "--root", join(dir, "state"), ...args];
      const { status } = spawnSync(file, rest, { stdio: "ignore" });
      if (status !== 0) throw new Error(`${kind} ${args.join(" ")} ended with ${status}`);
    };
    return { kind, name: kind, dir, call };
  });
  return { contenders, [Symbol.asyncDispose]: () => room[Symbol.asyncDispose]() };
}

export const bundle: Group<Runtime> = {
  name: "bundle",
  open,
  rows: [
    {
      name: "bundle",
      what: "create, start and delete of a bundle",
      unit: "ms",
      goal: { faster: 1 },
      rounds: { full: 21, quick: 5 },
      sample: (runtime) =>
        timed(() => {
          runtime.call("create", "--bundle", runtime.dir, "box");
          runtime.call("start", "box");
          runtime.call("delete", "--force", "box");
        }),
    },
  ],
};
