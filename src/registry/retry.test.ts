import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../lib/errors.ts";
import { download, type OpenBlob } from "./retry.ts";

const content = Buffer.from("0123456789".repeat(50));
const never = new AbortController().signal;

/** A body of these bytes that breaks behind them, unless they are the last. */
function body(from: number, end: number): ReadableStream<Uint8Array> {
  let isSent = false;
  return new ReadableStream({
    pull(controller) {
      if (!isSent) controller.enqueue(content.subarray(from, end));
      else if (end < content.length) controller.error(new Error("connection reset"));
      else controller.close();
      isSent = true;
    },
  });
}

const whole = (end: number) => new Response(body(0, end));
const part = (start: number, end: number, from = start) =>
  new Response(body(from, end), {
    status: 206,
    headers: { "content-range": `bytes ${from}-${end - 1}/${content.length}` },
  });

/** Answers one attempt after another; returns what was downloaded, from where each attempt began, and all waits. */
async function fetched(
  answers: ((start: number) => Response | Promise<Response>)[],
  attempts = answers.length,
) {
  const starts: number[] = [];
  const waits: number[] = [];
  const open: OpenBlob = async ({ start }) => {
    starts.push(start);
    const answer = answers[starts.length - 1];
    assert.ok(answer, "no more attempts than that");
    return answer(start);
  };
  const parts: Uint8Array[] = [];
  const policy = { attempts, secondMs: 0 };
  for await (const chunk of download(open, {
    policy,
    onWait: (left) => void waits.push(left),
    signal: never,
  }))
    parts.push(chunk);
  return { bytes: Buffer.concat(parts), starts, waits };
}

test("a download goes on where it broke off, after five seconds more each time", async () => {
  const got = await fetched([
    () => whole(100),
    (start) => part(start, 300),
    (start) => part(start, content.length),
  ]);
  assert.deepEqual(got.bytes, content);
  assert.deepEqual(got.starts, [0, 100, 300]);
  assert.deepEqual(got.waits, [5, 4, 3, 2, 1, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
});

test("a registry that sends all of it again, or a part that begins earlier, costs bytes and nothing else", async () => {
  const got = await fetched([
    () => whole(100),
    () => whole(250),
    (start) => part(start, content.length, start - 7),
  ]);
  assert.deepEqual([got.bytes, got.starts], [content, [0, 100, 250]]);
});

test("what may pass is tried again, as often as was said; the last failure is told", async () => {
  const down = () => Promise.reject(new Fault("unavailable", "registry answered 503"));
  assert.deepEqual((await fetched([down, () => part(0, content.length)])).bytes, content);
  await assert.rejects(fetched([down, down], 2), /answered 503/);
  await assert.rejects(fetched([() => whole(9)], 1), /connection reset/);
  const short = () => new Response(content.subarray(0, 9), { headers: { "content-length": "500" } });
  await assert.rejects(fetched([short], 1), /491 bytes are missing at its end/);
  const final = await fetched(
    [() => new Response(content.subarray(0, 9), { headers: { "content-length": "9" } })],
    5,
  );
  assert.equal(final.bytes.length, 9, "what is short and whole is the registry's last word");
});

test("what no repetition changes is told at once", async () => {
  for (const kind of ["notFound", "unauthorized", "forbidden", "system"] as const)
    await assert.rejects(fetched([() => Promise.reject(new Fault(kind, "no"))], 5), { kind });
  await assert.rejects(fetched([() => whole(9), () => part(40, 50)], 5), /another part of a blob/);
});

test("a connection that brings nothing any more is given up, and the wait for the next ends with the signal", async () => {
  const abort = new AbortController();
  const open: OpenBlob = async (_start, signal) =>
    new Response(
      new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(content.subarray(0, 9));
          signal.addEventListener("abort", () => controller.error(signal.reason)); // as fetch does
        },
      }),
    );
  const waits: number[] = [];
  const onWait = (left: number): void => {
    waits.push(left);
    abort.abort(new Error("enough"));
  };
  const reading = (async () => {
    for await (const _ of download(open, {
      policy: { attempts: 3, stallMs: 20 },
      onWait,
      signal: abort.signal,
    }));
  })();
  await assert.rejects(reading, /enough/);
  assert.deepEqual(waits, [5]);
});
