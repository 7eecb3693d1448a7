// A Debian base system and a way to Debian's mirror, for tests that build images of Debian's packages. The base is made once with
// debootstrap and kept in build/real.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Live, run } from "../e2e/command.ts";
import type { NetworkNamespace } from "../e2e/namespace.ts";

const KEPT = join(dirname(dirname(import.meta.dirname)), "build/real");
const BASE_TAR = join(KEPT, "bookworm.tar");

/** The name service of the way out, for the engine's configuration. */
export const OUTSIDE_DNS = "10.0.2.3";
/** The link of the way out, in the engine's network namespace. */
export const OUTSIDE_LINK = "tap0";

/** Returns the path of a minimal Debian system as a tar file; makes it when it is not there, which takes minutes. */
export async function debianTar(): Promise<string> {
  if (existsSync(BASE_TAR)) return BASE_TAR;
  const tree = join(KEPT, "bookworm");
  await rm(tree, { recursive: true, force: true });
  await mkdir(KEPT, { recursive: true });
  const command = ["unshare", "--mount", "debootstrap", "--variant=minbase", "bookworm", tree];
  const made = await run(command, { timeoutMs: 900_000 });
  assert.equal(made.status, 0, made.stderr);
  await run(["tar", "-C", tree, "--numeric-owner", "--one-file-system", "-cf", `${BASE_TAR}.new`, "."], {
    timeoutMs: 300_000,
  });
  await rename(`${BASE_TAR}.new`, BASE_TAR);
  await rm(tree, { recursive: true, force: true });
  return BASE_TAR;
}

/** Gives a network namespace a way out; returns what takes it away again. */
export async function openOutside(network: NetworkNamespace): Promise<() => Promise<void>> {
  const argv = ["slirp4netns", "--configure", "--disable-host-loopback", `${network.pid}`, OUTSIDE_LINK];
  const outside = new Live(argv, { timeoutMs: 3_600_000 });
  await outside.prints(OUTSIDE_LINK);
  return async () => {
    outside.kill("SIGTERM");
    await outside.ended;
  };
}
