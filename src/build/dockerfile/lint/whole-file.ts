// What is seen without knowing any value: the words of the instructions, and the names of the stages.

import type { FromInstruction, Instruction } from "../instructions.ts";
import type { Stage } from "../stages.ts";
import { isLower, isUpper, keywordOf, type LintReport } from "./report.ts";

const RESERVED = new Set(["scratch", "context"]);

/** A comment above what has a name describes it, beginning with the name. */
function checkDescription(names: readonly string[], i: Instruction, report: LintReport): void {
  const comment = i.comments?.at(-1);
  if (comment === undefined || names.length === 0 || names.includes(comment.split(" ", 1)[0] as string))
    return;
  const name = names.length > 1 ? "<arg_key>" : names[0];
  report.addTo(
    "InvalidDefinitionDescription",
    `Comment for ${i.kind.toUpperCase()} should follow the format: \`# ${name} <description>\``,
    i,
  );
}

function checkFromWords(i: FromInstruction, report: LintReport): void {
  if (i.name === "") return;
  const words = i.text.trim().split(/\s+/);
  const [from = "", as = "", name = ""] = [words[0], words.at(-2), words.at(-1)];
  if (!isLower(name)) report.addTo("StageNameCasing", `Stage name '${name}' should be lowercase`, i);
  // A FROM of mixed case is told of by itself.
  if ((isLower(from) && !isLower(as)) || (isUpper(from) && !isUpper(as)))
    report.addTo("FromAsCasing", `'${as}' and '${from}' keywords' casing do not match`, i);
  checkDescription([i.name], i, report);
}

/** Looks at each instruction by itself. */
export function checkInstructions(instructions: readonly Instruction[], report: LintReport): void {
  // compat: it is told of the instruction's last line.
  for (const { hasEmptyContinuation, lines } of instructions)
    if (hasEmptyContinuation === true)
      report.add("NoEmptyContinuation", "Empty continuation line", {
        lines: { start: lines.end, end: lines.end },
      });
  for (const i of instructions) {
    if (i.kind === "maintainer")
      report.addTo("MaintainerDeprecated", "Maintainer instruction is deprecated in favor of using label", i);
    else if (i.kind === "from") checkFromWords(i, report);
    else if (i.kind === "arg")
      checkDescription(
        i.args.map(({ name }) => name),
        i,
        report,
      );
  }
}

/** Looks at the names of the stages. */
export function checkStageNames(stages: readonly Stage[], report: LintReport): void {
  const seen = new Set<string>();
  for (const { from } of stages) {
    const { name } = from;
    if (name === "") continue;
    if (RESERVED.has(name))
      report.add(
        "ReservedStageName",
        `Stage name should not use the same name as reserved stage ${JSON.stringify(name)}`,
        from,
      );
    if (seen.has(name))
      report.add(
        "DuplicateStageName",
        `Duplicate stage name ${JSON.stringify(name)}, stage names should be unique`,
        from,
      );
    seen.add(name);
  }
}

/** Looks at the case of the stages' keywords: they are all to be of one. */
export function checkCasing(stages: readonly Stage[], report: LintReport): void {
  const all = stages.flatMap(({ from, instructions }) => [from, ...instructions]);
  const words = all.map(keywordOf);
  const isLowerWanted = words.filter(isLower).length > words.filter(isUpper).length;
  for (const i of all) {
    const word = keywordOf(i);
    if (isLowerWanted ? isLower(word) : isUpper(word)) continue;
    const wanted = isLowerWanted ? "lowercase" : "uppercase";
    report.add(
      "ConsistentInstructionCasing",
      `Command '${word}' should match the case of the command majority (${wanted})`,
      i,
    );
  }
}
