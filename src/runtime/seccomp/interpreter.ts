// Runs a classic BPF program over one struct seccomp_data, as the kernel does: for tests, and to explain what a profile
// says about a call. Knows only the instructions that program.ts and libseccomp emit.

import { Fault } from "../../lib/errors.ts";

/** What the kernel shows a filter about one call. */
export interface SeccompData {
  number: number;
  /** AUDIT_ARCH_* value. */
  arch: number;
  args?: readonly bigint[];
}

/** Returns the SECCOMP_RET_* value and the number of instructions that ran. Throws Fault dataLoss for a bad program. */
export function interpretFilter(program: Uint8Array, data: SeccompData): { returns: number; steps: number } {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const packed = packData(data);
  const count = program.byteLength / 8;
  let a = 0;
  for (let pc = 0, steps = 1; pc < count; pc++, steps++) {
    const code = view.getUint16(8 * pc, true);
    const k = view.getUint32(8 * pc + 4, true);
    switch (code) {
      case 0x20:
        if (k > 60 || k % 4 !== 0) throw bad(`load of offset ${k}`);
        a = packed.getUint32(k, true);
        break;
      case 0x54:
        a = (a & k) >>> 0;
        break;
      case 0x05:
        pc += k;
        break;
      case 0x06:
        return { returns: k, steps };
      default:
        pc += view.getUint8(8 * pc + (isTaken(code, a, k) ? 2 : 3));
    }
  }
  throw bad("runs past its end");
}

function isTaken(code: number, a: number, k: number): boolean {
  switch (code) {
    case 0x15:
      return a === k;
    case 0x25:
      return a > k;
    case 0x35:
      return a >= k;
    case 0x45:
      return (a & k) !== 0;
    default:
      throw bad(`unknown instruction 0x${code.toString(16)}`);
  }
}

function packData(data: SeccompData): DataView {
  const view = new DataView(new ArrayBuffer(64));
  view.setUint32(0, data.number >>> 0, true);
  view.setUint32(4, data.arch >>> 0, true);
  (data.args ?? []).forEach((arg, i) => view.setBigUint64(16 + 8 * i, BigInt.asUintN(64, arg), true));
  return view;
}

function bad(message: string): Fault {
  return new Fault("dataLoss", `bad BPF program: ${message}`, { code: "seccomp.bad-program" });
}
