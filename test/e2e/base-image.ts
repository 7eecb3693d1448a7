// The root file system that the tests' containers run in: a static busybox with its applets, users and a few directories,
// as a tar archive made by tar(1). Made once per test run.
import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./command.ts";

const PASSWD = `root:x:0:0:root:/root:/bin/sh
dev:x:1000:1000:dev:/home/dev:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
`;
const GROUP = `root:x:0:
dev:x:1000:
extra:x:2000:dev
nogroup:x:65534:
`;

let archive: Promise<Buffer> | undefined;

/** Returns the archive. */
export function baseImageTar(): Promise<Buffer> {
  archive ??= makeArchive();
  return archive;
}

async function makeArchive(): Promise<Buffer> {
  const dir = await mkdtemp(join(tmpdir(), "berth-e2e-base-"));
  try {
    for (const name of ["bin", "etc", "tmp", "root", "home/dev", "var"])
      await mkdir(join(dir, name), { recursive: true });
    await copyFile("/bin/busybox", join(dir, "bin/busybox"));
    const { stdout } = await run(["/bin/busybox", "--list"]);
    const applets = stdout
      .trim()
      .split("\n")
      .filter((name) => name !== "busybox");
    await Promise.all(applets.map((name) => symlink("busybox", join(dir, "bin", name))));
    await writeFile(join(dir, "etc/passwd"), PASSWD);
    await writeFile(join(dir, "etc/group"), GROUP);
    await run(["chmod", "1777", join(dir, "tmp")]);
    await run(["chown", "1000:1000", join(dir, "home/dev")]);
    const tar = await run(["tar", "-C", dir, "--numeric-owner", "-c", "."]);
    assert.equal(tar.status, 0, tar.stderr);
    return tar.bytes;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
