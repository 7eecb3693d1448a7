import assert from "node:assert/strict";
import { test } from "node:test";
import { SysError } from "../lib/errors.ts";
import { remedyOf } from "./remedy.ts";

const CASES: readonly [op: string, path: string, errno: number, text: string, advice: RegExp][] = [
  ["mkdir", "/sys/fs/cgroup/pids/docker/x", 28, "No space left on device", /cgroup/],
  ["put", "/var/lib/berth/x", 28, "No space left on device", /df -i/],
  ["unshare", "", 28, "No space left on device", /max_\*_namespaces/],
  ["clone3", "", 11, "Resource temporarily unavailable", /TasksMax/],
  ["mount", "/x", 19, "No such device", /modprobe/],
  ["write", "/sys/fs/cgroup/blkio/x/y", 19, "No such device", /limit/],
  ["sysctl", "net/ipv4/nosuch", 2, "No such file or directory", /no such setting/],
  ["sysctl", "net/ipv4/ip_forward", 22, "Invalid argument", /value/],
  ["mount", "/", 1, "Operation not permitted", /--privileged/],
  ["open", "/x", 24, "Too many open files", /LimitNOFILE/],
  ["openat2", "/x", 38, "Function not implemented", /kernel/],
  ["rename", "/x", 30, "Read-only file system", /data-root/],
];

test("a failure of the kernel's comes with what to do about it", () => {
  for (const [op, path, errno, text, advice] of CASES)
    assert.match(remedyOf(new SysError(op, path, errno, text)), advice, `${op} ${path} ${text}`);
});

test("a sentence of keel's own, and what nobody can do anything about, stays as it is", () => {
  assert.equal(
    remedyOf(new SysError("mount", "/x", 28, "too many layers for one page of mount options")),
    "",
  );
  assert.equal(remedyOf(new SysError("open", "/x", 2, "No such file or directory")), "");
});

test("no advice has words by which clients choose an exit code", () => {
  for (const [op, path, errno, text] of CASES)
    assert.doesNotMatch(
      remedyOf(new SysError(op, path, errno, text)),
      /no such file or directory|permission denied|not found/i,
    );
});
