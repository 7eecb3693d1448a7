// What a verb is to the program: its flags, how many operands it takes, and what it does. One verb per file in
// commands/<noun>/<verb>.ts exports one of these as `command`; commands/table.ts says under which names.

import { Fault } from "../lib/errors.ts";
import type { FlagTable, FlagValues } from "../lib/flags/spec.ts";
import type { Session } from "./session.ts";

/** How many operands a command takes; both bounds inclusive. */
export interface Arity {
  readonly min: number;
  readonly max: number;
}

export const noArgs: Arity = { min: 0, max: 0 };
export const anyArgs: Arity = { min: 0, max: Number.POSITIVE_INFINITY };
export const atLeast = (min: number): Arity => ({ min, max: Number.POSITIVE_INFINITY });
export const atMost = (max: number): Arity => ({ min: 0, max });
export const exactly = (count: number): Arity => ({ min: count, max: count });

export interface Invocation<F extends FlagTable> {
  readonly flags: FlagValues<F>;
  /** Long names of the flags that were given. */
  readonly given: ReadonlySet<string>;
  readonly args: readonly string[];
  /** The command as the user named it, such as `berth container ls`. */
  readonly path: string;
}

export interface Command<F extends FlagTable = FlagTable, S = Session> {
  /** What follows the command's name in usage lines: `[OPTIONS] CONTAINER`. */
  readonly operands: string;
  /** More than the one line of the table, for the help page. */
  readonly description?: string;
  readonly arity: Arity;
  readonly flags: F;
  /** False when flags after the first operand belong to another program. */
  readonly interspersed?: boolean;
  /** True when nothing of the arguments is parsed: they all are operands. */
  readonly isRaw?: boolean;
  /** Runs; resolves with the exit code (0 when nothing). Throws Faults. */
  run(session: S, invocation: Invocation<F>): Promise<number | undefined | void>;
}

/** Declares a command; the types of its flags are kept. */
export function defineCommand<F extends FlagTable>(command: Command<F>): Command<F> {
  return command;
}

/** Checks the number of operands. Throws a Fault with Docker's text. */
export function checkArity(arity: Arity, count: number, path: string, operands: string): void {
  if (count >= arity.min && count <= arity.max) return;
  const program = path.split(" ", 1)[0] ?? path;
  const { text, hint } = arityText(arity);
  const usage = operands === "" ? path : `${path} ${usageLines(operands, path)}`;
  throw new Fault(
    "invalidParameter",
    `${program}: '${path}' ${text}\n\nUsage:  ${usage}\n\n${hint} '${path} --help' for more information`,
    { code: "cli.usage" },
  );
}

function arityText({ min, max }: Arity): { text: string; hint: string } {
  const plural = (count: number): string => (count === 1 ? "argument" : "arguments");
  if (max === 0) return { text: "accepts no arguments", hint: "Run" };
  if (min === max) return { text: `requires ${min} ${plural(min)}`, hint: "Run" };
  if (max === Number.POSITIVE_INFINITY)
    return { text: `requires at least ${min} ${plural(min)}`, hint: "See" };
  // compat: the misspelt hint is Docker's.
  if (min === 0) return { text: `requires at most ${max} ${plural(max)}`, hint: "SRun" };
  return { text: `requires at least ${min} and at most ${max} ${plural(max)}`, hint: "Run" };
}

/** Returns the operands with the command's name put in front of every further usage line. */
export function usageLines(operands: string, path: string): string {
  return operands.replaceAll("\n", `\n\t${path} `);
}
