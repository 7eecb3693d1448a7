// A tiny matching machine: instructions that test one character, split, or jump. All threads advance together, so
// that the time is at most program length times text length; there is no backtracking to attack.

type Test = (character: string) => boolean;
type Instruction =
  | { kind: "test"; test: Test }
  | { kind: "split"; to: number }
  | { kind: "jump"; to: number };

/** A finished program; running off its end is a match. */
export type Program = readonly Instruction[];

/** Writes programs front to back. */
export class ProgramBuilder {
  private readonly code: Instruction[] = [];

  /** Exactly one character that passes the test. */
  one(test: Test): void {
    this.code.push({ kind: "test", test });
  }

  /** Any number of characters that pass the test. */
  star(test: Test): void {
    const start = this.code.length;
    this.code.push({ kind: "split", to: start + 3 }, { kind: "test", test }, { kind: "jump", to: start });
  }

  /** Nothing, or anything that ends in `/`: what `**` with its slash means in the middle of a pattern. */
  optionalDirectories(): void {
    const start = this.code.length;
    this.code.push({ kind: "split", to: start + 5 });
    this.star(isNotNewline);
    this.one((c) => c === "/");
  }

  finish(): Program {
    return this.code;
  }
}

/** What `.` means in Go's regular expressions, which Docker turns its patterns into. */
export const isNotNewline = (c: string): boolean => c !== "\n";

function addThread(program: Program, at: number, set: Set<number>): void {
  const pending = [at];
  while (pending.length > 0) {
    const i = pending.pop() as number;
    if (set.has(i)) continue;
    set.add(i);
    const instruction = program[i];
    if (instruction?.kind === "jump") pending.push(instruction.to);
    else if (instruction?.kind === "split") pending.push(i + 1, instruction.to);
  }
}

/** Tells whether the program matches the whole text. */
export function runProgram(program: Program, text: string): boolean {
  let threads = new Set<number>();
  addThread(program, 0, threads);
  for (const c of text) {
    const next = new Set<number>();
    for (const i of threads) {
      const instruction = program[i];
      if (instruction?.kind === "test" && instruction.test(c)) addThread(program, i + 1, next);
    }
    if (next.size === 0) return false;
    threads = next;
  }
  return threads.has(program.length);
}

/**
 * Returns where matches that start at `from` can end, shortest and longest, or undefined when there is none.
 * `spend` is called once per step so that a caller can bound repeated use.
 */
export function findMatchEnds(
  program: Program,
  chars: readonly string[],
  from: number,
  spend: () => void,
): { shortest: number; longest: number } | undefined {
  let found: { shortest: number; longest: number } | undefined;
  let threads = new Set<number>();
  addThread(program, 0, threads);
  for (let i = from; threads.size > 0; i++) {
    if (threads.has(program.length)) found = { shortest: found?.shortest ?? i, longest: i };
    const c = chars[i];
    if (c === undefined) break;
    const next = new Set<number>();
    for (const at of threads) {
      spend();
      const instruction = program[at];
      if (instruction?.kind === "test" && instruction.test(c)) addThread(program, at + 1, next);
    }
    threads = next;
  }
  return found;
}
