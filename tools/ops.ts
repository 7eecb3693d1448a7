// Writes native/ops.h, keel's opcodes, from OPCODES in src/linux/ops.ts, so that the two languages cannot differ.
// `bun tools/ops.ts` writes it, `--check` only compares and exits 1 when it is out of date.

import { readFileSync, writeFileSync } from "node:fs";
import { OPCODES } from "../src/linux/ops.ts";

const HEADER = new URL("../native/ops.h", import.meta.url);

/** Returns the text of ops.h: one `OP_` constant per opcode and a function from opcode to its name. */
export function renderOps(opcodes: Readonly<Record<string, number>>): string {
  const entries = Object.entries(opcodes);
  const seen = new Set<number>();
  for (const [name, code] of entries) {
    if (!Number.isInteger(code) || code <= 0 || code > 0xffff || seen.has(code))
      throw new Error(`opcode of ${name} is not a small number of its own: ${code}`);
    seen.add(code);
  }
  const constant = (name: string) => `OP_${name.replace(/[A-Z]/g, (c) => `_${c}`).toUpperCase()}`;
  return `// Written by tools/ops.ts from src/linux/ops.ts: change it there.
#ifndef KEEL_OPS_H
#define KEEL_OPS_H

enum opcode {
${entries.map(([name, code]) => `\t${constant(name)} = ${code},`).join("\n")}
};

// Returns the operation's name in ops.ts, or "unknown".
static inline const char *op_name(long long code)
{
	switch (code) {
${entries.map(([name]) => `\tcase ${constant(name)}: return "${name}";`).join("\n")}
	default: return "unknown";
	}
}

#endif
`;
}

function main(args: readonly string[]): number {
  const wanted = renderOps(OPCODES);
  let found = "";
  try {
    found = readFileSync(HEADER, "utf8");
  } catch {
    // ignored: a missing header is written, or reported below
  }
  if (args.includes("--check")) {
    console.log(
      `native/ops.h: ${Object.keys(OPCODES).length} operations, ${found === wanted ? "up to date" : "out of date"}`,
    );
    return found === wanted ? 0 : 1;
  }
  writeFileSync(HEADER, wanted); // also when equal: make looks at the time
  return 0;
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2));
