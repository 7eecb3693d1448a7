// A Keel for unit tests of the floors above: performs nothing, records every operation, and answers from a script. What
// the real keel would have done is tested with the real one (keel.test.ts and the end-to-end tests).

import { SysError } from "../lib/errors.ts";
import type { ExportEntry, FsRoot, FsSession, Keel, RunOutcome } from "./keel.ts";
import { OPCODES, type Op } from "./ops.ts";
import type { Reply } from "./wire.ts";

const NAMES = new Map<number, string>(Object.entries(OPCODES).map(([name, code]) => [code, name]));

/** Returns the name of an operation as in OPCODES, or its number. */
export function nameOfOp(op: Op): string {
  return NAMES.get(op[0]) ?? String(op[0]);
}

/** What a scripted operation answers: a result, or a failure to throw. */
export type Answer = (op: Op, name: string) => Reply | SysError | undefined;

/** A request that was recorded, in the order of arrival. */
export interface Recorded {
  kind: "run" | "open" | "send" | "sync" | "export" | "close";
  ops: readonly Op[];
  root?: FsRoot;
}

/** Records operations. `answer` decides the result of each, undefined means 0; an SysError is thrown with its index set. */
export class RecordingKeel implements Keel {
  readonly requests: Recorded[] = [];
  answer: Answer;
  warnings: string[] = [];
  /** What export yields, by path. */
  exports = new Map<string, ExportEntry[]>();

  constructor(answer: Answer = () => undefined) {
    this.answer = answer;
  }

  /** All recorded operations of run, send and sync requests, in order. */
  get ops(): Op[] {
    return this.requests.flatMap((r) => r.ops);
  }

  /** The recorded operations of one name. */
  named(name: keyof typeof OPCODES): Op[] {
    return this.ops.filter((op) => op[0] === OPCODES[name]);
  }

  async run(ops: readonly Op[], options: { signal?: AbortSignal } = {}): Promise<RunOutcome> {
    options.signal?.throwIfAborted();
    this.requests.push({ kind: "run", ops });
    return { results: this.#answerAll(ops), warnings: [...this.warnings] };
  }

  /** Nothing ever happens by itself. */
  async *watch(): AsyncGenerator<Uint8Array> {}

  #answerAll(ops: readonly Op[]): Reply[] {
    return ops.map((op, index) => {
      const result = this.answer(op, nameOfOp(op));
      if (result instanceof SysError)
        throw new SysError(result.op, result.path, result.errno, textOf(result), index);
      return result ?? 0;
    });
  }

  async openFs(root: FsRoot): Promise<FsSession> {
    this.requests.push({ kind: "open", ops: [], root });
    let kept: unknown;
    return {
      send: (ops) => {
        this.requests.push({ kind: "send", ops });
        try {
          if (kept === undefined) this.#answerAll(ops);
        } catch (error) {
          kept = error;
        }
      },
      sync: async (ops = []) => {
        this.requests.push({ kind: "sync", ops });
        const failure = kept;
        kept = undefined;
        if (failure !== undefined) throw failure;
        return this.#answerAll(ops);
      },
      export: (path) => this.#export(typeof path === "string" ? path : Buffer.from(path).toString("utf8")),
      [Symbol.asyncDispose]: async () => {
        this.requests.push({ kind: "close", ops: [] });
      },
    };
  }

  async *#export(path: string): AsyncGenerator<ExportEntry> {
    this.requests.push({ kind: "export", ops: [] });
    yield* this.exports.get(path) ?? [];
  }

  async close(): Promise<void> {}
}

/** Returns the text of a SysError without the operation and path that its constructor puts in front. */
function textOf(error: SysError): string {
  const front = error.path === "" ? `${error.op}: ` : `${error.op} ${error.path}: `;
  return error.message.startsWith(front) ? error.message.slice(front.length) : error.message;
}
