// Tells readers that a log has changed: one watch on the container's directory for all of them.
import { type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";

// bun: fs.watch swallows an event that follows an equal one within about 2 ms; a second look finds what it was about.
const SECOND_LOOK_MS = 10;
/** How long a change may go unnoticed when the watch misses it. */
const RECHECK_MS = 250;

/** One reader's view of a log's changes. */
export class LogChanges implements Disposable {
  #count = 1;
  #wake = (): void => {};
  readonly #forget: () => void;

  constructor(forget: () => void) {
    this.#forget = forget;
  }

  /** From here on changes count. */
  reset(): void {
    this.#count = 0;
  }

  wake(): void {
    this.#count++;
    this.#wake();
  }

  /** Resolves when something has changed since `reset`, or after a while. */
  async next(recheckMs = RECHECK_MS): Promise<void> {
    if (this.#count > 0) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      timer = setTimeout(resolve, recheckMs);
    });
    clearTimeout(timer);
  }

  [Symbol.dispose](): void {
    this.#forget();
  }
}

interface Reader {
  readonly changes: LogChanges;
  /** Opens the files that have been added. */
  refresh(): Promise<void>;
}

class DirectoryWatch {
  readonly readers = new Set<Reader>();
  /** undefined where the kernel's limit on watches is reached: readers look again by themselves. */
  readonly #watcher: FSWatcher | undefined;
  #secondLook: NodeJS.Timeout | undefined;

  constructor(dir: string) {
    try {
      this.#watcher = watch(dir, (event) => this.#onChange(event));
      this.#watcher.on("error", () => {}); // ignored: as below
    } catch {
      // ignored: the directory is gone or there are no watches left, and readers look again by themselves
    }
  }

  #onChange(event: string): void {
    this.#tell(event === "rename");
    this.#secondLook ??= setTimeout(() => {
      this.#secondLook = undefined;
      this.#tell(true);
    }, SECOND_LOOK_MS);
  }

  #tell(isRotation: boolean): void {
    for (const reader of this.readers) {
      // A reader may be waiting for a slow client: its files are opened before they are rotated away.
      if (isRotation) reader.refresh().catch(() => {}); // ignored: the reader meets the same failure
      reader.changes.wake();
    }
  }

  close(): void {
    clearTimeout(this.#secondLook);
    this.#watcher?.close();
  }
}

/** The watches of all logs that somebody reads at this moment. */
export class LogWatches {
  readonly #dirs = new Map<string, DirectoryWatch>();

  /** Registers a reader of the log at `path`; disposing ends it. */
  watch(path: string, refresh: () => Promise<void>): LogChanges {
    const dir = dirname(path);
    const watched = this.#dirs.get(dir) ?? new DirectoryWatch(dir);
    this.#dirs.set(dir, watched);
    const changes = new LogChanges(() => {
      watched.readers.delete(reader);
      if (watched.readers.size > 0) return;
      watched.close();
      this.#dirs.delete(dir);
    });
    const reader = { changes, refresh };
    watched.readers.add(reader);
    return changes;
  }

  /** Resolves when every reader of this log has its files open, whatever their names will be. */
  async refresh(path: string): Promise<void> {
    const readers = this.#dirs.get(dirname(path))?.readers ?? [];
    await Promise.allSettled([...readers].map((reader) => reader.refresh()));
  }
}
