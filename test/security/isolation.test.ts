// Attacks from inside a running container: on the kernel, on the host's other processes, on its resources, on the daemon's words.
import { stat } from "node:fs/promises";
import { clients } from "../e2e/harness.ts";
import { run } from "../e2e/command.ts";
import { attacks } from "./attack.ts";
import { imageArchive, tarOf } from "./tar.ts";
import { JOINED_PATHS, WITHOUT_DEVICE_RULES } from "./weaknesses.ts";
import { baseImageTar } from "../e2e/base-image.ts";

const berth = clients[0] as (typeof clients)[number];
const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

attacks("the kernel", [
  {
    claim: "system calls that containers have been left with are refused, by whatever number",
    cves: ["CVE-2022-0492", "CVE-2026-31431", "CVE-2022-0185"],
    weakened: [
      [
        "src/runtime/plan/process.ts",
        "  const filter = context.seccomp ? [filterOp(context.seccomp, context)] : [];",
        "  const filter: Op[] = context === undefined ? [filterOp(context, context)] : [];",
      ],
    ],
    async run(bed) {
      await bed.text(["run", "-d", "--name", "box", "attacker", "sleep", "1000"]);
      const outputs = await Promise.all([
        bed.output("attacker", "/attacker", "syscalls"),
        bed.output("-u", "1000", "attacker", "/attacker", "syscalls"),
        bed.output("--cap-add", "NET_ADMIN", "attacker", "/attacker", "syscalls"),
        bed.text(["exec", "box", "/attacker", "syscalls"]),
      ]);
      return outputs.flatMap(lines);
    },
  },
  {
    claim: "a container has Docker's fourteen capabilities and no other",
    cves: ["CVE-2022-0492"],
    weakened: [
      [
        "src/runtime/caps/names.ts",
        '  "CAP_AUDIT_WRITE",\n];\n\nconst NUMBER_OF',
        '  "CAP_AUDIT_WRITE",\n  "CAP_SYS_ADMIN",\n];\n\nconst NUMBER_OF',
      ],
    ],
    async run(bed) {
      const caps = await bed.output("busybox", "grep", "-E", "^Cap(Prm|Eff|Bnd)", "/proc/self/status");
      return lines(caps).filter((line) => !line.endsWith("00000000a80425fb"));
    },
  },
  {
    claim: "a device is opened only where a rule allows it, whoever makes the node",
    cves: [],
    weakened: WITHOUT_DEVICE_RULES,
    async run(bed) {
      const nodes = [
        "c 1 11",
        "c 1 1",
        "b 7 0",
        "b 8 0",
        "b 253 0",
        "b 259 0",
        "c 10 229",
        "c 10 237",
        "c 5 1",
      ];
      const script = nodes.map((n) => `/attacker node ${n}`).join("; ");
      return lines(await bed.output("attacker", "sh", "-c", script)).filter(
        (line) => !line.startsWith("device c 5:1"),
      );
    },
  },
]);

attacks("the host's processes", [
  {
    claim: "a container sees no process but its own, nor what they were told",
    cves: ["CVE-2016-9962", "CVE-2021-21334"],
    weakened: [["src/runtime/spec/generate.ts", '  add("pid", modes.pid);\n', ""]],
    async run(bed) {
      await bed.text([
        "run",
        "-d",
        "--name",
        "other",
        "-e",
        `TOKEN=${bed.canary.secret}`,
        "busybox",
        "sleep",
        "1000",
      ]);
      const look =
        "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/[0-9]*/root/etc/hostname | tr '\\0' '\\n'";
      const text = await bed.output("busybox", "sh", "-c", look);
      const got = text.includes(bed.canary.secret) ? ["another container's environment"] : [];
      return /\bkeel\b|\bshim\b/.test(text) ? [...got, "the shim's command line"] : got;
    },
  },
  {
    claim: "nothing of the daemon's or the shims' listens where a network namespace is enough to reach it",
    cves: ["CVE-2020-15257"],
    weakened: [
      [
        "native/shim.c",
        "	mode_t old = umask(0177);\n",
        `	struct sockaddr_un open_to_all = {.sun_family = AF_UNIX};
	memcpy(open_to_all.sun_path + 1, "keel-shim", 9);
	int also = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bind(also, (struct sockaddr *)&open_to_all, sizeof open_to_all);
	listen(also, 1);
	mode_t old = umask(0177);
`,
      ],
    ],
    async run(bed) {
      await bed.text(["run", "-d", "--name", "other", "busybox", "sleep", "1000"]);
      const sockets = await bed.output("--network", "host", "busybox", "cat", "/proc/net/unix");
      const { stdout } = await run(bed.daemon.network.wrap(["ss", "-tlnH"]));
      const names = lines(sockets).filter((line) => /\s@\S*(keel|berth|shim|docker)/.test(line));
      return [...names, ...lines(stdout).filter((line) => !/127\.0\.0\.1|\[::1\]/.test(line))];
    },
  },
  {
    claim: "the daemon's directories and sockets are nobody else's",
    cves: ["CVE-2021-21284", "CVE-2021-41103", "CVE-2024-25621"],
    weakened: [
      [
        "src/daemon/wiring/floor.ts",
        "await disk.makeDir(config.dataRoot, 0o710);",
        "await disk.makeDir(config.dataRoot, 0o755);",
      ],
    ],
    async run(bed) {
      await bed.text(["run", "-d", "--name", "box", "busybox", "sleep", "1000"]);
      const { Id } = await bed.daemon.inspect("box");
      const places = ["data", "run", `run/c/${Id}`, `run/c/${Id}/shim.sock`, "run/agent.sock", "berth.sock"];
      const got: string[] = [];
      for (const place of places) {
        const { mode } = await stat(bed.daemon.path(place));
        if ((mode & 0o007) !== 0) got.push(`${place} is ${(mode & 0o777).toString(8)}`);
      }
      return got;
    },
  },
]);

attacks("resources", [
  {
    claim: "a fork bomb ends at the container's limit",
    cves: [],
    weakened: [
      [
        "src/runtime/cgroup/v1.ts",
        "  return [host.write(`${dir}/pids.max`, String(limit))];",
        "  return [];",
      ],
    ],
    async run(bed) {
      const made = Number(await bed.output("--pids-limit", "20", "attacker", "/attacker", "bomb", "150"));
      return made < 20 ? [] : [`${made} processes`];
    },
  },
  {
    claim: "who takes more memory than the container has is killed, and nobody else",
    cves: [],
    weakened: [
      [
        "src/runtime/cgroup/v1.ts",
        "  const limitOp = m.limit ? [host.write(`${dir}/memory.limit_in_bytes`, String(m.limit))] : [];",
        "  const limitOp: Op[] = [];",
      ],
      [
        "src/runtime/cgroup/v1.ts",
        "memory.memsw.limit_in_bytes`, String(",
        "memory.soft_limit_in_bytes`, String(",
      ],
    ],
    async run(bed) {
      await bed.text(["run", "-d", "--name", "other", "busybox", "sleep", "1000"]);
      const flags = ["--memory", "32m", "--memory-swap", "32m"];
      const { stdout } = await bed.berth("run", "--rm", ...flags, "attacker", "/attacker", "eat", "200");
      const isAlive = (await bed.daemon.inspect("other")).State.Running;
      return [...lines(stdout), ...(isAlive ? [] : ["another container is gone"])];
    },
  },
  {
    claim: "limits of a process are the container's and cannot be raised",
    cves: [],
    weakened: [
      [
        "src/runtime/plan/process.ts",
        "  return (process.rlimits ?? []).map((r) =>",
        "  return ([] as typeof process.rlimits ?? []).map((r) =>",
      ],
    ],
    async run(bed) {
      const flags = ["--ulimit", "nofile=64:64", "--ulimit", "core=0:0"];
      const output = await bed.output(
        ...flags,
        "busybox",
        "sh",
        "-c",
        "ulimit -n; ulimit -n 128 2>/dev/null; ulimit -n",
      );
      return output === "64\n64\n" ? [] : lines(output);
    },
  },
]);

attacks("what is said about containers", [
  {
    claim: "what a container prints is its words, never the log's or the stream's structure",
    cves: [],
    weakened: [["native/jsonlog.c", "b >= 0x20 && b != '\"' && b != '\\\\'", "b >= 0x20 && b != '\\\\'"]],
    async run(bed) {
      const forged = `x","stream":"stderr","time":"2020-01-01T00:00:00Z"}\n{"log":"forged\\n","stream":"stderr","time":"2020-01-01T00:00:00Z"}\n`;
      const frame = "\x02\x00\x00\x00\x00\x00\x00\x06forged";
      const hostile = `${forged}${frame}\n\x1b]0;title\x07\u2028<script>&\r\n${"y".repeat(40_000)}`;
      const octal = [...Buffer.from(hostile)].map((b) => `\\0${b.toString(8).padStart(3, "0")}`).join("");
      const script = "printf '%b' \"$(cat)\"";
      const given = ["run", "-i", "--name", "talker", "busybox", "sh", "-c", script];
      const attached = await bed.daemon.run(berth, given, { input: octal });
      const logged = await bed.berth("logs", "talker");
      const got: string[] = [];
      for (const [what, outcome] of [
        ["attach", attached],
        ["logs", logged],
      ] as const) {
        if (outcome.stderr !== "") got.push(`${what}: ${outcome.stderr.slice(0, 200)}`);
        if (outcome.stdout !== hostile)
          got.push(`${what} said something else: ${outcome.stdout.slice(0, 200)}`);
      }
      return got;
    },
  },
  {
    claim: "an image's labels and commands do not steer the terminal that lists them",
    cves: [],
    weakened: [["src/cli/format/list.ts", "text.replaceAll(STEERING, ", "text.replaceAll(/(?!)/g, "]],
    async run(bed) {
      const title = "\x1b]0;owned\x07\x1b[2J\x9b31m";
      await bed.daemon.request("POST", "/containers/create?name=odd", {
        Image: "busybox",
        Cmd: ["echo", title],
        Labels: { odd: title },
      });
      const program = { name: "berth" as const, argv: bed.daemon.program };
      const list = ["ps", "-a", "--no-trunc", "--format", "table {{.Names}}\t{{.Labels}}\t{{.Command}}"];
      const shown = (await bed.daemon.onTerminal(program, list).ended).stdout;
      return shown.includes("\x1b]0") || shown.includes("\x1b[2J") || shown.includes("\x9b")
        ? [JSON.stringify(shown)]
        : [];
    },
  },
  {
    claim: "an image's configuration is data, whatever is in it",
    cves: ["CVE-2021-21285", "CVE-2022-23648", "CVE-2026-53488", "CVE-2026-47262", "CVE-2025-64329"],
    weakened: JOINED_PATHS,
    async run(bed) {
      const away = bed.canary.dir;
      const base = await baseImageTar();
      const got: string[] = [];
      const outputs: string[] = [];
      for (const config of [
        { WorkingDir: `/../../../../..${away}/made` },
        { WorkingDir: "/l/made", Volumes: { "/l/volume": {} } },
        { WorkingDir: "/proc/self/cwd/x", Cmd: ["pwd"] },
        { WorkingDir: "x\0y" },
        { Volumes: { [`/..${away}`]: {}, "/proc": {}, "/": {}, "..": {}, "": {} } },
        {
          Env: [
            "A=\0",
            "=",
            "",
            "LD_PRELOAD=/x",
            `BIG=${"x".repeat(1 << 20)}`,
            ...Array.from({ length: 5000 }, (_, i) => `V${i}=${i}`),
          ],
        },
        { Env: Array.from({ length: 50 }, (_, i) => `V${i}=${"x".repeat(100_000)}`) },
        {
          Labels: {
            "com.docker.runtime.hook": `touch ${away}/made`,
            __proto__x: "1",
            constructor: "2",
            "\0": "\x1b",
          },
        },
        { User: "../../etc/passwd" },
        { User: "0\n1" },
        { Entrypoint: ["\0"], Cmd: [""] },
        { Entrypoint: "not a list", Cmd: 5 },
        { ExposedPorts: { "99999999/tcp": {}, "../x": {}, "80/tcp;reboot": {} } },
        { StopSignal: "99999", Healthcheck: { Test: ["CMD", "\0"], Interval: -1 } },
        { Hostname: "../../x", Domainname: "\n" },
        { WorkingDir: { toString: "x" }, Env: { a: 1 } },
      ]) {
        const archive = imageArchive("odd", [base, tarOf([{ name: "l", type: "2", link: away }])], config);
        await bed.daemon.run(berth, ["load"], { input: archive, timeoutMs: 60_000 });
        const created = await bed.daemon.request("POST", "/containers/create?name=odd", {
          Image: "odd",
          Cmd: ["cat", "file", `${away}/file`],
        });
        if (created.status >= 500)
          got.push(
            `${JSON.stringify(config).slice(0, 80)}: ${created.status} ${JSON.stringify(created.body)}`,
          );
        outputs.push(
          (await bed.berth("start", "-a", "odd")).stdout,
          (await bed.berth("start", "odd")).stdout,
        );
        await bed.daemon.request("DELETE", "/containers/odd?force=1&v=1");
        await bed.daemon.request("DELETE", "/images/odd?force=1");
        if ((await bed.daemon.request("GET", "/_ping")).status !== 200) got.push("the daemon is gone");
      }
      return [...got, ...(await bed.canary.damage(...outputs))];
    },
  },
  {
    claim: "a security setting that is not known is refused, never left out",
    cves: ["GHSA-7236-3392-c5c6"],
    weakened: [
      [
        "src/runtime/spec/security-opts.ts",
        "    default:\n      throw invalid(`invalid --security-opt 2: ${JSON.stringify(text)}`);",
        "    default:",
      ],
    ],
    async run(bed) {
      const got: string[] = [];
      for (const [key, value] of [
        ["SecurityOpt", ["secomp=unconfined"]],
        ["SecurityOpt", ["seccomp={not json"]],
        ["SecurityOpt", ["no-new-privileges:maybe"]],
        ["SecurityOpt", ["nothing"]],
        ["PidMode", "hots"],
        ["IpcMode", "everybody"],
        ["UTSMode", "other"],
        ["UsernsMode", "hots"],
        ["CgroupnsMode", "shared"],
        ["CapAdd", ["ALL_OF_THEM"]],
        ["CapDrop", ["net admin"]],
        ["MaskedPaths", "none"],
        ["Privileged", "yes"],
        ["Isolation", "hyperv"],
      ] as const) {
        const { status } = await bed.daemon.request("POST", "/containers/create", {
          Image: "busybox",
          Cmd: ["true"],
          HostConfig: { [key]: value },
        });
        if (status !== 400 && status !== 404) got.push(`${key}=${JSON.stringify(value)}: ${status}`);
      }
      return got;
    },
  },
]);
