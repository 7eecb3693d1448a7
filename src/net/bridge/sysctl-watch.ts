// Notices when somebody else changes the sysctls of our bridges: the kernel tells nobody of them by netlink, but of files that
// are written, in /proc as elsewhere. Costs two descriptors a bridge, and nothing while nothing is written. What is written through
// another mount of /proc (a container's with the host's network) is not seen.

import { close, type FSWatcher, open, watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { messageOf } from "../../lib/errors.ts";
import type { Sysctl } from "./device.ts";

const ROOT = "/proc/sys";
/** A file is told to have changed when it is opened to be written anew, too, and what follows at once may not be told. */
const SETTLE_MS = 100;

export interface SysctlWatchOptions {
  /** Told of a sysctl that has another value now, in words. */
  onChange(what: string): void;
  log(line: string): void;
  /** Directory that the paths are relative to; tests have one of their own. */
  root?: string;
}

interface Watched {
  /** A device that is made anew under its name has other files. */
  readonly index: number;
  wanted: readonly Sysctl[];
  readonly directories: readonly WatchedDirectory[];
}

/** Watches the sysctls of devices. */
export class SysctlWatch {
  readonly #options: SysctlWatchOptions;
  readonly #devices = new Map<string, Watched>();

  constructor(options: SysctlWatchOptions) {
    this.#options = options;
  }

  /** From now on the device's sysctls are to have these values. */
  watch(device: string, index: number, wanted: readonly Sysctl[]): void {
    const known = this.#devices.get(device);
    if (known?.index === index) {
      known.wanted = wanted;
      return;
    }
    this.forget(device);
    const { root = ROOT } = this.#options;
    const paths = new Set(wanted.map(({ path }) => dirname(path)));
    const directories = [...paths].map(
      (path) =>
        new WatchedDirectory(
          `${root}/${path}`,
          (name) => setTimeout(() => void this.#look(device, `${path}/${name}`), SETTLE_MS).unref(),
          (problem) => this.#options.log(`sysctls of ${device} are not watched: ${problem}`),
        ),
    );
    this.#devices.set(device, { index, wanted, directories });
  }

  forget(device: string): void {
    for (const directory of this.#devices.get(device)?.directories ?? []) directory.close();
    this.#devices.delete(device);
  }

  close(): void {
    for (const device of [...this.#devices.keys()]) this.forget(device);
  }

  /** We write them, too: only another value is a change. */
  async #look(device: string, path: string): Promise<void> {
    const { root = ROOT } = this.#options;
    const wanted = this.#devices.get(device)?.wanted.find((sysctl) => sysctl.path === path);
    if (wanted === undefined) return;
    const value = await readFile(`${root}/${path}`, "utf8").catch(() => undefined); // ignored: the device has gone
    if (value !== undefined && value.trim() !== wanted.value)
      this.#options.onChange(`${path.replaceAll("/", ".")} was set to ${value.trim()}`);
  }
}

/** Tells of files that are written in a directory of /proc. */
class WatchedDirectory {
  readonly #watcher: FSWatcher | undefined;
  #fd: number | undefined;
  #isClosed = false;

  constructor(path: string, onWrite: (name: string) => void, onProblem: (problem: string) => void) {
    try {
      this.#watcher = watch(path, { persistent: false }, (_, name) => {
        if (name !== null) onWrite(basename(name));
      });
      this.#watcher.on("error", (error) => onProblem(messageOf(error)));
    } catch (error) {
      onProblem(messageOf(error));
    }
    // What nobody has open the kernel may make anew, and the watch would be over what was there before.
    open(path, "r", (_, fd) => {
      if (fd === undefined) return;
      if (this.#isClosed) close(fd);
      else this.#fd = fd;
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#watcher?.close();
    if (this.#fd !== undefined) close(this.#fd);
  }
}
