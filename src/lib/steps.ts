// Where the time of one operation goes: with BERTH_TIMES in the environment, client and daemon write one line to stderr for each operation that
// is followed (docs/benchmarks/run-breakdown.md), in milliseconds. Without it a step is a call of an empty function.

export interface Steps {
  /** Says that a step, which began when the one before it was done, is done. */
  done(step: string): void;
  /** Writes the line. */
  end(): void;
}

const OFF: Steps = { done: () => {}, end: () => {} };

/** Follows an operation from now on, or from the start of the process. */
export function followSteps(
  operation: string,
  { isFromStart = false, write = writeLine, isOn = process.env["BERTH_TIMES"] !== undefined } = {},
): Steps {
  if (!isOn) return OFF;
  const start = isFromStart ? 0 : performance.now();
  let last = start;
  const parts: string[] = [];
  return {
    done(step) {
      const now = performance.now();
      parts.push(`${step}=${(now - last).toFixed(2)}`);
      last = now;
    },
    end() {
      write(`times ${operation} total=${(performance.now() - start).toFixed(2)} ${parts.join(" ")}\n`);
    },
  };
}

function writeLine(line: string): void {
  process.stderr.write(line);
}
