// Attacks on what is mounted: destinations that are symlinks, before or while a container starts, and the kernel's own files.
import { attacks } from "./attack.ts";
import type { Bed } from "./bed.ts";
import { JOINED_PATHS } from "./weaknesses.ts";

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

/** Runs one container per script of a hostile image and returns what the canary has to say. */
async function startAll(
  bed: Bed,
  starts: readonly (readonly [script: string, ...args: string[]])[],
): Promise<string[]> {
  const outputs: string[] = [];
  for (const [script, ...args] of starts) {
    const image = await bed.hostileImage(script);
    const at = args.indexOf("IMAGE");
    outputs.push(await bed.output(...args.slice(0, at), image, ...args.slice(at + 1)));
  }
  return bed.canary.damage(...outputs);
}

attacks("mount destinations", [
  {
    claim: "a destination behind the image's symlinks stays in the container",
    cves: ["CVE-2021-30465", "CVE-2024-45310", "CVE-2018-15664"],
    weakened: JOINED_PATHS,
    async run(bed) {
      const look = ["IMAGE", "sh", "-c", "cat $(find / -xdev -name file) /data/* /etc/hosts; touch /data/x"];
      const got = await startAll(bed, [
        ['ln -s "$CANARY" data', "--tmpfs", "/data/made", ...look],
        ['ln -s "../../../../../../../../$CANARY" data', "--tmpfs", "/data/made", ...look],
        ['ln -s "$CANARY/made" data', "-v", "behind:/data", ...look],
        ['ln -s "$CANARY" data', "-v", "behind:/data/made/deep", ...look],
        ['ln -s "$CANARY" data', "-w", "/data/made/deep", ...look],
        ['rm -f etc/hosts; ln -s "$CANARY/hosts" etc/hosts', ...look],
        ['rm -f etc/resolv.conf; ln -s "$CANARY/file" etc/resolv.conf', ...look],
        ['mkdir -p etc && rm -rf etc && ln -s "$CANARY" etc', ...look],
      ]);
      await bed.berth("volume", "rm", "behind");
      return got;
    },
  },
  {
    claim: "the devices of a root whose /dev is a symlink stay in the container",
    cves: ["CVE-2026-41579", "CVE-2026-47766"],
    weakened: JOINED_PATHS,
    run: (bed) =>
      startAll(bed, [
        ['rm -rf dev && ln -s "$CANARY/dev" dev', "IMAGE", "true"],
        ['rm -rf dev && ln -s "$CANARY" dev', "--privileged", "IMAGE", "true"],
        ['ln -s "$CANARY" nodes', "--device", "/dev/null:/nodes/made", "IMAGE", "true"],
      ]),
  },
  {
    claim: "a directory that becomes a symlink during the start leads nowhere",
    cves: ["CVE-2021-30465", "CVE-2024-45310"],
    weakened: JOINED_PATHS,
    async run(bed) {
      const setUp = `mkdir -p /v/x; ln -sfn ${bed.canary.dir} /v/y; exec /attacker swap /v/x /v/y 20000`;
      await bed.text(["run", "-d", "--name", "racer", "-v", "race:/v", "attacker", "sh", "-c", setUp]);
      const outputs: string[] = [];
      for (let i = 0; i < 25; i++) {
        const flags = ["-v", "race:/v", "--tmpfs", `/v/x/made${i}`, "-v", `other:/v/x/deep${i}/er`];
        outputs.push(await bed.output(...flags, "busybox", "cat", "/v/x/file"));
      }
      await bed.berth("rm", "-f", "racer");
      await bed.berth("volume", "rm", "race", "other");
      return bed.canary.damage(...outputs);
    },
  },
  {
    claim: "a part of a volume is in the volume, whoever exchanges it meanwhile",
    cves: ["CVE-2023-27561", "CVE-2024-11218", "CVE-2025-9566"],
    weakened: [
      [
        "native/resolve.c",
        'kernel_open(root, *path ? path : ".", flags, 0, RESOLVE_BENEATH)',
        "(int)syscall(SYS_openat, root, path, flags | O_CLOEXEC)",
      ],
    ],
    async run(bed) {
      const setUp = `mkdir -p /v/x; ln -sfn ${bed.canary.dir} /v/y; ln -s ${bed.canary.dir} /v/z; exec /attacker swap /v/x /v/y 20000`;
      await bed.text(["run", "-d", "--name", "racer", "-v", "parts:/v", "attacker", "sh", "-c", setUp]);
      const outputs: string[] = [];
      for (let i = 0; i < 20; i++) {
        const part = `type=volume,src=parts,dst=/part,volume-subpath=${i % 4 === 0 ? "z" : "x"}`;
        outputs.push(
          await bed.output("--mount", part, "busybox", "sh", "-c", "cat /part/file; touch /part/mine"),
        );
      }
      await bed.berth("rm", "-f", "racer");
      await bed.berth("volume", "rm", "parts");
      return bed.canary.damage(...outputs);
    },
  },
  {
    claim: "an image's VOLUME is a place in the container, whatever it says",
    cves: ["CVE-2022-23648"],
    weakened: JOINED_PATHS,
    async run(bed) {
      const image = await bed.hostileImage('ln -s "$CANARY" linked');
      const outputs: string[] = [];
      for (const path of [
        "/../../../..",
        "/linked",
        "/linked/sub",
        "/proc/self/root",
        `/..${bed.canary.dir}`,
      ]) {
        await bed.text(["create", "--name", "base", image, "true"]);
        const made = await bed.berth("commit", "-c", `VOLUME ["${path}"]`, "base", "with-volume");
        await bed.berth("rm", "base");
        if (made.status !== 0) continue;
        outputs.push(await bed.output("with-volume", "sh", "-c", `cat ${path}/file; touch ${path}/x`));
        // What the image has there is copied into a new volume.
        await bed.output("-v", `first:${path}`, "with-volume", "true");
        outputs.push(
          await bed.output(
            "-v",
            "first:/v",
            "busybox",
            "find",
            "/v",
            "-type",
            "f",
            "-exec",
            "cat",
            "{}",
            ";",
          ),
        );
        await bed.berth("volume", "rm", "first");
      }
      return bed.canary.damage(...outputs);
    },
  },
]);

attacks("the kernel's files", [
  {
    claim: "/proc and /sys are mounted on directories, not behind symlinks",
    cves: ["CVE-2019-19921", "CVE-2023-27561", "CVE-2023-28642"],
    weakened: [
      [
        "native/rootmount.c",
        "	int at = resolve_mkdirs_plain(c->root, dest, 0755, f);",
        "	int at = resolve_mkdirs(c->root, dest, 0755, f);",
      ],
    ],
    async run(bed) {
      const got: string[] = [];
      for (const script of [
        "rm -rf proc && mkdir -p v/p && ln -s v/p proc",
        "rm -rf proc && ln -s /tmp/other proc",
        "rm -rf sys && ln -s v sys",
      ]) {
        const image = await bed.hostileImage(script);
        const { status, stderr } = await bed.berth("run", "--rm", "-v", "fake:/v", image, "true");
        if (status === 0) got.push(`started although ${script}`);
        else if (!/ordinary directory/.test(stderr)) got.push(stderr);
      }
      await bed.berth("volume", "rm", "fake");
      return got;
    },
  },
  {
    claim: "nothing is mounted over the kernel's files, by name or behind a symlink",
    cves: ["CVE-2019-16884", "CVE-2025-52881", "CVE-2026-42306"],
    weakened: [["native/rootmount.c", "	if (fs.f_type != PROC_SUPER_MAGIC || ", "	if (1 || "]],
    async run(bed) {
      const got: string[] = [];
      const links =
        "ln -s /proc data; ln -s /proc/sys sysdata; ln -s proc/self/attr attr; mkdir -p etc; rm -f etc/hosts; ";
      const image = await bed.hostileImage(`${links} true`);
      const hosts = await bed.hostileImage("rm -f etc/hosts; ln -s /proc/sys/kernel/core_pattern etc/hosts");
      for (const destination of [
        "/proc",
        "/proc/sys",
        "/proc/1",
        "/proc/../proc",
        "/data",
        "/sysdata",
        "/data/fs",
      ]) {
        const { status } = await bed.berth("run", "--rm", "-v", `fake:${destination}`, image, "true");
        if (status === 0) got.push(`a volume was mounted at ${destination}`);
        const tmpfs = await bed.berth("run", "--rm", "--tmpfs", destination, image, "true");
        if (tmpfs.status === 0) got.push(`a tmpfs was mounted at ${destination}`);
      }
      if ((await bed.berth("run", "--rm", hosts, "true")).status === 0)
        got.push("hosts lie over core_pattern");
      await bed.berth("volume", "rm", "fake");
      return got;
    },
  },
  {
    claim: "hidden files are empty and settings of the kernel are read-only, also where /dev is hostile",
    cves: ["CVE-2025-31133", "CVE-2022-0492", "CVE-2023-25809"],
    weakened: [
      ["native/rootmount.c", '	int rc = host_view(c, "readonly", path, f);', "	int rc = 0;\n	return 0;"],
      ["native/rootmount.c", '	int rc = host_view(c, "mask", path, f);', "	int rc = 0;\n	return 0;"],
    ],
    async run(bed) {
      // A /dev of somebody else's whose null device is a symlink to what shall be bound over the masked files.
      const prepare = "rm -f /d/null; ln -s /proc/sys/kernel/core_pattern /d/null";
      await bed.text(["run", "--rm", "-v", "devices:/d", "attacker", "sh", "-c", prepare]);
      const script = `for f in /proc/interrupts /proc/keys /proc/timer_list; do [ -s $f ] && head -c 1 $f >/dev/null && [ -n "$(head -c 100 $f)" ] && echo "readable $f"; done
        [ -n "$(cat /proc/interrupts 2>/dev/null | head -c 10)" ] && echo "readable /proc/interrupts"
        /attacker write /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/vm/drop_caches /proc/sysrq-trigger \\
          /proc/irq/default_smp_affinity /sys/kernel/uevent_helper /sys/power/state /sys/kernel/mm/ksm/run \\
          $(find /sys/fs/cgroup -name release_agent -o -name cgroup.procs -o -name devices.allow 2>/dev/null) \\
          $(find /proc/bus -type f 2>/dev/null | head -3)
        true`;
      const outputs = [
        await bed.output("attacker", "sh", "-c", script),
        await bed.output("-v", "devices:/dev", "attacker", "sh", "-c", script),
      ];
      await bed.berth("volume", "rm", "devices");
      return outputs.flatMap(lines).filter((line) => /^(readable|writable)/.test(line));
    },
  },
  {
    claim: "the terminal comes from the container's own devpts, never from what lies at its name",
    cves: ["CVE-2025-52565"],
    weakened: [
      [
        "native/console.c",
        "S_ISCHR(st.st_mode) && st.st_rdev == makedev(5, 2) &&\n	    fs.f_type == DEVPTS_SUPER_MAGIC",
        "1",
      ],
      ["native/console.c", "	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)", "	if (0)"],
      [
        "native/console.c",
        "	if (slave < 0)",
        "	if (slave < 0)\n		slave = dup(master);\n	if (slave < 0)",
      ],
      ["native/console.c", "	if (ioctl(slave, TIOCSCTTY, 0) < 0)", "	if (0)"],
      ...JOINED_PATHS,
    ],
    async run(bed) {
      const outputs: string[] = [];
      for (const prepare of [
        `mkdir -p /d/pts; ln -s ${bed.canary.dir}/file /d/pts/ptmx`,
        "mkdir -p /d/pts; echo fake >/d/pts/ptmx",
        `rm -rf /d/pts; ln -s ${bed.canary.dir} /d/pts; ln -s ${bed.canary.dir}/file /d/console`,
        `ln -s ${bed.canary.dir}/made /d/console`,
      ]) {
        await bed.text(["run", "--rm", "-v", "devices:/d", "busybox", "sh", "-c", prepare]);
        const { status, stdout, stderr } = await bed.berth(
          "run",
          "--rm",
          "-t",
          "-v",
          "devices:/dev",
          "busybox",
          "echo",
          "started",
        );
        outputs.push(stdout + stderr);
        if (prepare.includes("fake") && status === 0) outputs.push(bed.canary.secret);
        await bed.berth("volume", "rm", "devices");
      }
      return bed.canary.damage(...outputs);
    },
  },
  {
    claim: "settings of the kernel are written where they are, and only the container's own",
    cves: ["CVE-2025-52881"],
    weakened: [
      [
        "src/runtime/spec/sysctl.ts",
        "export function checkSysctls(",
        "export function checkSysctls(..._: unknown[]): void {}\nexport function unusedCheck(",
      ],
    ],
    async run(bed) {
      const got: string[] = [];
      for (const [name, value] of [
        ["kernel.randomize_va_space", "2"],
        ["net/../kernel/randomize_va_space", "2"],
        ["net.ipv4...kernel.randomize_va_space", "2"],
        ["vm.overcommit_memory", "0"],
        ["kernel.hostname", "x"],
      ] as const) {
        const { status } = await bed.berth("run", "--rm", "--sysctl", `${name}=${value}`, "busybox", "true");
        if (status === 0) got.push(`${name} was set`);
      }
      const { status } = await bed.berth(
        "run",
        "--rm",
        "--network",
        "host",
        "--sysctl",
        "net.ipv4.ip_forward=1",
        "busybox",
        "true",
      );
      return status === 0 ? [...got, "a setting of the host's network was set"] : got;
    },
  },
]);
