// What is told of work on a project's resources while it goes on. Printers are beside this; what they print is Docker
// Compose's.

import { table } from "../../lib/table.ts";

export type ProgressStatus = "working" | "done" | "warning" | "error";

export interface ProgressEvent {
  /** The resource: `Container app-web-1`, `Network app_default`, `Image nginx`. */
  readonly id: string;
  readonly text: string;
  readonly status: ProgressStatus;
  readonly details?: string;
  /** The resource that this one is a part of: an image's layer. */
  readonly parent?: string;
  readonly current?: number;
  readonly total?: number;
}

export interface Progress {
  /** Work begins: `up`, `stop`, …; until `done` the printer owns the terminal. */
  start(operation: string): void;
  on(event: ProgressEvent): void;
  /** Runs what writes whole lines of something else to the terminal. */
  aside(write: () => void): void;
  done(): void;
}

/** Where progress is shown. */
export interface Terminal {
  readonly isDryRun: boolean;
  /** Containers' output follows, so their start is not shown on a terminal. */
  readonly isAttached: boolean;
  readonly size: () => { readonly columns: number; readonly rows: number };
  readonly write: (text: string) => void;
}

/** What stands in front of everything that is only pretended. */
export const DRY_RUN = "DRY-RUN MODE - ";

/** Shows nothing. */
export const quietProgress: Progress = { start() {}, on() {}, aside: (write) => write(), done() {} };

const endings: Readonly<Record<string, string>> = table({
  Creating: "Created",
  Recreating: "Recreated",
  Starting: "Started",
  Stopping: "Stopped",
  Removing: "Removed",
  Restarting: "Started",
  Killing: "Killed",
  Pausing: "Paused",
  Unpausing: "Unpaused",
  Pushing: "Pushed",
  Pulling: "Pulled",
  Building: "Built",
  Copying: "Copied",
  Exporting: "Exported",
});

/** Tells of an action on a resource from its beginning to its end, good or bad, and returns what it returns. */
export async function reported<T>(
  progress: Progress,
  id: string,
  text: keyof typeof endings,
  action: () => Promise<T>,
  about: Pick<ProgressEvent, "details"> = {},
): Promise<T> {
  progress.on({ id, text, status: "working", ...about });
  try {
    const result = await action();
    progress.on({ id, text: endings[text] as string, status: "done", ...about });
    return result;
  } catch (error) {
    progress.on({ id, text: "Error", status: "error", details: (error as Error).message });
    throw error;
  }
}
