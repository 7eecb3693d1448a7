// Checks a commit of a git repository out with git(1), as Docker does: only over https, http, ssh and git, since a repository must not
// be able to name a file of this host, and without prompts.

import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { promisify } from "node:util";
import { Fault } from "../errors.ts";
import { table } from "../table.ts";
import type { GitRef } from "./git-ref.ts";

const run = promisify(execFile);
const MAX_OUTPUT_BYTES = 1 << 20;

export interface CheckOutOptions {
  /** Variables that git runs with: those of safeEnvironment and whose configuration is to count. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** What keeps git from asking and from other protocols. */
export const safeEnvironment: Readonly<Record<string, string>> = table({
  GIT_TERMINAL_PROMPT: "0",
  GIT_ALLOW_PROTOCOL: "https:http:ssh:git",
  LC_ALL: "C",
});

async function git(
  args: readonly string[],
  cwd: string,
  { environment, signal }: CheckOutOptions,
): Promise<string> {
  try {
    const { stdout } = await run("git", [...args], {
      cwd,
      signal,
      env: environment,
      maxBuffer: MAX_OUTPUT_BYTES,
    });
    return stdout.trim();
  } catch (cause) {
    signal.throwIfAborted();
    const { stderr = "", message } = cause as { stderr?: string; message: string };
    const isMissing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    const why = isMissing ? "git is not installed here" : stderr.trim() || message;
    throw new Fault("invalidParameter", `git ${args[0]}: ${why}`, { code: "git", cause });
  }
}

/** Brings the wanted commit into the repository at `cwd` and returns its name. */
async function fetchCommit(ref: GitRef, cwd: string, options: CheckOutOptions): Promise<string> {
  const wanted = ref.ref || (ref.checksum.length === 40 ? ref.checksum : "HEAD");
  try {
    await git(["fetch", "--quiet", "--depth", "1", "--no-tags", "origin", wanted], cwd, options);
    return await git(["rev-parse", "FETCH_HEAD^{commit}"], cwd, options);
  } catch (error) {
    if (!(error instanceof Fault) || wanted === "HEAD") throw error;
    // A server may not give a commit by its name, and a short name means nothing to it.
    await git(["fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"], cwd, options);
    for (const name of [wanted, `origin/${wanted}`]) {
      const found = await git(["rev-parse", "--verify", "--quiet", `${name}^{commit}`], cwd, options).catch(
        () => "", // ignored: the next name is tried
      );
      if (found !== "") return found;
    }
    throw error;
  }
}

/** Makes `directory` and checks a repository's commit out into it; returns the commit's name. Throws Fault `git`. */
export async function checkOut(ref: GitRef, directory: string, options: CheckOutOptions): Promise<string> {
  await mkdir(directory, { mode: 0o700 });
  await git(["init", "--quiet", "."], directory, options);
  await git(["remote", "add", "origin", "--", ref.remote], directory, options);
  const commit = await fetchCommit(ref, directory, options);
  if (!commit.startsWith(ref.checksum))
    throw new Fault("invalidParameter", `expected checksum to match ${ref.checksum}, got ${commit}`, {
      code: "git",
    });
  await git(["checkout", "--quiet", "--detach", commit], directory, options);
  if (ref.hasSubmodules)
    await git(["submodule", "update", "--quiet", "--init", "--recursive", "--depth=1"], directory, options);
  return commit;
}
