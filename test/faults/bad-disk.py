"""A disk that misbehaves when it is told to: one file behind FUSE, which a loop device makes into a block device of this process's own
mount namespace.

  bad-disk.py DIR MEBIBYTES OPTIONS...      OPTIONS are those of mkfs.ext4

The file system on it is mounted at DIR/disk; all goes with this process. Commands on standard input, each answered with a line:
  fine          every request is served
  errors        reads and writes fail with EIO
  stuck         writes wait
  repair        the file system is taken down, checked and mounted again
"""
import ctypes, errno, os, struct, subprocess, sys, tempfile, threading

LIBC = ctypes.CDLL(None, use_errno=True)
NEW_MOUNTS, PRIVATE, NOSUID_NODEV = 0x20000, 1 << 18 | 1 << 14, 2 | 4
LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE, STATFS, RELEASE, FSYNC, FLUSH, INIT, INTERRUPT, BATCH_FORGET = (
    1, 2, 3, 4, 14, 15, 16, 17, 18, 20, 25, 26, 36, 42)
ROOT, DISK = 1, 2
MOST = 1 << 20

place, size = sys.argv[1], int(sys.argv[2]) << 20
content = tempfile.TemporaryFile()
content.truncate(size)
errors = False
moves = threading.Event()
moves.set()


def must(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def attributes(node):
    kind, length = (0o40755, 0) if node == ROOT else (0o100600, size)
    return struct.pack("<QQQQQQIIIIIIIIII", node, length, length // 512, 0, 0, 0, 0, 0, 0, kind, 1, 0, 0, 0, 4096, 0)


def answer(opcode, node, body):
    """Returns the body of the answer, or the number of an error."""
    if opcode == INIT:
        major, minor, readahead, _ = struct.unpack_from("<IIII", body)
        return struct.pack("<IIIIHHIIHHI28x", 7, min(minor, 31), readahead, 0, 16, 12, MOST, 1, 0, 0, 0)
    if opcode == LOOKUP:
        if body != b"file\0":
            return errno.ENOENT
        return struct.pack("<QQQQII", DISK, 0, 3600, 3600, 0, 0) + attributes(DISK)
    if opcode in (GETATTR, SETATTR):
        return struct.pack("<QII", 3600, 0, 0) + attributes(node)
    if opcode == OPEN:
        return struct.pack("<QII", 1, 1, 0)  # without a page cache: each request arrives here
    if opcode in (READ, WRITE, FSYNC) and errors:
        return errno.EIO
    if opcode == READ:
        _, at, length = struct.unpack_from("<QQI", body)
        return os.pread(content.fileno(), length, at)
    if opcode == WRITE:
        _, at, length = struct.unpack_from("<QQI", body)
        moves.wait()
        return struct.pack("<II", os.pwrite(content.fileno(), body[40:40 + length], at), 0)
    if opcode == STATFS:
        return struct.pack("<QQQQQIIII24x", size // 4096, 0, 0, 0, 0, 4096, 255, 4096, 0)
    return b"" if opcode in (FSYNC, FLUSH, RELEASE) else errno.ENOSYS


def serve(fuse):
    while True:
        request = os.read(fuse, MOST + 8192)
        length, opcode, unique, node = struct.unpack_from("<IIQQ", request)
        if opcode in (FORGET, BATCH_FORGET, INTERRUPT):
            continue
        result = answer(opcode, node, request[40:length])
        error, body = (0, result) if isinstance(result, bytes) else (-result, b"")
        os.write(fuse, struct.pack("<IiQ", 16 + len(body), error, unique) + body)


def run(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode > 1:  # e2fsck: errors were corrected
        raise RuntimeError("%s: %s" % (" ".join(argv), done.stdout.decode()))


def obey(command):
    global errors
    if command == "repair":
        run("umount", disk)
        run("e2fsck", "-y", "-f", image)
        run("mount", "-o", "loop", image, disk)
    else:
        errors = command == "errors"
        moves.clear() if command == "stuck" else moves.set()


must(LIBC.unshare(NEW_MOUNTS))
must(LIBC.mount(b"none", b"/", None, PRIVATE, None))
behind, disk = os.path.join(place, "behind"), os.path.join(place, "disk")
image = os.path.join(behind, "file")
os.mkdir(behind)
os.mkdir(disk)
fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
options = b"fd=%d,rootmode=40000,user_id=0,group_id=0" % fuse
must(LIBC.mount(b"bad-disk", behind.encode(), b"fuse", NOSUID_NODEV, options))
threading.Thread(target=serve, args=(fuse,), daemon=True).start()
run("mkfs.ext4", "-q", *sys.argv[3:], image)
run("mount", "-o", "loop", image, disk)
print("ready", flush=True)
for line in sys.stdin:
    obey(line.strip())
    print("done", line.strip(), flush=True)
# The file system goes before its device's server does.
run("umount", "-l", disk)
os._exit(0)
