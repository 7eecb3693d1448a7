// Commands on several objects: all are tried, each success is printed, the failures are told together at the end.

import { describeFailure, exitWith } from "./failure.ts";
import { print, printError } from "./output.ts";

export interface EachOptions {
  /** Runs up to fifty at a time; results are still printed in the order of the operands. */
  readonly isParallel?: boolean;
  /** Tells failures that are only mentioned and do not count. */
  readonly isHarmless?: (error: unknown) => boolean;
  /** Prints nothing for successes; the operation does. */
  readonly isSilent?: boolean;
}

const parallel = 50;

/** Runs the operation on every operand. Throws a Fault with all failures, one a line. */
export async function runEach(
  operands: readonly string[],
  operation: (operand: string) => Promise<unknown>,
  options: EachOptions = {},
): Promise<void> {
  const failures: string[] = [];
  const started: Promise<{ error?: unknown }>[] = [];
  const start = (operand: string) =>
    operation(operand).then(
      () => ({}),
      (error: unknown) => ({ error }),
    );
  for (const [index, operand] of operands.entries()) {
    if (options.isParallel === true) {
      for (let next = started.length; next < Math.min(index + parallel, operands.length); next++) {
        started.push(start(operands[next] ?? ""));
      }
    } else started.push(start(operand));
    const result = await (started[index] ?? Promise.resolve({}));
    if (!("error" in result)) {
      if (options.isSilent !== true) print(`${operand}\n`);
    } else if (options.isHarmless?.(result.error) === true) printError(`${describeFailure(result.error)}\n`);
    else failures.push(describeFailure(result.error));
  }
  if (failures.length > 0) throw exitWith(1, failures.join("\n"));
}
