import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ProbeCounters, ProbeResult } from "../../../runtime/shim/client.ts";
import { completeCheck } from "../../../runtime/health/check.ts";
import type { CompleteCheck } from "../../../runtime/health/check.ts";
import type { Health } from "../record.ts";
import { afterExit, judge, resultOf, RunHealth } from "./state.ts";

const CHECK = completeCheck({
  test: ["CMD-SHELL", "x"],
  timeoutNanos: 1_500_000_000,
  retries: 3,
}) as CompleteCheck;

function probe(number: number, exitCode = 0, more: Partial<ProbeResult> = {}): ProbeResult {
  const at = BigInt(number) * 1_000_000_000n;
  const output = Buffer.from(`${number}`);
  return {
    number,
    startedAtNano: at,
    endedAtNano: at + 5n,
    ending: "ended",
    exitCode,
    output,
    isTruncated: false,
    ...more,
  };
}

/** What a shim counts: "+" a success, "-" a failure, "e" a failure in the start period. */
function count(results: string): ProbeCounters {
  const counters = { successes: 0, failures: 0, earlyFailures: 0 };
  for (const r of results) {
    if (r === "+")
      Object.assign(counters, { successes: counters.successes + 1, failures: 0, earlyFailures: 0 });
    else counters.failures++;
    if (r === "e" && counters.successes === 0) counters.earlyFailures++;
  }
  return counters;
}

describe("judge", () => {
  const table: [results: string, status: Health["status"], failingStreak: number][] = [
    ["", "starting", 0],
    ["-", "starting", 1],
    ["--", "starting", 2],
    ["---", "unhealthy", 3],
    ["------", "unhealthy", 6],
    ["+", "healthy", 0],
    ["+--", "healthy", 2],
    ["+---", "unhealthy", 3],
    ["---+", "healthy", 0],
    ["+---+--", "healthy", 2],
    ["eeeeee", "starting", 0],
    ["eeeee--", "starting", 2],
    ["eeee---", "unhealthy", 3],
    ["eeee+", "healthy", 0],
    ["ee+eee", "unhealthy", 3], // a success ends the start period
    ["--ee", "starting", 2],
  ];
  for (const [results, status, failingStreak] of table)
    test(`says ${status}, ${failingStreak} after "${results}"`, () => {
      assert.deepEqual(judge(count(results), 3), { status, failingStreak });
    });

  test("needs only one failure where one retry is allowed", () => {
    assert.equal(judge(count("+-"), 1).status, "unhealthy");
  });
});

describe("resultOf", () => {
  const output = (more: Partial<ProbeResult>, check = CHECK): [number, string] => {
    const r = resultOf(probe(1, 1, more), check);
    return [r.exitCode, r.output];
  };

  test("gives times as RFC 3339", () => {
    const { start, end } = resultOf(probe(1), CHECK);
    assert.deepEqual([start, end], ["1970-01-01T00:00:01Z", "1970-01-01T00:00:01.000000005Z"]);
  });

  test("says what happened in Docker's words", () => {
    assert.deepEqual(output({ output: Buffer.from("hi\n") }), [1, "hi\n"]);
    assert.deepEqual(output({ output: Buffer.from("hi"), isTruncated: true }), [1, "hi..."]);
    const late = { ending: "timed-out", exitCode: 137 } as const;
    assert.deepEqual(output({ ...late, output: Buffer.from("hi") }), [
      -1,
      "Health check exceeded timeout (1.5s): hi",
    ]);
    assert.deepEqual(output({ ...late, output: Buffer.alloc(0) }), [
      -1,
      "Health check exceeded timeout (1.5s)",
    ]);
    const missing = { ending: "not-started", output: Buffer.from('exec: "x": no') } as const;
    assert.deepEqual(output(missing), [
      -1,
      'OCI runtime exec failed: exec failed: unable to start container process: exec: "x": no: unknown',
    ]);
    assert.deepEqual(output(missing, { ...CHECK, test: ["TCP", "80"] }), [-1, 'exec: "x": no']);
  });

  test("replaces each byte that is not UTF-8, as Go does", () => {
    const text = (bytes: number[]): string => output({ output: Buffer.from(bytes) })[1];
    assert.equal(text([0x61, 0xe2, 0x82]), "a\ufffd\ufffd");
    assert.equal(text([0xff, 0xc3, 0xa4, 0x80]), "\ufffdä\ufffd");
    assert.equal(text([0xed, 0xa0, 0x80, 0x62]), "\ufffd\ufffd\ufffdb");
    assert.equal(text([0xf0, 0x9f, 0x98, 0x80, 0xf0, 0x9f]), "😀\ufffd\ufffd");
    assert.equal(text([0xef, 0xbb, 0xbf, 0x61]), "\ufeffa");
  });
});

describe("RunHealth", () => {
  const outputs = (health: Health): string[] => health.log.map((r) => r.output);
  const earlier = { start: "a", end: "b", exitCode: 0, output: "earlier" };

  test("starts anew with a new run and keeps the log of the ones before", () => {
    const last: Health = { status: "unhealthy", failingStreak: 9, log: [earlier] };
    const run = new RunHealth(CHECK, last, true);
    assert.deepEqual(run.current, { status: "starting", failingStreak: 0, log: [earlier] });
    assert.equal(run.take(count("+"), [probe(1)]), true);
    assert.deepEqual(outputs(run.current), ["earlier", "1"]);
    assert.deepEqual(run.kept, { status: "healthy", failingStreak: 0, log: [earlier] });
  });

  test("shows the last five results", () => {
    const run = new RunHealth(CHECK, { status: "starting", failingStreak: 0, log: [earlier] }, true);
    for (let n = 1; n <= 7; n++) run.take(count("-".repeat(n)), [probe(n, 1)]);
    assert.deepEqual(outputs(run.current), ["3", "4", "5", "6", "7"]);
    assert.equal(run.current.failingStreak, 7);
  });

  test("says when the status has changed, and only then", () => {
    const run = new RunHealth(CHECK, null, true);
    const changes = ["-", "--", "---", "----", "----+", "----++"].map((results, i) =>
      run.take(count(results), [probe(i + 1)]),
    );
    assert.deepEqual(changes, [false, false, true, false, true, false]);
  });

  test("goes on where the record stands after a restart of the daemon, and catches up", () => {
    const run = new RunHealth(CHECK, { status: "healthy", failingStreak: 0, log: [earlier] }, false);
    assert.equal(run.current.status, "healthy");
    const missed = [6, 7, 8].map((n) => probe(n, 1));
    assert.equal(run.take(count("+-------"), missed), true);
    assert.deepEqual(run.current.status, "unhealthy");
    assert.deepEqual(outputs(run.current), ["earlier", "6", "7", "8"]);
  });

  test("takes a result once, and is not set back by an old answer", () => {
    const run = new RunHealth(CHECK, null, false);
    run.take(count("--+"), [probe(3)]); // came as an event, before the answer
    assert.equal(run.take(count("--"), [probe(1, 1), probe(2, 1)]), false);
    assert.deepEqual([run.current.status, outputs(run.current)], ["healthy", ["1", "2", "3"]]);
    assert.equal(run.take(count("-----"), [probe(3)]), false);
    assert.equal(run.current.log.length, 3);
  });

  test("of a container that has ended is unhealthy, as with Docker", () => {
    assert.equal(afterExit({ status: "healthy", failingStreak: 0, log: [] }).status, "unhealthy");
  });
});
