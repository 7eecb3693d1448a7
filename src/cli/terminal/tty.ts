// Facts about the terminal: is there one, how large is it. node:tty is loaded only where nothing else tells.

import { fstatSync, type Stats } from "node:fs";

/** Device majors (Linux, admin-guide/devices.txt) that tell without node:tty, whose loading takes longer than most commands. */
const MEMORY_DEVICES = 1;
const PTY_SLAVES = { first: 136, last: 143 };

/** Tells whether the descriptor is a terminal. */
export async function isTerminal(fd: 0 | 1 | 2): Promise<boolean> {
  const stat = statOf(fd);
  if (stat?.isCharacterDevice() !== true) return false;
  const major = (stat.rdev >>> 8) & 0xfff;
  if (major === MEMORY_DEVICES) return false;
  if (major >= PTY_SLAVES.first && major <= PTY_SLAVES.last) return true;
  const { isatty } = await import("node:tty");
  return isatty(fd);
}

function statOf(fd: number): Stats | undefined {
  try {
    return fstatSync(fd);
  } catch {
    return undefined; // ignored: a closed descriptor is no terminal
  }
}

export interface TerminalSize {
  readonly height: number;
  readonly width: number;
}

/** Returns the size of the terminal on stdout, zeros when it is none. */
export async function terminalSize(): Promise<TerminalSize> {
  if (!(await isTerminal(1))) return { height: 0, width: 0 };
  const [width, height] = process.stdout.getWindowSize();
  return { height, width };
}
