// The directory of what lives only while the daemon or its containers do: keel, sockets, places to mount at.
import { existsSync } from "node:fs";
import { mkdir, readdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";

export class ExecRoot implements AsyncDisposable {
  readonly dir: string;
  /** false: what is in it is still used when the daemon ends, and stays. */
  isUnused = true;

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async open(dir: string): Promise<ExecRoot> {
    for (const name of ["c", "root", "stage"]) await mkdir(join(dir, name), { recursive: true, mode: 0o700 });
    return new ExecRoot(dir);
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  /** Removes what dead shims have left, of containers or of plugins; only where none of them runs, for it is nobody's then. */
  async removeStates(of: "containers" | "plugins"): Promise<void> {
    for (const name of of === "containers" ? ["c"] : ["p", "plugins"])
      await rm(this.path(name), { recursive: true, force: true });
  }

  /** Removes what the daemon keeps in it, and the directory itself, unless a container or a plugin runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isUnused) return;
    for (const runs of [this.path("c"), this.path("p")])
      if (existsSync(runs) && !(await removeEmpty(runs))) return;
    const ours = (await readdir(this.dir)).filter(
      (name) => name === "agent.sock" || /^keel-[0-9a-z]{8,}$/.test(name),
    );
    for (const name of ours) await rm(this.path(name), { force: true });
    for (const name of ["root", "stage", "steps", "plugins"]) await removeEmpty(this.path(name));
    await removeEmpty(this.dir);
  }
}

/** Makes a directory for files that do not outlive the daemon; what a killed one has left in it goes. */
export async function makeEmpty(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true, mode: 0o700 });
}

async function removeEmpty(dir: string): Promise<boolean> {
  try {
    await rmdir(dir);
    return true;
  } catch {
    return false; // ignored: it is still in use
  }
}
