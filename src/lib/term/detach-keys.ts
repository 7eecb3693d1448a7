// The key sequence that leaves an attached container running: ctrl-p ctrl-q unless configured otherwise. Keys of a
// sequence that is broken off are passed on.

import { Fault } from "../errors.ts";

export const defaultDetachKeys: readonly number[] = [16, 17];

/** Reads `ctrl-x,y`. Throws a Fault for keys it does not know. */
export function parseDetachKeys(text: string): number[] {
  return text.split(",").map((key) => {
    if ([...key].length === 1 && key.charCodeAt(0) < 128) return key.charCodeAt(0);
    const control = /^ctrl-([a-z@[\\\]^_])$/.exec(key)?.[1];
    if (control === undefined) {
      throw new Fault("invalidParameter", `Unknown character: '${key}'`, { code: "cli.detach-keys" });
    }
    return control >= "a" && control <= "z" ? control.charCodeAt(0) - 96 : control.charCodeAt(0) & 0x1f;
  });
}

/** Watches input for the sequence. */
export class DetachWatch {
  readonly #keys: readonly number[];
  #matched = 0;

  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  /** Takes input; returns what is to be passed on, and whether the sequence is complete. */
  push(chunk: Uint8Array): { readonly pass: Uint8Array; readonly isDetached: boolean } {
    const pass: number[] = [];
    for (const byte of chunk) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched++;
        if (this.#matched === this.#keys.length) return { pass: Uint8Array.from(pass), isDetached: true };
        continue;
      }
      pass.push(...this.#keys.slice(0, this.#matched));
      this.#matched = byte === this.#keys[0] && this.#keys.length > 1 ? 1 : 0;
      if (this.#matched === 0) pass.push(byte);
    }
    return { pass: Uint8Array.from(pass), isDetached: false };
  }
}
