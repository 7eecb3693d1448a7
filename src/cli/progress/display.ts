// Finds out what the descriptor is and prints a progress stream on it.

import type { ProgressLine } from "../../api/schemas/progress.ts";
import { isTerminal } from "../terminal/tty.ts";
import { type DisplayOptions, displayLines } from "./json-lines.ts";

/** Prints the stream on stdout or stderr, redrawing lines where that is a terminal. Throws a Fault for its errors. */
export async function displayOn(
  fd: 1 | 2,
  lines: AsyncIterable<ProgressLine>,
  options: Pick<DisplayOptions, "isQuiet" | "onAux" | "write"> = {},
): Promise<void> {
  const isTty = isTerminal(fd);
  const columns = isTty ? { columns: (fd === 1 ? process.stdout : process.stderr).columns || 200 } : {};
  await displayLines(lines, { ...options, ...columns, fd, isTerminal: isTty });
}
