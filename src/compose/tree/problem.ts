// What is wrong with a Compose file: collected while it is read, so that all of it is said at once, each with its place.

import { relative } from "node:path";
import { Fault } from "../../lib/errors.ts";
import type { Position } from "./node.ts";

export interface Problem {
  readonly at: Position;
  /** Path of the attribute, such as `services.web.ports.0`; empty for the file itself. */
  readonly path: string;
  readonly message: string;
}

/** Prints a position as `file:line:column`, the file relative to where the user is when it is below. */
export function showPosition({ file, line, column }: Position): string {
  return `${showFile(file)}:${line}:${column}`;
}

/** Prints a file's path, relative to the working directory when it is below. */
export function showFile(file: string): string {
  if (file === "-") return "<stdin>";
  const near = relative(process.cwd(), file);
  return near === "" || near.startsWith("..") ? file : near;
}

/** Makes the failure that shows these problems, one a line, in the order of their places. */
export function invalidFile(problems: readonly Problem[]): Fault {
  const order = (a: Problem, b: Problem): number =>
    a.at.file === b.at.file ? a.at.line - b.at.line || a.at.column - b.at.column : 0;
  const lines = problems
    .toSorted(order)
    .map(({ at, path, message }) => `${showPosition(at)}: ${path === "" ? "" : `${path}: `}${message}`);
  return new Fault("invalidParameter", [...new Set(lines)].join("\n"), { code: "compose.invalid" });
}

/** Makes the failure of one problem. */
export function invalidAt(at: Position, path: string, message: string): Fault {
  return invalidFile([{ at, path, message }]);
}
