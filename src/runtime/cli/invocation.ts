// What every command of the runtime's command line knows: the global options, where state is, where messages go.
// The contract between main.ts, which makes it, and commands/, which are loaded one at a time.

import { Fault, messageOf } from "../../lib/errors.ts";
import type { FlagTable, FlagValues } from "../../lib/flags/spec.ts";
import type { Logger } from "./logger.ts";

export interface Invocation {
  /** The name we were called by, as help and `--version` show it. */
  program: string;
  /** Absolute directory with one directory per container. */
  root: string;
  isRootGiven: boolean;
  /** Cgroups of new containers are made by systemd. */
  usesSystemd: boolean;
  /** `--rootless`, as it was said. */
  rootless: string;
  log: Logger;
}

/** One command. `Values` are its flags by long name. */
export interface Command<F extends FlagTable = FlagTable> {
  /** `<container-id> [signal]`, for help. */
  operands: string;
  flags: F;
  /** How many operands there may be. */
  least: number;
  most: number;
  /** False: what follows the first operand belongs to another program. */
  interspersed: boolean;
  /** Returns the exit code. Throws Fault or SysError, which main.ts reports. */
  run(call: Invocation, values: FlagValues<F>, operands: readonly string[]): number | Promise<number>;
}

/** Keeps the type of a command's own flags for its `run`. */
export function command<F extends FlagTable>(c: Command<F>): Command<F> {
  return c;
}

/** A failure that has an exit code of its own. */
export class ExitFault extends Fault {
  readonly exitCode: number;
  constructor(message: string, exitCode: number, cause: unknown) {
    super("system", message, { code: "runtime.exit", cause });
    this.exitCode = exitCode;
  }
}

/** Runs `body`; a failure of its gets words in front and an exit code. */
export async function failing<T>(prefix: string, exitCode: number, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    throw new ExitFault(`${prefix}: ${messageOf(error)}`, exitCode, error);
  }
}
