// What belongs to a failed test in bun's report: the lines between the end of the test before it and its own.

/** How much of one failure is shown: its reason is at its end. */
const MAX_LINES = 60;

const END = /^\((pass|fail|skip|todo)\) /;
/** Behind this line bun repeats the names of what failed. */
const SUMMARY = /^\d+ tests? (skipped|failed|todo):$/;
const FILE = /^\S+\.test\.ts:$/;

/** Takes the lines of a run of `bun test`; returns those of each failed test, at most 60 of each. */
export function failuresOf(lines: readonly string[]): string[][] {
  const failures: string[][] = [];
  let since: string[] = [];
  let file = "";
  for (const line of lines) {
    if (SUMMARY.test(line)) break;
    if (FILE.test(line)) {
      file = line;
      since = [];
      continue;
    }
    since.push(line);
    if (!END.test(line)) continue;
    if (line.startsWith("(fail)")) failures.push([file, ...since.slice(-MAX_LINES)]);
    since = [];
  }
  return failures;
}
