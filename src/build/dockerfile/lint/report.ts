// The findings of one Dockerfile, in the order in which they are made, which is BuildKit's.

import type { Instruction } from "../instructions.ts";
import { configUnder, isWanted, type LintConfig } from "./config.ts";
import { findingOf, type LintFinding, type RuleName } from "./rules.ts";

type Place = Pick<Instruction, "lines">;

export class LintReport {
  readonly findings: LintFinding[];
  readonly #config: LintConfig;

  constructor(config: LintConfig, findings: LintFinding[] = []) {
    this.findings = findings;
    this.#config = config;
  }

  /** Notes what the whole file is to be told. */
  add(rule: RuleName, message: string, { lines }: Place): void {
    if (isWanted(rule, this.#config)) this.findings.push(findingOf(rule, message, lines));
  }

  /** Notes what an instruction is to be told, unless a comment above it says otherwise. */
  addTo(rule: RuleName, message: string, i: Instruction): void {
    if (isWanted(rule, configUnder(this.#config, i.comments)))
      this.findings.push(findingOf(rule, message, i.lines));
  }
}

/** The word that an instruction begins with, as it is written. */
export const keywordOf = (i: Instruction): string => /^\s*(\S+)/.exec(i.text)?.[1] ?? "";
export const isUpper = (word: string): boolean => word === word.toUpperCase();
export const isLower = (word: string): boolean => word === word.toLowerCase();
