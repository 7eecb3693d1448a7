// The words of seccomp profiles, Docker's and OCI's alike, and the bits of the kernel's for them (linux/seccomp.h).

import type { OciSeccompAction, OciSeccompOperator } from "../spec/oci.ts";
import { table } from "../../lib/table.ts";

export const SECCOMP_ACTIONS: readonly OciSeccompAction[] = [
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_ERRNO",
  "SCMP_ACT_KILL",
  "SCMP_ACT_KILL_PROCESS",
  "SCMP_ACT_KILL_THREAD",
  "SCMP_ACT_LOG",
  "SCMP_ACT_NOTIFY",
  "SCMP_ACT_TRACE",
  "SCMP_ACT_TRAP",
];

export const SECCOMP_OPERATORS: readonly OciSeccompOperator[] = [
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_LE",
  "SCMP_CMP_LT",
  "SCMP_CMP_MASKED_EQ",
  "SCMP_CMP_NE",
];

/** All that the specification names; those that a machine does not run are left out of its program. */
export const SECCOMP_ARCHES: readonly string[] = [
  "AARCH64",
  "ARM",
  "LOONGARCH64",
  "M68K",
  "MIPS",
  "MIPS64",
  "MIPS64N32",
  "MIPSEL",
  "MIPSEL64",
  "MIPSEL64N32",
  "PARISC",
  "PARISC64",
  "PPC",
  "PPC64",
  "PPC64LE",
  "RISCV64",
  "S390",
  "S390X",
  "SH",
  "SHEB",
  "X32",
  "X86",
  "X86_64",
].map((name) => `SCMP_ARCH_${name}`);

/** SECCOMP_FILTER_FLAG_* bits of seccomp(2). */
export const SECCOMP_FLAGS: Readonly<Record<string, number>> = table({
  SECCOMP_FILTER_FLAG_TSYNC: 1,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: 32,
});
