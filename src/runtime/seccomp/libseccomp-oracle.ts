// Test support: what libseccomp makes of the same rules. Builds a small C program once per process where gcc and
// libseccomp's headers are installed; elsewhere the tests that need it are skipped.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fault } from "../../lib/errors.ts";
import type { OciSeccomp } from "../spec/oci.ts";
import { table } from "../../lib/table.ts";

const SOURCE = `
#include <errno.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* stdin: "default ACTION", "arch NAME", "rule ACTION SYSCALL COUNT (INDEX OP A B)..."; stdout: the BPF program; stderr: unknown names */
int main(void)
{
	char line[8192], name[200];
	scmp_filter_ctx ctx = NULL;
	while (fgets(line, sizeof line, stdin)) {
		unsigned action, count;
		int used = 0;
		if (sscanf(line, "default %u", &action) == 1) {
			ctx = seccomp_init(action);
			continue;
		}
		if (sscanf(line, "arch %199s", name) == 1) {
			int rc = seccomp_arch_add(ctx, seccomp_arch_resolve_name(name));
			if (rc && rc != -EEXIST)
				return 2;
			continue;
		}
		if (sscanf(line, "rule %u %199s %u%n", &action, name, &count, &used) != 3)
			return 3;
		int nr = seccomp_syscall_resolve_name(name);
		if (nr == __NR_SCMP_ERROR) {
			fprintf(stderr, "%s\\n", name);
			continue;
		}
		struct scmp_arg_cmp args[6];
		for (unsigned i = 0; i < count; i++) {
			unsigned index, op;
			uint64_t a, b;
			int n = 0;
			if (sscanf(line + used, " %u %u %lu %lu%n", &index, &op, &a, &b, &n) != 4)
				return 4;
			used += n;
			args[i] = (struct scmp_arg_cmp){index, op, a, b};
		}
		int rc = seccomp_rule_add_array(ctx, action, nr, count, args);
		if (rc && rc != -EEXIST)
			return 5;
	}
	return seccomp_export_bpf(ctx, 1) ? 6 : 0;
}
`;

const OPERATORS = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
const ARCHES: Readonly<Record<string, string>> = table({
  SCMP_ARCH_X86_64: "x86_64",
  SCMP_ARCH_X86: "x86",
  SCMP_ARCH_X32: "x32",
});

export interface LibseccompProgram {
  program: Uint8Array;
  /** Names that this libseccomp is too old for. */
  unknown: ReadonlySet<string>;
}

/** Returns a compiler that uses libseccomp, undefined where it cannot be built. `returns` maps a rule to its action. */
export function openLibseccomp(): (((seccomp: OciSeccomp) => LibseccompProgram) & Disposable) | undefined {
  if (process.arch !== "x64" || !existsSync("/usr/include/seccomp.h")) return undefined;
  const dir = mkdtempSync(join(tmpdir(), "berth-seccomp-"));
  writeFileSync(join(dir, "oracle.c"), SOURCE);
  const built = spawnSync("gcc", ["-O1", "-o", join(dir, "oracle"), join(dir, "oracle.c"), "-lseccomp"]);
  if (built.status !== 0) {
    rmSync(dir, { recursive: true });
    return undefined;
  }
  const compile = (seccomp: OciSeccomp): LibseccompProgram => {
    const result = spawnSync(join(dir, "oracle"), { input: rulesText(seccomp), maxBuffer: 1 << 24 });
    if (result.status !== 0)
      throw new Fault("system", `libseccomp oracle: exit ${result.status} ${result.stderr}`);
    return { program: result.stdout, unknown: new Set(result.stderr.toString().split("\n").filter(Boolean)) };
  };
  return Object.assign(compile, { [Symbol.dispose]: () => rmSync(dir, { recursive: true }) });
}

function rulesText(seccomp: OciSeccomp): string {
  const fallback = actionOf(seccomp.defaultAction, seccomp.defaultErrnoRet);
  const lines = [`default ${fallback}`];
  for (const arch of seccomp.architectures ?? []) lines.push(`arch ${ARCHES[arch]}`);
  for (const rule of seccomp.syscalls ?? []) {
    const action = actionOf(rule.action, rule.errnoRet);
    if (action === fallback) continue; // as runc does: libseccomp refuses such rules
    const args = (rule.args ?? []).map(
      (a) =>
        `${a.index} ${OPERATORS.indexOf(a.op.slice("SCMP_CMP_".length)) + 1} ${a.value} ${a.valueTwo ?? 0}`,
    );
    for (const name of rule.names) lines.push(`rule ${action} ${name} ${args.length} ${args.join(" ")}`);
  }
  return `${lines.join("\n")}\n`;
}

/** SCMP_ACT_* has the values of SECCOMP_RET_*. */
function actionOf(action: string, errnoRet = 1): number {
  if (action === "SCMP_ACT_ALLOW") return 0x7fff_0000;
  if (action === "SCMP_ACT_ERRNO") return 0x0005_0000 + errnoRet;
  if (action === "SCMP_ACT_KILL_PROCESS") return 0x8000_0000;
  return action === "SCMP_ACT_LOG" ? 0x7ffc_0000 : 0;
}
