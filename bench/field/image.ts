// The image that all benchmarks run: a static busybox with its applets.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { must } from "./room.ts";

let archive: Buffer | undefined;

/** Returns its root file system as a tar archive. */
export function busyboxTar(): Buffer {
  archive ??= make();
  return archive;
}

function make(): Buffer {
  const dir = mkdtempSync(join(tmpdir(), "bench-root-"));
  try {
    for (const name of ["bin", "tmp", "host"]) mkdirSync(join(dir, name));
    copyFileSync("/bin/busybox", join(dir, "bin/busybox"));
    for (const applet of must(["/bin/busybox", "--list"]).trim().split("\n"))
      if (applet !== "busybox") symlinkSync("busybox", join(dir, "bin", applet));
    return spawnSync("tar", ["-C", dir, "--numeric-owner", "-c", "."], { maxBuffer: 1 << 26 }).stdout;
  } finally {
    rmSync(dir, { recursive: true });
  }
}
