// Decompression in a thread of its own: bzip2 and xz, which node:zlib has not. A thread lives as long as its stream.
import { Worker } from "node:worker_threads";
import { Fault } from "../errors.ts";

export type ThreadedFormat = "bzip2" | "xz";

/** What the thread wants, or has. It goes on when it is answered. */
export type FromWorker =
  | { kind: "input" }
  | { kind: "output"; bytes: Uint8Array }
  | { kind: "end" }
  | { kind: "damaged"; why: string };

/** The next input (none: its end), or nothing but that the output was taken. */
export interface ToWorker {
  readonly bytes?: Uint8Array | undefined;
}

// bun: in the compiled program every module is at its root, and what is started as a thread is where it was below src/.
const WORKER = new URL(
  import.meta.url.includes("/$bunfs/") ? "./lib/compress/worker.ts" : "./worker.ts",
  import.meta.url,
);

/** Yields the content of `source`; its own errors come out unchanged, damaged data is Fault invalidParameter. */
export async function* decompressInThread(
  source: AsyncIterable<Uint8Array>,
  format: ThreadedFormat,
): AsyncGenerator<Uint8Array> {
  const worker = new Worker(WORKER, { workerData: { format } });
  const messages = messagesOf(worker);
  const input = source[Symbol.asyncIterator]();
  const answer = (message: ToWorker): void => worker.postMessage(message);
  try {
    for (;;) {
      const message = await messages.next();
      if (message.kind === "end") return;
      if (message.kind === "damaged")
        throw new Fault("invalidParameter", `damaged ${format} data`, {
          code: "compress.damaged",
          detail: { why: message.why },
        });
      if (message.kind === "output") {
        yield message.bytes;
        answer({});
      } else {
        const next = await input.next();
        // A view would be sent with all that it is a view of.
        answer({ bytes: next.done ? undefined : new Uint8Array(next.value) });
      }
    }
  } finally {
    await worker.terminate();
    await input.return?.();
  }
}

/** A thread's messages one by one; its failure is that of whoever waits for the next. */
function messagesOf(worker: Worker): { next(): Promise<FromWorker> } {
  const arrived: FromWorker[] = [];
  let failure: Error | undefined;
  let wake: () => void = () => {};
  worker.on("message", (message: FromWorker) => {
    arrived.push(message);
    wake();
  });
  const fail = (error: Error): void => {
    failure ??= error;
    wake();
  };
  worker.on("error", fail);
  worker.on("exit", () => fail(new Error("the thread that decompresses has ended")));
  return {
    async next() {
      for (;;) {
        const message = arrived.shift();
        if (message !== undefined) return message;
        if (failure !== undefined) throw failure;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
