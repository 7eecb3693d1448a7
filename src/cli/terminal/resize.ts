// Keeps the size of a container's terminal equal to ours: once at the start, then whenever ours changes.

import { terminalSize } from "./tty.ts";

/** Tells the daemon a size; rejects when the process has no terminal yet. */
export type Resize = (size: { readonly height: number; readonly width: number }) => Promise<unknown>;

const attempts = 10;

/** Sends the size now and on every SIGWINCH; returns what stops it. */
export async function followTerminalSize(resize: Resize): Promise<() => void> {
  const send = async (): Promise<void> => {
    const size = terminalSize();
    if (size.height > 0 && size.width > 0) await resize(size);
  };
  void sendUntilTaken(send);
  const onChange = (): void => {
    send().catch(() => {
      // ignored: the process may have ended meanwhile
    });
  };
  process.on("SIGWINCH", onChange);
  return () => process.off("SIGWINCH", onChange);
}

/** The process may not have its terminal yet: try again for about half a second. */
async function sendUntilTaken(send: () => Promise<void>): Promise<void> {
  for (let attempt = 0; attempt <= attempts; attempt++) {
    try {
      return await send();
    } catch {
      // ignored: the default size serves until the next change
      await new Promise((resolve) => {
        setTimeout(resolve, (attempt + 1) * 10).unref();
      });
    }
  }
}
