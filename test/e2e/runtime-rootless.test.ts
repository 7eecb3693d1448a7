// `berth runtime --rootless`: containers where no cgroup can be made.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Outcome, run } from "./command.ts";
import { RuntimeBed } from "./runtime-bed.ts";

let bed: RuntimeBed;
before(async () => {
  bed = await RuntimeBed.open();
});
after(() => bed[Symbol.asyncDispose]());

/** Calls where all cgroup file systems can only be read. */
function callReadOnly(args: readonly string[]): Promise<Outcome> {
  const script = `while read -r _ _ _ _ at rest; do
  case $rest in *" - cgroup"*) mount -o remount,bind,ro "$at" ;; esac
done </proc/self/mountinfo
cd "$1"; shift; exec "$@"`;
  return run(["unshare", "--mount", "sh", "-ec", script, "sh", bed.bundle, ...bed.argv(args)]);
}

test("without rights over cgroups a container runs without them, if it has to and asks for no limit", async () => {
  await bed.configure((spec) => {
    spec.process.args = ["cat", "/proc/self/cgroup"];
  });
  const refused = await callReadOnly(["run", "rt-rootful"]);
  assert.match(refused.stderr, /[Rr]ead-only file system/);
  assert.equal(refused.status, 1);
  const said = await callReadOnly(["--rootless", "false", "run", "rt-rootful"]);
  assert.equal(said.status, 1);
  const rootless = await callReadOnly(["--rootless", "true", "run", "rt-rootless"]);
  assert.equal(rootless.status, 0, rootless.stderr);
  assert.doesNotMatch(rootless.stdout, /rt-rootless/);
  await bed.configure((spec) => {
    spec.linux.resources = { memory: { limit: 1 << 26 } };
  });
  const limited = await callReadOnly(["--rootless", "true", "run", "rt-limited"]);
  assert.match(limited.stderr, /cannot set memory limit: container could not join or create cgroup/);
  assert.equal(limited.status, 1);
});

test("with rights over cgroups --rootless changes nothing; what is no answer is refused", async () => {
  await bed.configure((spec) => {
    spec.process.args = ["cat", "/proc/self/cgroup"];
    spec.linux.namespaces = (spec.linux.namespaces ?? []).filter(({ type }) => type !== "cgroup");
  });
  const { stdout, stderr, status } = await bed.call(["--rootless", "true", "run", "rt-both"]);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /rt-both/);
  const wrong = await bed.call(["--rootless", "perhaps", "run", "rt-both"]);
  assert.match(wrong.stderr, /invalid --rootless value/);
  assert.equal(wrong.status, 1);
});
