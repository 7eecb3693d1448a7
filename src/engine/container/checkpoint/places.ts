// Where checkpoints are: a directory of criu's images each, below the container's own directory or one that the caller names.
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { Fault } from "../../../lib/errors.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*[a-zA-Z0-9_-]$/;
const MAX_NAME = 255;

/** A container, as its user calls it, and the directory of its checkpoints. */
export interface CheckpointOwner {
  readonly name: string;
  readonly dir: string;
}

/** Checks a checkpoint's name. Throws Fault invalidParameter. */
export function checkCheckpointName(name: string): void {
  if (!NAME.test(name) || name.length > MAX_NAME)
    throw new Fault(
      "invalidParameter",
      `invalid checkpoint ID ${JSON.stringify(name)}, only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
      { code: "checkpoint.name" },
    );
}

/** Returns the directory of checkpoints; `custom` is the caller's, "" for none. Throws Fault invalidParameter for a relative one. */
export function checkpointRoot({ dir }: CheckpointOwner, custom: string): string {
  if (custom !== "" && !isAbsolute(custom))
    throw new Fault("invalidParameter", `the checkpoint directory ${custom} has to be an absolute path`, {
      code: "checkpoint.dir",
    });
  return custom || dir;
}

/** Makes the directory of a new checkpoint and returns it. Throws Fault system when there is one. */
export async function makeCheckpointDir(
  owner: CheckpointOwner,
  custom: string,
  name: string,
): Promise<string> {
  checkCheckpointName(name);
  const root = checkpointRoot(owner, custom);
  const dir = join(root, name);
  await mkdir(root, { recursive: true, mode: 0o700 });
  try {
    await mkdir(dir, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    // compat: an error of the daemon's.
    throw new Fault(
      "system",
      (await isDirectory(dir))
        ? `cannot checkpoint container ${owner.name}: checkpoint with name ${name} already exists for container ${owner.name}`
        : `${dir} exists and is not a directory`,
      { code: "checkpoint.exists", cause: error },
    );
  }
  return dir;
}

/** Returns the directory of a checkpoint. Throws Fault system when there is none. */
export async function findCheckpointDir(
  owner: CheckpointOwner,
  custom: string,
  name: string,
): Promise<string> {
  checkCheckpointName(name);
  const dir = join(checkpointRoot(owner, custom), name);
  const is = await isDirectory(dir);
  if (is) return dir;
  throw new Fault(
    "system",
    is === undefined
      ? `checkpoint ${name} does not exist for container ${owner.name}`
      : `${dir} exists and is not a directory`,
    { code: "checkpoint.not-found" },
  );
}

/** Returns the names of a container's checkpoints. Throws Fault notFound when a custom directory is not there. */
export async function listCheckpoints(owner: CheckpointOwner, custom: string): Promise<string[]> {
  const root = checkpointRoot(owner, custom);
  try {
    const entries = await readdir(root, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" && custom === "") return [];
    const what = `checkpoint directory ${JSON.stringify(root)}`;
    if (code === "ENOENT")
      throw new Fault("notFound", `${what} does not exist for container ${owner.name}`, {
        code: "checkpoint.not-found",
        cause: error,
      });
    if (code === "ENOTDIR")
      throw new Fault("invalidParameter", `${what} exists but is not a directory`, {
        code: "checkpoint.dir",
        cause: error,
      });
    throw error;
  }
}

/** Removes a checkpoint. Throws Fault system when there is none. */
export async function removeCheckpoint(owner: CheckpointOwner, custom: string, name: string): Promise<void> {
  await rm(await findCheckpointDir(owner, custom, name), { recursive: true });
}

async function isDirectory(path: string): Promise<boolean | undefined> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}
