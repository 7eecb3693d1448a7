// Attacks on the runtime while it makes a process: its own program, what it has open, where it stands, what it is made of.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, stat } from "node:fs/promises";
import { procStatus } from "../e2e/harness.ts";
import { attacks } from "./attack.ts";
import type { Bed } from "./bed.ts";
import { LEFT_DESCRIPTORS, WRITABLE_SELF } from "./weaknesses.ts";

interface HealthState {
  Health: { Log: { Output: string }[] };
}

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

/** A process of the host's that belongs to an ordinary user; only such are no more powerful than a container. */
async function hostProcess(uid: number): Promise<{ pid: number } & AsyncDisposable> {
  const child = spawn("/bin/busybox", ["sleep", "100"], { uid, gid: uid, stdio: "ignore" });
  await once(child, "spawn");
  return {
    pid: child.pid ?? 0,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

const deviceOf = async (path: string): Promise<string> => {
  const { dev, ino } = await stat(path);
  return `device ${dev >> 8}:${dev & 0xff} inode ${ino}`;
};

/** The daemon's keel on the host, as it is and as it was last changed. */
async function keelOnHost(bed: Bed): Promise<string> {
  const name = (await readdir(bed.daemon.path("run"))).find((entry) => /^keel-[0-9a-f]+$/.test(entry)) ?? "";
  const { mode, mtimeMs, ctimeMs, size } = await stat(bed.daemon.path("run", name));
  return `${name}: ${JSON.stringify({ mode, mtimeMs, ctimeMs, size })}`;
}

const CLOSING: readonly [string, string] = [
  "	clean_fd(&c->host_proc);\n	clean_fd(&c->root);\n	c->host_proc = c->root = -1;\n",
  "",
];

attacks("making a process", [
  {
    claim: "a container that runs the runtime's own program cannot change it",
    cves: ["CVE-2019-5736"],
    weakened: WRITABLE_SELF,
    async run(bed) {
      // Executing /proc/self/exe means the program that executes: keel, under a name that makes it wait for its child.
      const image = await bed.hostileImage("ln -s /proc/self/exe docker-init");
      const before = await keelOnHost(bed);
      const output = await bed.text([
        "run",
        "--rm",
        image,
        "/docker-init",
        "/attacker",
        "tamper",
        "/proc/1/exe",
      ]);
      await bed.text(["run", "-d", "--name", "host", "busybox", "sleep", "1000"]);
      const after = await keelOnHost(bed);
      return [...lines(output), ...(before === after ? [] : [`the runtime was ${before}, is ${after}`])];
    },
  },
  {
    claim: "the init program that --init brings cannot be changed",
    cves: ["CVE-2019-5736"],
    weakened: [["src/runtime/spec/mounts.ts", `options: ["bind", "ro"]`, `options: ["bind"]`]],
    async run(bed) {
      return lines(
        await bed.text([
          "run",
          "--rm",
          "--init",
          "attacker",
          "/attacker",
          "tamper",
          "/sbin/docker-init",
          "/proc/1/exe",
        ]),
      );
    },
  },
  {
    claim: "nobody looks into the process that becomes a container's or an exec's",
    cves: ["CVE-2016-9962", "CVE-2019-5736"],
    weakened: [
      ["native/spawn.c", "again.\n	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);\n", "again.\n"],
      [
        "native/spawn.c",
        "	struct fault f = {0};\n	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);\n",
        "	struct fault f = {0};\n",
      ],
      ["native/shim.c", "	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);\n", ""],
    ],
    async run(bed) {
      const spy = bed.live("run", "--name", "spy", "attacker", "/attacker", "spy", "keel", "8000");
      await spy.prints("ready");
      // Each waits at the barrier until the daemon lets it go: that is when there is something to look at.
      for (let i = 0; i < 12; i++)
        await bed.text(["run", "--rm", "--pid", "container:spy", "busybox", "true"]);
      for (let i = 0; i < 10; i++) await bed.text(["exec", "spy", "true"]);
      await bed.berth("kill", "spy");
      return lines((await spy.ended).stdout).filter((line) => line !== "ready");
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
      const got: string[] = [];
      await bed.text(["run", "-d", "--name", "box", "busybox", "sleep", "1000"]);
      const hosts = `/${process.pid}/`;
      for (let fd = 3; fd < 12; fd++)
        for (const dir of [`/proc/self/fd/${fd}`, `/proc/self/fd/${fd}/..`, `/proc/self/fd/${fd}/../../..`]) {
          const seen = await Promise.all([
            bed.output("-w", dir, "busybox", "sh", "-c", "ls -d ./*/"),
            bed.berth("exec", "-w", dir, "box", "sh", "-c", "ls -d ./*/").then((o) => o.stdout),
          ]);
          if (seen.some((text) => text.includes(hosts))) got.push(`${dir} is the host's /proc`);
          if (seen.some((text) => text.includes("./boot/"))) got.push(`${dir} is the host's root`);
          if (got.length > 0) return got;
        }
      return got;
    },
  },
  {
    claim: "a program is not found through a descriptor of the runtime's",
    cves: ["CVE-2024-21626"],
    weakened: [["native/exec.c", ...CLOSING]],
    async run(bed) {
      const uid = 54321;
      await using other = await hostProcess(uid);
      const got: string[] = [];
      await bed.text(["run", "-d", "--name", "box", "busybox", "sleep", "1000"]);
      for (let fd = 3; fd < 10; fd++) {
        const program = `/proc/self/fd/${fd}/${other.pid}/root/bin/busybox`;
        const script = await bed.hostileImage(`printf '#!%s true\\n' ${program} >script; chmod 755 script`);
        const tries = await Promise.all([
          bed.berth("run", "--rm", "-u", `${uid}:${uid}`, "busybox", program, "true"),
          bed.berth("run", "--rm", "-u", `${uid}:${uid}`, script, "/script"),
          bed.berth("exec", "-u", `${uid}:${uid}`, "box", program, "true"),
        ]);
        for (const [i, { status }] of tries.entries())
          if (status === 0) got.push(`${["run", "script", "exec"][i]}: ${program} was executed`);
      }
      return got;
    },
  },
  {
    claim: "containers, execs and health checks get no descriptor but their own three",
    cves: ["CVE-2016-9962", "CVE-2024-21626"],
    weakened: LEFT_DESCRIPTORS,
    async run(bed) {
      const check = ["--health-cmd", "/attacker fds", "--health-interval", "1s"];
      const events = bed.daemon.events();
      const runs = await Promise.all([
        bed.output("attacker", "/attacker", "fds"),
        bed.output("--security-opt", "seccomp=unconfined", "attacker", "/attacker", "fds"),
        bed.output("--privileged", "--init", "attacker", "/attacker", "fds"),
        bed.text(["run", "-d", "--name", "box", ...check, "attacker", "sleep", "1000"]).then(async () => {
          const exec = await bed.text(["exec", "box", "/attacker", "fds"]);
          const privileged = await bed.text(["exec", "--privileged", "box", "/attacker", "fds"]);
          await events.prints("health_status: healthy");
          const { Health } = (await bed.daemon.inspect("box")).State as unknown as HealthState;
          return [exec, privileged, ...Health.Log.map((r) => r.Output)].join("\n");
        }),
      ]);
      events.kill("SIGKILL");
      return runs.flatMap(lines);
    },
  },
  {
    claim: "an exec without input does not hold the host's null device",
    cves: [],
    weakened: [
      [
        "native/exec.c",
        '	if (pipe2(ends, O_CLOEXEC) < 0)\n		return fault_set(f, errno, "pipe2", "", NULL);',
        "	if (ends)\n		return 0;",
      ],
    ],
    async run(bed) {
      await bed.text(["run", "-d", "--name", "box", "attacker", "sleep", "1000"]);
      await bed.text(["exec", "box", "sh", "-c", "rm /dev/null && touch /dev/null"]);
      const outputs = [await bed.text(["exec", "box", "/attacker", "inode", "0"])];
      // The same for the first process: its /dev is a directory of somebody else's.
      await bed.text(["run", "--rm", "-v", "devices:/dev", "attacker", "true"]);
      outputs.push(await bed.output("attacker", "/attacker", "inode", "0"));
      const host = await deviceOf("/dev/null");
      await bed.berth("rm", "-f", "box");
      await bed.berth("volume", "rm", "devices");
      return outputs.filter((text) => text.includes(host));
    },
  },
  {
    claim: "capabilities are never inheritable, and those of an exec are the container's",
    cves: ["CVE-2022-24769", "CVE-2022-29162", "CVE-2022-27650"],
    weakened: [
      [
        "src/runtime/plan/process.ts",
        "inheritable: maskOfNames(c.inheritable ?? [])",
        "inheritable: maskOfNames(c.permitted ?? [])",
      ],
    ],
    async run(bed) {
      await bed.text(["run", "-d", "--name", "box", "busybox", "sleep", "1000"]);
      const { Pid } = (await bed.daemon.inspect("box")).State;
      const look = ["grep", "^Cap", "/proc/self/status"];
      const texts = await Promise.all([
        bed.output("busybox", ...look),
        bed.output("--user", "1000", "busybox", ...look),
        bed.text(["exec", "box", ...look]),
        bed.text(["exec", "-u", "1000", "box", ...look]),
        bed.text(["exec", "--privileged", "box", ...look]),
      ]);
      const own = [await procStatus(Pid, "CapInh"), await procStatus(Pid, "CapAmb")].join(" ");
      const bad = [...texts, `CapInh:\t${own}`].filter((text) => !/CapInh:\s0+\b/.test(text));
      const exec = texts[2] ?? "";
      return exec === texts[0]?.trim() ? bad : [...bad, `an exec has ${exec}`];
    },
  },
  {
    claim: "a user is a name or a number of 31 bits, and never becomes another one",
    cves: ["CVE-2016-3697", "CVE-2024-40635", "CVE-2026-30892", "CVE-2026-46680"],
    weakened: [
      ["native/user.c", "	return v >= 0 && v <= MAX_USER_ID;", "	return v == v;"],
      [
        "native/user.c",
        "	bool found = find_account(passwd, is_number ? NULL : &name, number, &a);",
        "	bool found = find_account(passwd, &name, number, &a);",
      ],
    ],
    async run(bed) {
      // An account whose name is a number, and one whose number does not fit.
      const image = await bed.hostileImage(
        `echo '1000:x:0:0::/root:/bin/sh' >>etc/passwd; echo 'big:x:4294967296:4294967296::/:/bin/sh' >>etc/passwd
         echo '1000:x:0:' >>etc/group`,
      );
      await bed.text(["run", "-d", "--name", "box", image, "sleep", "1000"]);
      const whoami = "echo $(id -u):$(id -g)";
      const users = ["1", "1000", "1000:1000", "+1", "01", "-1", "4294967295", "4294967296", "2147483648"];
      const more = ["0:4294967296", "1:-1", "18446744073709551616", "big", "1000:big", "0x0"];
      const got: string[] = [];
      for (const user of [...users, ...more]) {
        const runs = [
          await bed.berth("run", "--rm", "-u", user, image, "sh", "-c", whoami),
          await bed.berth("exec", "-u", user, "box", "sh", "-c", whoami),
        ];
        for (const { status, stdout } of runs)
          if (status === 0 && (stdout.startsWith("0:") || /:0$/m.test(stdout)) && !/^\+?0?1(:|$)/.test(user))
            got.push(`user ${user} became ${stdout}`);
          else if (status === 0 && /^\+?0?1$/.test(user) && !stdout.startsWith("1:"))
            got.push(`user ${user} became ${stdout}`);
      }
      return got;
    },
  },
  {
    claim: "the primary group is among the groups",
    cves: ["CVE-2022-36109"],
    weakened: [
      [
        "native/user.c",
        "		rc = add_group(u, u->gid, f); // CVE-2022-36109",
        "		rc = 0; // CVE-2022-36109",
      ],
    ],
    async run(bed) {
      const groups = await bed.output("-u", "1:7", "busybox", "grep", "^Groups", "/proc/self/status");
      return /\b7\b/.test(groups) ? [] : [groups];
    },
  },
  {
    claim: "user and group files that are none do not hold a start up",
    cves: ["CVE-2016-3697"],
    weakened: [
      [
        "native/credentials.c",
        "	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))",
        "	if (fstat(fd, &st) < 0)",
      ],
      ["native/credentials.c", "	if (st.st_size > MAX_USER_FILE)", "	if (0)"],
    ],
    async run(bed) {
      const got: string[] = [];
      for (const [what, script] of [
        ["a fifo", "rm etc/passwd && mkfifo etc/passwd"],
        ["a directory", "rm etc/group && mkdir etc/group"],
        ["a device", "rm etc/passwd && mknod etc/passwd c 1 5"],
        ["far too much", "truncate -s 40M etc/passwd"],
        ["the host's file", 'rm etc/passwd && ln -s "$CANARY/file" etc/passwd'],
      ] as const) {
        const image = await bed.hostileImage(script);
        const { status, stderr } = await bed.berth("run", "--rm", "-u", "dev", image, "true");
        if (status === 0) got.push(`${what} was read as accounts`);
        else if (!/passwd|group|user/.test(stderr)) got.push(`${what}: ${stderr}`);
        const plain = await bed.berth("run", "--rm", image, "true");
        if (plain.status === 0 && what !== "the host's file") got.push(`${what} was read as accounts`);
      }
      return got;
    },
  },
  {
    claim: "what is bound over hidden files is not the host's to change",
    cves: ["CVE-2025-31133"],
    weakened: [
      [
        "native/rootmount.c",
        "	rc = mount_attach(c, tree, at, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, false, path, f);\n	if (is_first",
        "	rc = mount_over(tree, at, path, f);\n	if (is_first",
      ],
    ],
    async run(bed) {
      const names = ["interrupts", "keys", "kcore", "timer_list", "sched_debug", "latency_stats"];
      return lines(await bed.output("attacker", "/attacker", "tamper", ...names.map((n) => `/proc/${n}`)));
    },
  },
]);
