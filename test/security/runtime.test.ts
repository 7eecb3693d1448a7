// The same attacks against `berth runtime`, the OCI runtime on its own: nobody but itself stands between bundle and host.
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { baseImageTar } from "../e2e/base-image.ts";
import { type Outcome, run } from "../e2e/command.ts";
import { attacks } from "./attack.ts";
import { attackerProgram, type Bed } from "./bed.ts";
import { JOINED_PATHS, LEFT_DESCRIPTORS, WRITABLE_SELF } from "./weaknesses.ts";

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

interface Spec {
  process: { args: string[]; cwd: string; terminal: boolean };
  mounts: { destination: string; type?: string; source?: string; options?: string[] }[];
  root: { readonly: boolean };
  linux: { namespaces: { type: string; path?: string }[] };
}

/** A bundle and a state directory of its own. */
class Bundle implements AsyncDisposable {
  readonly dir: string;
  readonly #program: readonly string[];

  private constructor(dir: string, program: readonly string[]) {
    this.dir = dir;
    this.#program = program;
  }

  static async make(bed: Bed, script: string): Promise<Bundle> {
    const bundle = new Bundle(await mkdtemp(join(tmpdir(), "berth-attack-bundle-")), bed.daemon.program);
    const rootfs = join(bundle.dir, "rootfs");
    await mkdir(rootfs);
    const env = {
      PATH: process.env["PATH"] ?? "",
      CANARY: bed.canary.dir,
      ATTACKER: await attackerProgram(),
    };
    const steps = `tar x && install -m 755 "$ATTACKER" attacker && mkdir -p proc sys dev && ${script || ":"}`;
    await run(["sh", "-ec", steps], { cwd: rootfs, env, input: await baseImageTar() });
    await bundle.runtime("spec");
    return bundle;
  }

  /** Runs the runtime's command line in the bundle. */
  runtime(...args: string[]): Promise<Outcome> {
    const env = { PATH: process.env["PATH"] ?? "", HOME: this.dir };
    return run([...this.#program, "runtime", "--root", join(this.dir, "state"), ...args], {
      cwd: this.dir,
      env,
      timeoutMs: 60_000,
    });
  }

  /** Runs a container of the bundle to its end, with changes of its configuration. */
  async run(args: string[], change: (spec: Spec) => void = () => {}): Promise<string> {
    await this.configure(args, change);
    const { stdout, stderr } = await this.runtime("run", "attacked");
    await this.runtime("delete", "--force", "attacked");
    return stdout + stderr;
  }

  /** Starts a container and leaves it; its output is nobody's, else we would wait for it. */
  async start(): Promise<void> {
    const argv = [...this.#program, "runtime", "--root", join(this.dir, "state"), "run", "-d", "attacked"];
    const quiet = ["sh", "-c", '"$@" </dev/null >/dev/null 2>&1', "sh", ...argv];
    await run(quiet, { cwd: this.dir, env: { PATH: process.env["PATH"] ?? "", HOME: this.dir } });
  }

  async configure(args: string[], change: (spec: Spec) => void = () => {}): Promise<void> {
    const spec = JSON.parse(await readFile(join(this.dir, "config.json"), "utf8")) as Spec;
    spec.process.args = args;
    spec.process.terminal = false;
    spec.root.readonly = false;
    change(spec);
    await writeFile(join(this.dir, "config.json"), JSON.stringify(spec));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.runtime("delete", "--force", "attacked");
    await rm(this.dir, { recursive: true, force: true });
  }
}

attacks("the runtime alone", [
  {
    claim: "a container that runs the runtime's own program cannot change it",
    cves: ["CVE-2019-5736"],
    weakened: WRITABLE_SELF,
    async run(bed) {
      await using bundle = await Bundle.make(bed, "ln -s /proc/self/exe docker-init");
      return lines(await bundle.run(["/docker-init", "/attacker", "tamper", "/proc/1/exe"])).filter((l) =>
        /^(chmod|chown|utimes|write) /.test(l),
      );
    },
  },
  {
    claim: "programs and execs get no descriptor but their own three, and are not found through one",
    cves: ["CVE-2024-21626", "CVE-2016-9962"],
    weakened: LEFT_DESCRIPTORS,
    async run(bed) {
      await using bundle = await Bundle.make(bed, "");
      const got = lines(await bundle.run(["/attacker", "fds"])).filter((l) => l.startsWith("descriptor"));
      await bundle.configure(["sleep", "1000"]);
      await bundle.start();
      const exec = await bundle.runtime("exec", "attacked", "/attacker", "fds");
      return [...got, ...lines(exec.stdout).filter((l) => l.startsWith("descriptor"))];
    },
  },
  {
    claim: "a working directory does not lead through a descriptor to the host",
    cves: ["CVE-2024-21626"],
    weakened: [
      [
        "native/container.c",
        ": resolve_open(c->root, path, O_PATH | O_DIRECTORY, 0, f);",
        ": open(path, O_PATH | O_DIRECTORY);",
      ],
      ["native/container.c", "create ? resolve_mkdirs(c->root, path, 0755, f)", "0 ? 0"],
      ["native/container.c", "	if (n < 0 || where[0] != '/')", "	if (n < 0)"],
    ],
    async run(bed) {
      await using bundle = await Bundle.make(bed, "");
      const got: string[] = [];
      for (let fd = 3; fd < 14; fd++)
        for (const dir of [`/proc/self/fd/${fd}`, `/proc/self/fd/${fd}/../../..`]) {
          const seen = await bundle.run(["sh", "-c", "ls -d ./*/"], (spec) => {
            spec.process.cwd = dir;
          });
          if (seen.includes(`./${process.pid}/`) || seen.includes("./boot/")) return [`${dir} is the host's`];
        }
      return got;
    },
  },
  {
    claim: "mounts go where the configuration says, in the root, not where its symlinks lead",
    cves: ["CVE-2021-30465", "CVE-2024-45310", "CVE-2019-16884", "CVE-2026-47766"],
    weakened: JOINED_PATHS,
    async run(bed) {
      const outputs: string[] = [];
      for (const script of [
        'ln -s "$CANARY" x',
        'ln -s "../../../../../../../$CANARY" x',
        'rm -rf dev && ln -s "$CANARY" dev; ln -s "$CANARY" x',
      ]) {
        await using bundle = await Bundle.make(bed, script);
        outputs.push(
          await bundle.run(["sh", "-c", "cat /x/file /x/made/file; touch /x/here"], (spec) => {
            spec.mounts.push(
              { destination: "/x/made", type: "tmpfs", source: "tmpfs" },
              { destination: "/x/bound", type: "bind", source: "/etc", options: ["rbind", "ro"] },
            );
          }),
        );
      }
      return bed.canary.damage(...outputs);
    },
  },
  {
    claim: "/proc and /sys are mounted on directories, and nothing over the kernel's files",
    cves: ["CVE-2019-19921", "CVE-2023-27561", "CVE-2023-28642"],
    weakened: [
      [
        "native/rootmount.c",
        "	int at = resolve_mkdirs_plain(c->root, dest, 0755, f);",
        "	int at = resolve_mkdirs(c->root, dest, 0755, f);",
      ],
      ["native/rootmount.c", "	if (fs.f_type != PROC_SUPER_MAGIC || ", "	if (1 || "],
    ],
    async run(bed) {
      const got: string[] = [];
      for (const script of [
        "rmdir proc && mkdir -p v/p && ln -s v/p proc",
        "rmdir sys && ln -s v sys",
        "ln -s /proc data",
      ]) {
        await using bundle = await Bundle.make(bed, script);
        const output = await bundle.run(["echo", "started"], (spec) => {
          if (script.includes("data"))
            spec.mounts.push({ destination: "/data/fs", type: "tmpfs", source: "tmpfs" });
        });
        if (lines(output).includes("started")) got.push(`started although ${script}`);
      }
      return got;
    },
  },
]);
