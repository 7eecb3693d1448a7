// Commands of a foreign platform run through the interpreter that the kernel's binfmt_misc names. The daemon has a binfmt_misc of its
// own, in a user namespace of its own: nothing is registered for anybody else. The interpreter is an `echo`.
import assert from "node:assert/strict";
import { copyFile, writeFile } from "node:fs/promises";
import { release } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { withContext } from "./context.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";

/** Becomes root of a user namespace with all ids, and goes on as a shell; a child that stays outside writes the maps. */
const ENTER = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
me, (ready, go), (mapped, done) = os.getpid(), os.pipe(), os.pipe()
if os.fork() == 0:
    os.read(ready, 1)
    for kind in ("uid", "gid"):
        with open(f"/proc/{me}/{kind}_map", "w") as file:
            file.write("0 0 4294967294\\n")
    os.write(done, b"x")
    os._exit(0)
CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET = 0x10000000, 0x20000, 0x40000000
if libc.unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET) != 0:
    sys.exit("unshare: " + os.strerror(ctypes.get_errno()))
os.write(go, b"x")
os.read(mapped, 1)
os.wait()
os.execvp("sh", ["sh", "-ec", *sys.argv[1:]])
`;

/** $0 is the interpreter, $1 the directory for binfmt_misc; the daemon's command follows. Cgroups belong to the host's root. */
const REGISTER = String.raw`
mount --make-rprivate /
ip link set lo up
mount -t tmpfs none /sys/fs/cgroup
mkdir "$1"
mount -t binfmt_misc none "$1"
printf '%s' ':foreign:M:16:\x02\x00\xfe\x00::'"$0"':F' >"$1/register"
shift
exec "$@"
`;

/** The head of an ELF program for a machine that does not exist. */
function foreignProgram(): Buffer {
  const header = Buffer.alloc(64);
  header.write("\x7fELF\x02\x01\x01", "latin1");
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(0xfe, 18);
  return header;
}

/** The first kernel with a binfmt_misc for each user namespace. */
const [major = 0, minor = 0] = release().split(".").map(Number);
const skip = major > 6 || (major === 6 && minor >= 7) ? false : "the kernel has one binfmt_misc for all";

test("a RUN for a foreign platform, and a container of its image, run by the interpreter", { skip }, () =>
  withContext(
    { Dockerfile: "FROM scratch\nCOPY sh /bin/sh\nRUN some command\nCMD another one\n" },
    async (dir) => {
      const [berth] = clients as readonly [Client];
      await writeFile(join(dir, "sh"), foreignProgram(), { mode: 0o755 });
      const interpreter = join(dir, "echo");
      await copyFile("/bin/busybox", interpreter);
      await writeFile(join(dir, ".dockerignore"), "echo\nbinfmt\n");
      const daemon = await TestDaemon.start({
        hasImage: false,
        wrap: (argv) => ["python3", "-c", ENTER, REGISTER, interpreter, join(dir, "binfmt"), ...argv],
      });
      try {
        const args = ["build", "--progress=plain", "--platform", "linux/s390x", "-t", "foreign", dir];
        const built = await daemon.run(berth, args);
        assert.equal(built.status, 0, built.stderr);
        assert.match(built.stderr, /^#\d+ [\d.]+ \/bin\/sh -c some command$/m);
        const run = await daemon.run(berth, ["run", "--rm", "--network=none", "foreign"]);
        assert.equal(run.stdout, "/bin/sh -c another one\n", run.stderr);
        const platform = ["image", "inspect", "-f", "{{.Os}}/{{.Architecture}}", "foreign"];
        assert.equal(await daemon.text(berth, platform), "linux/s390x");
      } finally {
        await daemon.close();
      }
    },
  ),
);
