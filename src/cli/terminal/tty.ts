// Facts about the terminal: is there one, how large is it. node:tty is loaded on first use only.

/** Tells whether the descriptor is a terminal. */
export async function isTerminal(fd: 0 | 1 | 2): Promise<boolean> {
  const { isatty } = await import("node:tty");
  return isatty(fd);
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
