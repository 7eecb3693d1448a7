// Attacks by files: layers of images, archives that are copied into containers and out of them, build contexts.
import { rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { baseImageTar } from "../e2e/base-image.ts";
import { run } from "../e2e/command.ts";
import { clients } from "../e2e/harness.ts";
import { attacks } from "./attack.ts";
import type { Bed } from "./bed.ts";
import { type Entry, imageArchive, tarOf } from "./tar.ts";
import { JOINED_PATHS, WITHOUT_DEVICE_RULES } from "./weaknesses.ts";

const dir = (name: string, mode = 0o755): Entry => ({ name: `${name}/`, type: "5", mode });
const symlink = (name: string, link: string): Entry => ({ name, type: "2", link });
const hardlink = (name: string, link: string): Entry => ({ name, type: "1", link });
const file = (name: string, content = "written\n", mode = 0o777): Entry => ({ name, content, mode });

/** Archives that try to get out of the directory that they are unpacked in, towards `away`. */
function escapes(away: string): Entry[][] {
  const up = "../../../../../../../../../../../..";
  return [
    [symlink("x", away), file("x/made"), file("x/file")],
    [symlink("x", `${up}${away}`), file("x/made"), dir("x/sub", 0o777)],
    [file(`${up}${away}/made`)],
    [file(`a/${up}${away}/made`)],
    [file(`${away}/made`)],
    [hardlink("h", `${away}/file`), file("h", "overwritten")],
    [hardlink("h", `${up}${away}/file`), file("h", "overwritten")],
    [symlink("s", `${away}/file`), hardlink("h", "s"), file("h", "overwritten")],
    [symlink("s", away), hardlink("h", "s/file")],
    [dir("d"), file("d/inner"), symlink("d", away), file("d/made"), dir("d/sub", 0o700)],
    [symlink("x", `${away}/file`), file("x", "through", 0o777)],
    [symlink("x", `${away}/sub`), dir("x", 0o777)],
    [symlink("x", away), file("x/.wh.file", ""), file("x/.wh..wh..opq", "")],
    [file(".wh...", ""), file(".wh..", "")],
    [file(`${up}${away}/.wh.file`, "")],
    [symlink("x", away), { name: "x/node", type: "3", device: [1, 3], mode: 0o666 }],
    [symlink("x", away), { name: "x/made", content: "", xattrs: { "user.k": "v" } }],
    [symlink("x", "y"), symlink("y", away), file("x/made")],
    [symlink("a", "."), symlink("a/b", away), file("a/a/b/made")],
  ];
}

/** Loads an image whose upper layers are the archives; what cannot be loaded is refused, and that is fine. */
async function load(bed: Bed, layers: readonly Uint8Array[], config: object = {}): Promise<boolean> {
  const archive = imageArchive("loaded", layers, config);
  const loaded = await bed.daemon.run(clients[0] as (typeof clients)[number], ["load"], { input: archive });
  return loaded.status === 0;
}

const SEARCH =
  "find / -xdev -name file -exec cat {} ';' 2>/dev/null; cat /x/file /h /s/file /d/file 2>/dev/null; true";

attacks("layers", [
  {
    claim: "what a layer unpacks stays in it",
    cves: ["CVE-2021-32760", "CVE-2026-17106", "CVE-2025-47290", "CVE-2018-15664"],
    weakened: JOINED_PATHS,
    async run(bed) {
      const outputs: string[] = [];
      const base = await baseImageTar();
      for (const entries of escapes(bed.canary.dir)) {
        if (!(await load(bed, [base, tarOf(entries)]))) continue;
        outputs.push(await bed.output("loaded", "sh", "-c", SEARCH));
      }
      // A directory of one layer that the next one makes a symlink, and goes through.
      const below = tarOf([dir("d"), file("d/inner"), dir("e"), file("e/inner")]);
      const above = tarOf([
        symlink("d", bed.canary.dir),
        file("d/made"),
        file("e/.wh.inner", ""),
        hardlink("e/x", "d/file"),
      ]);
      if (await load(bed, [base, below, above])) outputs.push(await bed.output("loaded", "sh", "-c", SEARCH));
      return bed.canary.damage(...outputs);
    },
  },
  {
    claim: "a layer cannot set the overlay's own attributes",
    cves: ["CVE-2025-47290"],
    weakened: [
      [
        "src/storage/layer/unpack.ts",
        "  if (name.startsWith(OVERLAY.xattrPrefix)) return false;",
        '  if (name.startsWith("trusted.")) return true;',
      ],
    ],
    async run(bed) {
      const xattrs = {
        "trusted.overlay.redirect": "/etc",
        "trusted.overlay.opaque": "y",
        "trusted.overlay.metacopy": "",
        "security.ima": "x",
        "system.posix_acl_access": "x",
      };
      const layer = tarOf([
        { ...dir("odd"), xattrs },
        { ...file("odd/f"), xattrs },
      ]);
      if (!(await load(bed, [await baseImageTar(), layer]))) return [];
      const list = `import os,sys
for d,n,f in os.walk(sys.argv[1]):
  for p in n+f:
    p=os.path.join(d,p)
    for x in os.listxattr(p,follow_symlinks=False):
      if "/odd" in p and not x.startswith("user."): print(p,x)`;
      const { stdout } = await run(["python3", "-c", list, bed.daemon.path("data/layers")]);
      return stdout.split("\n").filter((line) => line !== "");
    },
  },
  {
    claim: "a device in a layer cannot be opened",
    cves: ["CVE-2021-32760"],
    weakened: WITHOUT_DEVICE_RULES,
    async run(bed) {
      const node = (name: string, type: string, device: readonly [number, number]): Entry => ({
        name,
        type,
        device,
        mode: 0o666,
      });
      const layer = tarOf([
        node("kmsg", "3", [1, 11]),
        node("mem", "3", [1, 1]),
        node("disk", "4", [7, 0]),
        node("fuse", "3", [10, 229]),
      ]);
      if (!(await load(bed, [await baseImageTar(), layer]))) return ["the image was not loaded"];
      const script =
        "for f in kmsg mem disk fuse; do dd if=/$f of=/dev/null bs=1 count=0 2>&1 | grep -v -e 'not permitted' -e records -e bytes; done; true";
      return (await bed.output("loaded", "sh", "-c", script)).split("\n").filter((line) => line !== "");
    },
  },
]);

attacks("copying", [
  {
    claim: "files are copied out of a container's root, wherever its symlinks lead",
    cves: ["CVE-2018-15664", "CVE-2019-14271", "CVE-2026-42306"],
    weakened: JOINED_PATHS,
    async run(bed) {
      const up = "../../../../../../../..";
      const image = await bed.hostileImage(`ln -s "$CANARY" x; ln -s "${up}$CANARY/file" f; ln -s . y`);
      const outputs: string[] = [];
      await bed.text(["create", "--name", "stopped", image, "true"]);
      await bed.text(["run", "-d", "--name", "running", image, "sleep", "1000"]);
      await writeFile(bed.daemon.path("made"), "written\n");
      for (const name of ["stopped", "running"])
        for (const path of [
          "/x/file",
          "/f",
          "/x",
          "/y/x/file",
          `/${up}${bed.canary.dir}/file`,
          "/proc/self/root/x/file",
        ]) {
          for (const flags of [[], ["-L"]])
            outputs.push((await bed.berth("cp", ...flags, `${name}:${path}`, "-")).stdout);
          await bed.berth("cp", bed.daemon.path("made"), `${name}:${path}/made`);
          await bed.berth("cp", bed.daemon.path("made"), `${name}:${path}`);
        }
      return bed.canary.damage(...outputs);
    },
  },
  {
    claim: "files are copied out of and into a container's root while it exchanges directories and symlinks",
    cves: ["CVE-2018-15664", "CVE-2026-41568", "CVE-2026-42306"],
    weakened: JOINED_PATHS,
    async run(bed) {
      const set = `mkdir /x; echo mine >/x/file; ln -s ${bed.canary.dir} /y; exec /attacker swap /x /y 20000`;
      await bed.text(["run", "-d", "--name", "racer", "attacker", "sh", "-c", set]);
      await writeFile(bed.daemon.path("made"), "written\n");
      const outputs: string[] = [];
      for (let i = 0; i < 25; i++) {
        const [out] = await Promise.all([
          bed.berth("cp", "racer:/x/file", "-"),
          bed.berth("cp", bed.daemon.path("made"), "racer:/x/made"),
        ]);
        outputs.push(out.stdout);
      }
      return bed.canary.damage(...outputs);
    },
  },
  {
    claim: "an archive that is copied into a container stays in it",
    cves: ["CVE-2018-15664", "CVE-2026-17106"],
    weakened: JOINED_PATHS,
    async run(bed) {
      await bed.text(["run", "-d", "--name", "running", "busybox", "sleep", "1000"]);
      await bed.text(["create", "--name", "stopped", "busybox", "true"]);
      const outputs: string[] = [];
      for (const entries of escapes(bed.canary.dir))
        for (const name of ["running", "stopped"])
          await bed.daemon.run(clients[0] as (typeof clients)[number], ["cp", "-", `${name}:/tmp`], {
            input: tarOf(entries),
          });
      outputs.push(await bed.text(["exec", "running", "sh", "-c", SEARCH]));
      return bed.canary.damage(...outputs);
    },
  },
  {
    claim: "nothing of the container's is run to unpack or pack its files",
    cves: ["CVE-2026-41567", "CVE-2019-14271"],
    weakened: [
      [
        "src/engine/container/files/unpack.ts",
        "  const unpacker = new Unpacker(session, options);",
        `  const pid = (await import("node:child_process")).execSync("pidof sleep").toString().split(" ");
  for (const p of pid) (await import("node:child_process")).spawnSync("chroot", ["/proc/" + p.trim() + "/root", "xz", "-d"]);
  const unpacker = new Unpacker(session, options);`,
      ],
    ],
    async run(bed) {
      const helper = "#!/bin/sh\\necho $0 >>/ran; exec /bin/busybox cat\\n";
      const names = "xz unxz unpigz pigz gzip gunzip zstd bzip2 unzstd tar sh.real ldconfig";
      const script = `mkdir -p usr/bin usr/local/bin; for n in ${names}; do for d in bin usr/bin usr/local/bin; do rm -f $d/$n; printf '${helper}' >$d/$n; chmod 755 $d/$n; done; done`;
      const image = await bed.hostileImage(script);
      await bed.text(["run", "-d", "--name", "running", image, "sleep", "1000"]);
      const plain = tarOf([file("packed")]);
      for (const tool of ["cat", "gzip", "bzip2", "xz"]) {
        const { bytes } = await run([tool], { input: plain });
        const url = "http://localhost/containers/running/archive?path=/tmp";
        await run(
          ["curl", "-s", "-X", "PUT", "--unix-socket", bed.daemon.socket, "--data-binary", "@-", url],
          { input: bytes },
        );
      }
      await bed.berth("cp", "running:/etc", "-");
      return (await bed.text(["exec", "running", "cat", "/tmp/packed", "/ran"]).catch(String))
        .split("\n")
        .filter((line) => line.startsWith("/") && !line.includes("berth"));
    },
  },
  {
    claim: "the client unpacks what a daemon sends in the place it was told to",
    cves: ["CVE-2019-14271", "CVE-2026-17106"],
    weakened: [
      [
        "src/cli/copy/download.ts",
        "    if (below.length > 0 && this.#isRootLink)\n      throw complain(",
        "    if (below.length < 0)\n      throw complain(",
      ],
    ],
    async run(bed) {
      const outputs: string[] = [];
      const away = bed.canary.dir;
      const below = escapes(away).map((list) => [
        dir("top"),
        ...list.map((e) => ({ ...e, name: `top/${e.name}` })),
      ]);
      const instead = [
        [symlink("top", away), file("top/made"), dir("top/sub", 0o777)],
        [symlink("top", `${away}/file`), file("top", "through")],
        [symlink("top", away), dir("top", 0o777), file("top/made")],
      ];
      for (const entries of [...below, ...instead]) {
        const target = bed.daemon.path("copied");
        await rm(target, { recursive: true, force: true });
        await run(["mkdir", target]);
        const tar = tarOf(entries);
        const stat = Buffer.from(
          JSON.stringify({ name: "top", size: 0, mode: 2147484141, mtime: new Date(0), linkTarget: "" }),
        ).toString("base64");
        const server = createServer((_, response) => {
          response.writeHead(200, {
            "Content-Type": "application/x-tar",
            "X-Docker-Container-Path-Stat": stat,
          });
          response.end(tar);
        });
        const socket = bed.daemon.path("fake.sock");
        await new Promise<void>((resolve) => server.listen(socket, resolve));
        await run([...bed.daemon.program, "cp", "x:/top", target], {
          env: { ...bed.daemon.environment, DOCKER_HOST: `unix://${socket}` },
        });
        await new Promise((resolve) => server.close(resolve));
        await rm(socket, { force: true });
        outputs.push(
          (await run(["sh", "-c", `cat $(find ${target} -type f) </dev/null 2>/dev/null`])).stdout,
        );
      }
      return bed.canary.damage(...outputs);
    },
  },
]);
