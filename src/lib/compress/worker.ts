// The program of a thread that decompresses what node:zlib cannot, so that the event loop goes on meanwhile: one stream, then its
// end. It asks for each piece of input and waits to be asked for each piece of output (threaded.ts is the other side).
import { parentPort, workerData } from "node:worker_threads";
import { bunzip2 } from "./bzip2.ts";
import type { FromWorker, ThreadedFormat, ToWorker } from "./threaded.ts";

const port = parentPort;
const waiting: ((message: ToWorker) => void)[] = [];

function ask(message: FromWorker): Promise<ToWorker> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    port?.postMessage(message);
  });
}

async function* input(): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { bytes } = await ask({ kind: "input" });
    if (bytes === undefined) return;
    yield bytes;
  }
}

async function decoderOf(format: ThreadedFormat): Promise<AsyncIterable<Uint8Array>> {
  if (format === "bzip2") return bunzip2(input());
  const { XzReadableStream } = await import("xz-decompress");
  return new XzReadableStream(ReadableStream.from(input())) as AsyncIterable<Uint8Array>;
}

async function work(): Promise<void> {
  const { format } = workerData as { format: ThreadedFormat };
  try {
    for await (const bytes of await decoderOf(format)) await ask({ kind: "output", bytes });
    port?.postMessage({ kind: "end" } satisfies FromWorker);
  } catch (error) {
    port?.postMessage({ kind: "damaged", why: String(error) } satisfies FromWorker);
  }
}

port?.on("message", (message: ToWorker) => waiting.shift()?.(message));
void work();
