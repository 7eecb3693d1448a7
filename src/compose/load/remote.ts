// Compose files that lie elsewhere: in registries (artifact.ts), and in git repositories, `https://host/repository.git#ref:directory` and
// the other forms that a build context may have. A commit is checked out once into the user's cache; a branch is asked for anew every time.

import { existsSync, realpathSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join, sep } from "node:path";
import { Fault } from "../../lib/errors.ts";
import { checkOut, safeEnvironment } from "../../lib/git/checkout.ts";
import { type GitRef, isGitContext, parseGitRef } from "../../lib/git/git-ref.ts";
import { cacheDir } from "../../lib/user-dirs.ts";
import { ARTIFACT_PREFIX, type ArtifactRegistry, fetchArtifact } from "./artifact.ts";

/** What a project's file is called, the best first. */
export const defaults = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];

/** Whether a text names no file here. */
export function isRemote(text: string): boolean {
  return /^(?:https?|oci):\/\//.test(text) || isGitContext(text);
}

/** Brings a remote file here and returns its path, its neighbours beside it. Throws a Fault when that cannot be done. */
export async function fetchRemote(text: string, artifacts: ArtifactRegistry): Promise<string> {
  if (text.startsWith(ARTIFACT_PREFIX)) return fetchArtifact(text, artifacts, cacheOfCompose());
  const ref = parseGitRef(text);
  const root = await workingTree(ref);
  const path = join(root, ref.subdir);
  const [inside, base] = [realPath(path), realpathSync(root)];
  if (inside === undefined || (inside !== base && !inside.startsWith(base + sep)))
    throw failure(`${text}: there is no ${ref.subdir} in the repository`);
  if (!statSync(inside).isDirectory()) return inside;
  const file = defaults.map((name) => join(inside, name)).find((candidate) => existsSync(candidate));
  if (file === undefined) throw failure(`${text}: there is no ${defaults.join(", ")}`);
  return file;
}

const cacheOfCompose = (): string => join(cacheDir(), "berth/compose");

/** Returns the directory of the commit; it is what the repository says now unless a whole commit is named. */
async function workingTree(ref: GitRef): Promise<string> {
  const cache = cacheOfCompose();
  const named = [ref.ref, ref.checksum].find((name) => /^[0-9a-f]{40}$/.test(name));
  if (named !== undefined && existsSync(join(cache, named))) return join(cache, named);
  await mkdir(cache, { recursive: true, mode: 0o700 });
  const scratch = await mkdtemp(join(cache, "new-"));
  try {
    const fresh = join(scratch, "tree");
    const commit = await checkOut(ref, fresh, {
      environment: environment(),
      signal: new AbortController().signal,
    });
    const kept = join(cache, commit);
    // Another command may have brought the same commit meanwhile.
    if (!existsSync(kept))
      await rename(fresh, kept).catch((error: unknown) => existsSync(kept) || Promise.reject(error));
    return kept;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** The user's own configuration and keys count, as with Docker Compose; nobody is asked for a password. */
function environment(): Record<string, string | undefined> {
  return { GIT_SSH_COMMAND: "ssh -o BatchMode=yes", ...process.env, ...safeEnvironment };
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined; // ignored: what is not there has no path
  }
}

function failure(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "compose.remote" });
}
