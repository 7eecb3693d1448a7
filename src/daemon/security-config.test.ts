import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parseFlags } from "../lib/flags/parse.ts";
import { SECURITY_FLAGS, securityConfigOf } from "./security-config.ts";

const flags = (...argv: string[]) => parseFlags(SECURITY_FLAGS, argv).values;

test("the default profile is the built-in one, none, or a file's; the file counts before the flags", () => {
  assert.deepEqual(securityConfigOf({}, flags()), {
    seccompProfile: "builtin",
    defaults: { noNewPrivileges: false },
  });
  const none = securityConfigOf({ "no-new-privileges": true }, flags("--seccomp-profile", "unconfined"));
  assert.deepEqual(none.defaults, { seccompProfile: "unconfined", noNewPrivileges: true });
  const dir = mkdtempSync(join(tmpdir(), "berth-seccomp-"));
  try {
    const path = join(dir, "profile.json");
    writeFileSync(path, '{"defaultAction":"SCMP_ACT_ALLOW"}');
    const own = securityConfigOf({ "seccomp-profile": path }, flags("--seccomp-profile", "unconfined"));
    assert.equal(own.seccompProfile, path);
    assert.deepEqual(own.defaults.seccompProfile, { defaultAction: "SCMP_ACT_ALLOW", syscalls: [] });
    writeFileSync(path, "{");
    assert.throws(() => securityConfigOf({ "seccomp-profile": path }, flags()), {
      kind: "invalidParameter",
      message: /^opening seccomp profile \(.*profile\.json\) failed: decoding seccomp profile failed: /,
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
  assert.throws(
    () => securityConfigOf({ "seccomp-profile": "/nosuch" }, flags()),
    /\(\/nosuch\) failed: ENOENT/,
  );
  assert.throws(() => securityConfigOf({ "seccomp-profile": 5 }, flags()), /must be a text/);
  assert.throws(() => securityConfigOf({ "no-new-privileges": "yes" }, flags()), /must be true or false/);
});
