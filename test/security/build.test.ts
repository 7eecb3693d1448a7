// Attacks by what is built: contexts, Dockerfiles, images that files are copied from, mounts of RUN.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../e2e/command.ts";
import { attacks } from "./attack.ts";
import type { Bed } from "./bed.ts";
import { tarOf } from "./tar.ts";
import { UNRESOLVED_TREES } from "./weaknesses.ts";

const SEARCH = "find / -xdev -type f -size -4 -exec cat {} ';' 2>/dev/null; true";

/** Builds a context that a shell script makes ($CANARY is the host's directory); returns all that was said, and what is in the image. */
async function build(bed: Bed, script: string, dockerfile: string, ...args: string[]): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "berth-attack-context-"));
  try {
    const env = { PATH: process.env["PATH"] ?? "", CANARY: bed.canary.dir };
    await run(["sh", "-ec", `${script}\ncat >Dockerfile`], { cwd: dir, env, input: dockerfile });
    const built = await bed.berth("build", "--no-cache", "-t", "built", ...args, dir);
    const seen = built.status === 0 ? await bed.output("built", "sh", "-c", SEARCH) : "";
    return built.stdout + built.stderr + seen;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

attacks("building", [
  {
    claim: "COPY and ADD take what is in the context or in an image, wherever symlinks lead",
    cves: ["CVE-2019-13139", "CVE-2026-44517", "CVE-2026-33747"],
    weakened: UNRESOLVED_TREES,
    async run(bed) {
      const away = bed.canary.dir;
      const up = "../../../../../../../..";
      const outputs = [
        await build(
          bed,
          'ln -s "$CANARY/file" f; ln -s "$CANARY" d; mkdir s; ln -s "$CANARY/file" s/f',
          "FROM busybox\nCOPY s /s\nCOPY d* /d/\n",
        ),
        await build(bed, 'ln -s "$CANARY/file" f', "FROM busybox\nCOPY f /f\n"),
        await build(bed, 'ln -s "$CANARY" d', "FROM busybox\nCOPY d/file /f\n"),
        await build(bed, "true", `FROM busybox\nCOPY ${up}${away}/file /f\nADD ${up}${away}/file /g\n`),
        await build(
          bed,
          "true",
          `FROM busybox AS one\nRUN ln -s ${away} /x && ln -s ${up}${away}/file /f\nFROM busybox\nCOPY --from=one /x /x/\nCOPY --from=one /f /f\n`,
        ),
        await build(
          bed,
          "true",
          `FROM busybox AS one\nRUN ln -s ${away} /x\nFROM busybox\nCOPY --from=one /x/file /f\n`,
        ),
        // What is copied goes through a symlink of the target's.
        await build(
          bed,
          "echo new >made; mkdir sub; echo new >sub/made",
          `FROM busybox\nRUN ln -s ${away} /x\nCOPY made /x/\nCOPY sub /x/sub\nADD made /x/made2\nWORKDIR /x/work\n`,
        ),
        await build(bed, 'ln -s "$CANARY/file" .dockerignore', "FROM busybox\nCOPY . /all\n"),
      ];
      return bed.canary.damage(...outputs);
    },
  },
  {
    claim: "an archive that ADD unpacks stays in the image",
    cves: ["CVE-2018-15664", "CVE-2026-17106"],
    weakened: UNRESOLVED_TREES,
    async run(bed) {
      const away = bed.canary.dir;
      const archive = tarOf([
        { name: "x", type: "2", link: away },
        { name: "x/made", content: "through" },
        { name: "h", type: "1", link: "x/file" },
        { name: "h", content: "overwritten" },
      ]).toString("base64");
      const outputs = [
        await build(bed, `echo ${archive} | base64 -d >a.tar`, "FROM busybox\nADD a.tar /\n"),
        await build(
          bed,
          `echo ${archive} | base64 -d >a.tar`,
          `FROM busybox\nRUN ln -s ${away} /y\nADD a.tar /y/\n`,
        ),
      ];
      return bed.canary.damage(...outputs);
    },
  },
  {
    claim: "the mounts of RUN come from where they say and go where they say, in the build",
    cves: ["CVE-2024-23651", "CVE-2024-23652", "CVE-2024-1753"],
    weakened: UNRESOLVED_TREES,
    async run(bed) {
      const away = bed.canary.dir;
      const up = "../../../../../../../..";
      const base = `FROM busybox AS one\nRUN ln -s ${away} /x && ln -s ${up}${away} /y\n`;
      const show = "sh -c 'cat /m/file /m/*; touch /m/made /x/made; true'";
      const mounts = [
        "type=bind,from=one,source=/x,target=/m",
        "type=bind,from=one,source=/x,target=/m,rw",
        "type=bind,from=one,source=/y,target=/m",
        `type=bind,from=one,source=${up}${away},target=/m`,
        "type=bind,source=d,target=/m",
        "type=cache,id=c,from=one,source=/x,target=/m",
        "type=cache,target=/x/cache",
        "type=cache,target=/x",
        "type=tmpfs,target=/x/tmp",
        "type=secret,id=s,target=/x/secret",
      ];
      const outputs: string[] = [];
      for (const mount of mounts)
        outputs.push(
          await build(bed, 'ln -s "$CANARY" d', `${base}FROM one\nRUN --mount=${mount} ${show}\n`),
        );
      // The place of a mount is exchanged while the command runs; what is cleaned up afterwards is in the build.
      const swap = `rm -rf /gone; umount /gone/m; rmdir /gone/m /gone; ln -s ${away} /gone; mkdir ${away}; true`;
      outputs.push(
        await build(
          bed,
          "true",
          `FROM busybox\nRUN --mount=type=tmpfs,target=/gone/sub ${swap}\nRUN --mount=type=cache,target=/gone/file true\n`,
        ),
      );
      return bed.canary.damage(...outputs);
    },
  },
  {
    claim: "a step has a container's privileges, whatever the Dockerfile asks for",
    cves: ["CVE-2024-23653", "GHSA-7236-3392-c5c6"],
    weakened: [
      [
        "src/runtime/plan/process.ts",
        "  const filter = context.seccomp ? [filterOp(context.seccomp, context)] : [];",
        "  const filter: Op[] = context === undefined ? [filterOp(context, context)] : [];",
      ],
    ],
    async run(bed) {
      const look = "RUN grep -E '^(CapEff|Seccomp):' /proc/self/status | sed 's/^/is /'; cat /proc/1/comm\n";
      const outputs = [
        await build(bed, "true", `FROM busybox\n${look}`),
        await build(
          bed,
          "true",
          `# syntax=docker/dockerfile:1-labs\nFROM busybox\nRUN --security=insecure ${look.slice(4)}`,
        ),
        await build(bed, "true", `FROM busybox\nRUN --security=unheard-of ${look.slice(4)}`),
        await build(
          bed,
          "true",
          `FROM busybox\nRUN --network=host true\n${look}`,
          "--security-opt",
          "seccomp=unconfined",
        ),
      ];
      return outputs
        .flatMap((text) =>
          text.split("\n").filter((line) => /\bis (CapEff|Seccomp):/.test(line) && !line.includes("RUN")),
        )
        .map((line) => line.slice(line.indexOf("is ")))
        .filter((line) => !/00000000a80425fb|Seccomp:\s+2/.test(line));
    },
  },
]);
