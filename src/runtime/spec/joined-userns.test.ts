import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { symlinkSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Fault } from "../../lib/errors.ts";
import { withJoinedMappings } from "./joined-userns.ts";
import type { OciSpec } from "./oci.ts";

let child: ChildProcess;
let dir: string;
before(async () => {
  dir = mkdtempSync(join(tmpdir(), "berth-joined-"));
  child = spawn("unshare", ["--user", "--map-root-user", "sh", "-c", "echo ready; read x"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(child.stdout as NonNullable<typeof child.stdout>, "data");
});
after(() => {
  child.stdin?.end();
  rmSync(dir, { recursive: true, force: true });
});

const specOf = (path: string, linux: OciSpec["linux"] = {}): OciSpec => ({
  ociVersion: "1.2.0",
  linux: { namespaces: [{ type: "mount" }, { type: "user", path }], ...linux },
});

test("the maps are the namespace's own, by the path of a process and by any other", () => {
  const uid = process.getuid?.() ?? 0;
  const own = `/proc/${child.pid}/ns/user`;
  const link = join(dir, "userns");
  symlinkSync(own, link);
  for (const path of [own, link]) {
    const { uidMappings, gidMappings } = withJoinedMappings(specOf(path)).linux ?? {};
    assert.deepEqual(uidMappings, [{ containerID: 0, hostID: uid, size: 1 }]);
    assert.deepEqual(gidMappings, [{ containerID: 0, hostID: process.getgid?.() ?? 0, size: 1 }]);
  }
});

test("other maps, and namespaces that are none, are refused", () => {
  const own = `/proc/${child.pid}/ns/user`;
  const other = [{ containerID: 0, hostID: 5, size: 1 }];
  for (const spec of [
    specOf(own, { uidMappings: other, gidMappings: other }),
    specOf(join(dir, "missing")),
    specOf("/etc/passwd"),
  ])
    assert.throws(
      () => withJoinedMappings(spec),
      (e) => e instanceof Fault && e.kind === "invalidParameter",
    );
  const plain: OciSpec = { ociVersion: "1.2.0", linux: { namespaces: [{ type: "user" }] } };
  assert.equal(withJoinedMappings(plain), plain);
});
