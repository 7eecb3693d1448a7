// Runs a device program as the kernel does, for tests. Knows only the instructions that device-program.ts emits.

import { CODE } from "./device-program.ts";
import { table } from "../../lib/table.ts";

/** What the kernel asks: one access to one device. */
export interface DeviceAccess {
  type: "b" | "c";
  major: number;
  minor: number;
  /** Of `rwm`; "" is a look at the node alone. */
  access: string;
}

const BITS: Readonly<Record<string, number>> = table({ m: 1, r: 2, w: 4 });

/** Returns whether the program lets the access through; throws for what the kernel's verifier refuses. */
export function runDeviceProgram(program: Uint8Array, asked: DeviceAccess): boolean {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const wanted = [...asked.access].reduce((mask, letter) => mask | (BITS[letter] ?? 0), 0);
  const context = [((wanted << 16) | (asked.type === "b" ? 1 : 2)) >>> 0, asked.major, asked.minor];
  const registers = new Array<number | undefined>(11);
  const count = program.length / 8;
  for (let at = 0; at < count; at++) {
    const code = view.getUint8(8 * at);
    const destination = view.getUint8(8 * at + 1) & 15;
    const source = view.getUint8(8 * at + 1) >> 4;
    const offset = view.getInt16(8 * at + 2, true);
    const immediate = view.getInt32(8 * at + 4, true);
    const value = (register: number): number => {
      const known = registers[register];
      if (known === undefined) throw new Error(`register ${register} is read before it is written`);
      return known;
    };
    if (code === CODE.exit) return value(0) !== 0;
    if (code === CODE.loadWord) registers[destination] = context[offset / 4];
    else if (code === CODE.movImm) registers[destination] = immediate;
    else if (code === CODE.movReg) registers[destination] = value(source);
    else if (code === CODE.andImm) registers[destination] = (value(destination) & immediate) >>> 0;
    else if (code === CODE.shiftRight) registers[destination] = value(destination) >>> immediate;
    else if (code === CODE.jumpEqual || code === CODE.jumpNotEqual) {
      if (offset < 0 || at + 1 + offset >= count)
        throw new Error(`instruction ${at} jumps out of the program`);
      const isEqual = value(destination) === immediate >>> 0;
      if (isEqual === (code === CODE.jumpEqual)) at += offset;
    } else throw new Error(`unknown instruction ${code.toString(16)}`);
  }
  throw new Error("the program has no end");
}
