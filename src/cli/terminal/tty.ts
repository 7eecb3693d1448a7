// Facts about the terminal: is there one, how large is it.

import { isatty } from "../../lib/libc.ts";

/** Tells whether the descriptor is a terminal. */
export const isTerminal = (fd: 0 | 1 | 2): boolean => isatty(fd);

export interface TerminalSize {
  readonly height: number;
  readonly width: number;
}

/** Returns the size of the terminal on stdout, zeros when it is none. */
export function terminalSize(): TerminalSize {
  if (!isTerminal(1)) return { height: 0, width: 0 };
  const [width, height] = process.stdout.getWindowSize();
  return { height, width };
}
