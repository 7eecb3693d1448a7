// Device rules as the eBPF program that is cgroup v2's device controller (BPF_PROG_TYPE_CGROUP_DEVICE, Linux 4.15). The kernel runs it
// for every open and mknod of a device node with what is wanted, and lets nothing through that it answers with 0.
//
// The rules are tried from the last to the first, each kind of access on its own, so that the later rule wins for exactly what
// it says: reading and writing may come from two rules, and a part taken out of a broader rule is out. v1 cannot express
// the latter (devices.ts). Pure; keel loads the program.

import { Fault } from "../../lib/errors.ts";
import type { OciDeviceRule } from "../spec/oci.ts";
import { table } from "../../lib/table.ts";

/** include/uapi/linux/bpf.h: BPF_DEVCG_ACC_*. */
const ACCESS: Readonly<Record<string, number>> = table({ m: 1, r: 2, w: 4 });
const ALL_ACCESS = 7;
/** BPF_DEVCG_DEV_*. */
const TYPE = { b: 1, c: 2 } as const;

/** Instruction codes; the comparisons are those of 32 bits, since everything here has 32. */
export const CODE = {
  loadWord: 0x61, // BPF_LDX | BPF_MEM | BPF_W
  movImm: 0xb7, // BPF_ALU64 | BPF_MOV | BPF_K
  movReg: 0xbf, // BPF_ALU64 | BPF_MOV | BPF_X
  andImm: 0x54, // BPF_ALU | BPF_AND | BPF_K
  shiftRight: 0x74, // BPF_ALU | BPF_RSH | BPF_K
  jumpNotEqual: 0x56, // BPF_JMP32 | BPF_JNE | BPF_K
  jumpEqual: 0x16, // BPF_JMP32 | BPF_JEQ | BPF_K
  exit: 0x95, // BPF_JMP | BPF_EXIT
} as const;

/** r1 is the context: u32 access_type (access << 16 | type), u32 major, u32 minor. */
const [RESULT, CONTEXT, TYPE_REG, WANTED, MAJOR, MINOR, SCRATCH] = [0, 1, 2, 3, 4, 5, 6] as const;

/** A program that is far from the kernel's limit for those of root, and far above what a list of rules needs. */
const MAX_INSTRUCTIONS = 65_536;
const MAX_NUMBER = 2 ** 32;

type Instruction = [code: number, destination: number, source: number, offset: number, immediate: number];

let last: { key: string; program: Uint8Array | undefined } | undefined;

/** As deviceProgram; nearly all containers have the same rules, so that the last program is kept. */
export function cachedDeviceProgram(rules: readonly OciDeviceRule[]): Uint8Array | undefined {
  const key = JSON.stringify(rules);
  if (last?.key !== key) last = { key, program: deviceProgram(rules) };
  return last.program;
}

/** Returns the program, or undefined where the rules deny nothing. Without any rule that matches, access is allowed. */
export function deviceProgram(rules: readonly OciDeviceRule[]): Uint8Array | undefined {
  const effective = rules.slice(rules.findLastIndex(isTotal) + 1);
  const isAllowed = rules.findLast(isTotal)?.allow ?? true;
  if (isAllowed && effective.every((rule) => rule.allow)) return undefined;
  const program: Instruction[] = [
    [CODE.loadWord, WANTED, CONTEXT, 0, 0],
    [CODE.movReg, TYPE_REG, WANTED, 0, 0],
    [CODE.andImm, TYPE_REG, 0, 0, 0xffff],
    [CODE.shiftRight, WANTED, 0, 0, 16],
    [CODE.loadWord, MAJOR, CONTEXT, 4, 0],
    [CODE.loadWord, MINOR, CONTEXT, 8, 0],
  ];
  for (const rule of effective.toReversed()) program.push(...blockOf(rule));
  program.push(...answer(isAllowed ? 1 : 0));
  if (program.length > MAX_INSTRUCTIONS) {
    throw new Fault("invalidParameter", `too many device rules: ${rules.length}`, { code: "cgroup.devices" });
  }
  return encode(program);
}

/** Whatever comes before such a rule does not count. */
function isTotal(rule: OciDeviceRule): boolean {
  return (
    typeOf(rule) === undefined &&
    accessOf(rule) === ALL_ACCESS &&
    numbersOf(rule).every((n) => n === undefined)
  );
}

/** What one rule says, after which the next one is tried. */
function blockOf(rule: OciDeviceRule): Instruction[] {
  const [major, minor] = numbersOf(rule);
  if ((major ?? 0) >= MAX_NUMBER || (minor ?? 0) >= MAX_NUMBER) return []; // there is no such device
  const verdict = rule.allow ? grant(accessOf(rule)) : refuse(accessOf(rule));
  const conditions = [
    [TYPE_REG, typeOf(rule)],
    [MAJOR, major],
    [MINOR, minor],
  ] as const;
  const tests = conditions.filter(([, value]) => value !== undefined);
  const jumps = tests.map(
    ([register, value], i): Instruction => [
      CODE.jumpNotEqual,
      register,
      0,
      tests.length - 1 - i + verdict.length,
      value ?? 0,
    ],
  );
  return [...jumps, ...verdict];
}

/** Takes what the rule allows off what is wanted: done when nothing is left. */
function grant(access: number): Instruction[] {
  if (access === ALL_ACCESS) return answer(1);
  return [[CODE.andImm, WANTED, 0, 0, ~access], [CODE.jumpNotEqual, WANTED, 0, 2, 0], ...answer(1)];
}

function refuse(access: number): Instruction[] {
  if (access === ALL_ACCESS) return answer(0);
  return [
    [CODE.movReg, SCRATCH, WANTED, 0, 0],
    [CODE.andImm, SCRATCH, 0, 0, access],
    [CODE.jumpEqual, SCRATCH, 0, 2, 0],
    ...answer(0),
  ];
}

function answer(value: 0 | 1): Instruction[] {
  return [
    [CODE.movImm, RESULT, 0, 0, value],
    [CODE.exit, 0, 0, 0, 0],
  ];
}

function typeOf(rule: OciDeviceRule): number | undefined {
  if (rule.type === "b") return TYPE.b;
  return rule.type === "c" || rule.type === "u" ? TYPE.c : undefined;
}

function accessOf(rule: OciDeviceRule): number {
  const letters = rule.access || "rwm";
  return [...letters].reduce((mask, letter) => mask | (ACCESS[letter] ?? 0), 0);
}

const numbersOf = (rule: OciDeviceRule): (number | undefined)[] =>
  [rule.major, rule.minor].map((n) => (n === undefined || n < 0 ? undefined : n));

/** struct bpf_insn, in the machine's byte order. */
function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [i, [code, destination, source, offset, immediate]] of program.entries()) {
    view.setUint8(8 * i, code);
    view.setUint8(8 * i + 1, destination | (source << 4));
    view.setInt16(8 * i + 2, offset, true);
    view.setInt32(8 * i + 4, immediate | 0, true);
  }
  return bytes;
}
