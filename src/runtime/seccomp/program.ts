// An assembler for classic BPF as seccomp(2) takes it. Instructions are emitted from the last to the first, because
// all jumps go forward: what is jumped to is known already, and so is the distance. A conditional jump reaches 255
// instructions; the assembler puts a copy of a return or an unconditional jump nearer when a target is farther away.

import { Fault } from "../../lib/errors.ts";

/** The kernel's limit (BPF_MAXINSNS). */
export const MAX_INSTRUCTIONS = 4096;

const LD_ABS = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND_K = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JA = 0x05; // BPF_JMP | BPF_JA
const RET_K = 0x06; // BPF_RET | BPF_K

/** Comparisons of the accumulator with a constant, unsigned. */
export const JUMP = { eq: 0x15, gt: 0x25, ge: 0x35 } as const;

/** Offsets in struct seccomp_data; arguments are 64 bits, low half first on the machines we know. */
export const DATA = {
  number: 0,
  arch: 4,
  argLow: (index: number) => 16 + 8 * index,
  argHigh: (index: number) => 20 + 8 * index,
} as const;

/** A place in the program: its distance from the end, and what it returns if it is a return. */
export interface Label {
  fromEnd: number;
  returns?: number;
}

export class ProgramBuilder {
  /** code, jt, jf, k of each instruction, last first. */
  readonly #reversed: [code: number, jt: number, jf: number, k: number][] = [];
  /** The most recently emitted, hence nearest, return of each value. */
  readonly #returns = new Map<number, Label>();

  #emit(code: number, jt: number, jf: number, k: number): number {
    if (this.#reversed.push([code, jt, jf, k >>> 0]) > MAX_INSTRUCTIONS) {
      throw new Fault(
        "invalidParameter",
        `seccomp profile needs more than ${MAX_INSTRUCTIONS} instructions`,
        {
          code: "seccomp.too-large",
        },
      );
    }
    return this.#reversed.length;
  }

  /** Instructions between the one that is emitted next and the label. */
  #distance(label: Label, extra = 0): number {
    return this.#reversed.length - label.fromEnd + extra;
  }

  /** Returns a label for `ret value`: the nearest one if a jump reaches it with some reserve, else a new one. */
  ret(value: number): Label {
    const known = this.#returns.get(value);
    if (known && this.#distance(known) < 250) return known;
    const label = { fromEnd: this.#emit(RET_K, 0, 0, value), returns: value };
    this.#returns.set(value, label);
    return label;
  }

  /** Returns a label that a conditional jump emitted next, or after `extra` more instructions, can reach. */
  #near(label: Label, extra: number): Label {
    if (this.#distance(label, extra) <= 255) return label;
    if (label.returns !== undefined) return this.ret(label.returns);
    return { fromEnd: this.#emit(JA, 0, 0, this.#distance(label)) };
  }

  /** Emits a comparison with `k`; yields its label, or the target's if both are the same. */
  jump(code: number, k: number, ifTrue: Label, ifFalse: Label): Label {
    if (ifTrue.fromEnd === ifFalse.fromEnd) return ifTrue;
    // two at most: making one target near moves the other by one
    const t = this.#near(ifTrue, 1);
    const f = this.#near(ifFalse, 0);
    return { fromEnd: this.#emit(code, this.#distance(t), this.#distance(f), k) };
  }

  /** Emits a load in front of `next`, which must be what runs after it. */
  load(offset: number, next: Label): Label {
    this.#fallInto(next);
    return { fromEnd: this.#emit(LD_ABS, 0, 0, offset) };
  }

  /** Emits `A &= mask` in front of `next`. */
  and(mask: number, next: Label): Label {
    this.#fallInto(next);
    return { fromEnd: this.#emit(AND_K, 0, 0, mask) };
  }

  #fallInto(next: Label): void {
    if (next.fromEnd === this.#reversed.length) return;
    if (next.returns !== undefined) this.#emit(RET_K, 0, 0, next.returns);
    else this.#emit(JA, 0, 0, this.#distance(next));
  }

  /** Returns the program that starts at `entry`, as an array of struct sock_filter in the machine's byte order. */
  finish(entry: Label): Uint8Array {
    this.#fallInto(entry);
    const bytes = new Uint8Array(this.#reversed.length * 8);
    const view = new DataView(bytes.buffer);
    this.#reversed.toReversed().forEach(([code, jt, jf, k], i) => {
      view.setUint16(8 * i, code, true);
      view.setUint8(8 * i + 2, jt);
      view.setUint8(8 * i + 3, jf);
      view.setUint32(8 * i + 4, k, true);
    });
    return bytes;
  }
}
