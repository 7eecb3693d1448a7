// Three lists that must not drift apart: the flags of Docker's `run` and `create`, those that ours take, and the table in
// docs/run-flags.md.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { command as create } from "./create.ts";
import { command as run } from "./run.ts";

/** What docker 28.2.2 declares: `docker run --help`, and what that hides. */
const DOCKER = `
  add-host annotation attach blkio-weight blkio-weight-device cap-add cap-drop cgroup-parent cgroupns cidfile cpu-count
  cpu-percent cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus cpuset-mems detach detach-keys
  device device-cgroup-rule device-read-bps device-read-iops device-write-bps device-write-iops disable-content-trust dns
  dns-opt dns-option dns-search domainname entrypoint env env-file expose gpus group-add health-cmd health-interval
  health-retries health-start-interval health-start-period health-timeout help hostname init interactive io-maxbandwidth
  io-maxiops ip ip6 ipc isolation kernel-memory label label-file link link-local-ip log-driver log-opt mac-address memory
  memory-reservation memory-swap memory-swappiness mount name net net-alias network network-alias no-healthcheck
  oom-kill-disable oom-score-adj pid pids-limit platform privileged publish publish-all pull quiet read-only restart rm
  runtime security-opt shm-size sig-proxy stop-signal stop-timeout storage-opt sysctl tmpfs tty ulimit use-api-socket user
  userns uts volume volume-driver volumes-from workdir`
  .trim()
  .split(/\s+/);

const SHORT = "a c d e h i l m p P q t u v w".split(" ");
const RUN_ONLY = ["detach", "detach-keys", "sig-proxy"];

/** Ours, where Docker has nothing of the kind; each is described in docs/. */
const EXTENSIONS = /^health-(?!cmd$|interval$|retries$|start-interval$|start-period$|timeout$)/;

const names = (flags: object): string[] =>
  [...Object.keys(flags).filter((name) => !EXTENSIONS.test(name)), "help"].sort();
const shorts = (flags: Readonly<Record<string, { readonly short?: string | undefined }>>): string[] =>
  Object.values(flags)
    .flatMap((flag) => flag.short ?? [])
    .sort((a, b) => a.toLowerCase().localeCompare(b.toLowerCase()) || (a > b ? -1 : 1));

test("run and create take Docker's flags and no others", () => {
  assert.deepEqual(names(run.flags), [...DOCKER].sort());
  assert.deepEqual(names(create.flags), DOCKER.filter((name) => !RUN_ONLY.includes(name)).sort());
  assert.deepEqual(shorts(run.flags).sort(), [...SHORT].sort());
});

test("docs/run-flags.md has a row for each, with its short form", () => {
  const text = readFileSync(new URL("../../../../docs/run-flags.md", import.meta.url), "utf8");
  const rows = [...text.matchAll(/^\| (?:`-(\w)`, )?`--([\w-]+)` \| (yes|refused|no meaning) \|/gm)];
  assert.deepEqual(rows.map((row) => row[2] ?? "").sort(), [...DOCKER].sort());
  const flags: Readonly<Record<string, { readonly short?: string | undefined }>> = run.flags;
  for (const [, short, name = ""] of rows) assert.equal(short, flags[name]?.short, name);
});

test("the installed client has no flag that ours lacks", () => {
  let help: string;
  try {
    const env = { ...process.env, DOCKER_HOST: "unix:///nonexistent", DOCKER_BUILDKIT: "0" };
    help = execFileSync("docker", ["run", "--help"], { encoding: "utf8", env });
  } catch {
    return; // ignored: without a client the recorded list has to do
  }
  const shown = [...help.matchAll(/^ {2}(?:-\w, | {4})--([\w-]+)/gm)].map((match) => match[1] ?? "");
  assert.ok(shown.length > 80, "the help text was understood");
  assert.deepEqual(
    shown.filter((name) => !DOCKER.includes(name)),
    [],
  );
});
