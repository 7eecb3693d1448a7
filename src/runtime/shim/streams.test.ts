// The bytes of a container: attached streams with and without a terminal, stdin, the log.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { SysError } from "../../lib/errors.ts";
import { inner } from "../../linux/ops.ts";
import { Bed, demultiplex, readAll, readUntil, type Run, skip } from "./_bed.ts";
import { openAttach } from "./client.ts";

const ENOTTY = 25;
const ESRCH = 3;
const TIME = /"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z"/;

const digest = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

/** The log with its times replaced, after a look at their form. */
function logOf(run: Run, suffix = ""): string[] {
  const lines = readFileSync(`${join(run.plan.stateDir, "log")}${suffix}`, "utf8").split("\n");
  assert.equal(lines.pop(), "");
  return lines.map((line) => {
    assert.match(line, TIME);
    return line.replace(TIME, '"T"');
  });
}

/** What the log says was written, put together again. */
function loggedText(run: Run, stream: string): string {
  return readFileSync(join(run.plan.stateDir, "log"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { log: string; stream: string })
    .filter((entry) => entry.stream === stream)
    .map((entry) => entry.log)
    .join("");
}

describe("a container's streams", { skip }, () => {
  let bed: Bed;
  before(async () => {
    bed = await Bed.open();
  });
  after(async () => {
    await bed.close();
  });

  test("deliver binary data byte by byte, on both streams", async () => {
    const data = randomBytes(3_000_017);
    writeFileSync(join(bed.root, "data"), data);
    const { stdout, stderr } = await bed.run({ argv: ["sh", "-c", "cat /data & cat /data >&2; wait"] });
    assert.equal(digest(stdout), digest(data));
    assert.equal(digest(stderr), digest(data));
  });

  test("deliver what was said before the process ended, even when it said it last", async () => {
    for (let i = 0; i < 20; i++) {
      const { stdout } = await bed.run({
        argv: ["sh", "-c", "echo first; head -c 60000 /dev/zero; echo last"],
      });
      assert.equal(stdout.length, 60000 + 11);
      assert.ok(stdout.subarray(-5).equals(Buffer.from("last\n")));
    }
  });

  test("reach several clients, each with the streams it asked for", async () => {
    const run = await bed.create({ argv: ["sh", "-c", "echo out; echo err >&2; sleep 0.05; echo more"] });
    const clients = await Promise.all([
      openAttach(run.socketPath, { stdout: true, stderr: true }),
      openAttach(run.socketPath, { stdout: true }),
      openAttach(run.socketPath, { stderr: true }),
    ]);
    assert.ok(clients.every((c) => !c.isTty));
    const all = clients.map((c) => readAll(c.stream));
    await run.shim.start();
    const [both, out, err] = (await Promise.all(all)).map(demultiplex);
    assert.deepEqual([String(both?.stdout), String(both?.stderr)], ["out\nmore\n", "err\n"]);
    assert.deepEqual([String(out?.stdout), String(out?.stderr)], ["out\nmore\n", ""]);
    assert.deepEqual([String(err?.stdout), String(err?.stderr)], ["", "err\n"]);
    await run.exit;
  });

  const anonymousMemory = (pid: number): number =>
    Number(/Pss_Anon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]);

  test("do not wait for a client that lags, and keep what it has not read on disk", async () => {
    const size = 100_000_000;
    const spill = join(bed.dir, "spill");
    mkdirSync(spill);
    const run = await bed.create({
      argv: ["sh", "-c", `yes 0123456789abcdef | head -c ${size}; echo end >&2`],
      plan: { spill: { dir: spill, limitBytes: 200_000_000 }, log: { kind: "none" } },
    });
    const { stream } = await openAttach(run.socketPath, { stdout: true });
    const { stream: errors } = await openAttach(run.socketPath, { stderr: true });
    await run.shim.start();
    // Nothing of stdout is read, and the container comes to its end.
    assert.match(String(demultiplex(await readAll(errors)).stderr), /end/);
    const exit = await run.exit;
    assert.ok(exit !== "lost" && exit.exitCode === 0);
    assert.ok(anonymousMemory(run.shimPid) < 4096);
    assert.deepEqual(readdirSync(spill), [], "its file has no name");
    // The shim stays for the one who reads late.
    assert.equal(demultiplex(await readAll(stream)).stdout.length, size);
  });

  test("slow down for a client that reads, but lags by more than may wait", async () => {
    const size = 20_000_000;
    const run = await bed.create({
      argv: ["sh", "-c", `yes 0123456789abcdef | head -c ${size}; echo end >&2`],
      plan: { spill: { dir: bed.dir, limitBytes: 3_000_000 } },
    });
    const { stream } = await openAttach(run.socketPath, { stdout: true });
    await run.shim.start();
    // Nothing is read: the container must come to a stop, and the shim must not hold more than its limit.
    let last = -1;
    for (let logged = 0; logged !== last; ) {
      last = logged;
      await new Promise((resolve) => setTimeout(resolve, 200));
      logged = readFileSync(join(run.plan.stateDir, "log")).length;
    }
    assert.equal((await run.shim.state()).status, "running");
    assert.ok(anonymousMemory(run.shimPid) < 4096);
    const all = demultiplex(await readAll(stream)).stdout;
    assert.equal(all.length, size);
    assert.ok(
      all.equals(Buffer.from("0123456789abcdef\n".repeat(size / 17 + 1)).subarray(0, size)),
      "in order",
    );
    await run.exit;
  });

  test("cut off a client that reads nothing when no more may wait for it", async () => {
    const run = await bed.create({ argv: ["sh", "-c", "yes | head -c 5000000; echo done >&2"] });
    const { stream } = await openAttach(run.socketPath, { stdout: true });
    await run.shim.start();
    const exit = await run.exit;
    assert.ok(exit !== "lost" && exit.exitCode === 0);
    assert.equal(loggedText(run, "stderr"), "done\n");
    assert.ok(demultiplex(await readAll(stream)).stdout.length < 5_000_000);
    assert.deepEqual(run.eventWarnings, ["an attached client that takes no output was disconnected"]);
  });

  test("go on when a client goes away in the middle", async () => {
    const run = await bed.create({ argv: ["sh", "-c", "yes | head -c 500000; echo done >&2"] });
    const { stream } = await openAttach(run.socketPath, { stdout: true });
    await run.shim.start();
    await readUntil(stream, (text) => text.length > 1000);
    stream.destroy();
    const exit = await run.exit;
    assert.ok(exit !== "lost" && exit.exitCode === 0);
    assert.equal(loggedText(run, "stdout").length, 500_000);
    assert.equal(loggedText(run, "stderr"), "done\n");
  });

  test("carry stdin, and its end with stdinOnce", async () => {
    const data = randomBytes(1_000_003);
    const run = await bed.create({ argv: ["cat"], plan: { hasStdin: true, stdinOnce: true } });
    const { stream } = await openAttach(run.socketPath, { stdin: true, stdout: true });
    const output = readAll(stream);
    stream.end(data); // before the start: it waits in the pipe and in the socket
    await run.shim.start();
    assert.equal(digest(demultiplex(await output).stdout), digest(data));
    const exit = await run.exit;
    assert.ok(exit !== "lost" && exit.exitCode === 0);
  });

  test("keep stdin open without stdinOnce, for the next client", async () => {
    const run = await bed.create({
      argv: ["sh", "-c", "read a; read b; echo $a-$b"],
      plan: { hasStdin: true },
    });
    const first = await openAttach(run.socketPath, { stdin: true });
    await run.shim.start();
    first.stream.end("one\n");
    const { stream } = await openAttach(run.socketPath, { stdin: true, stdout: true });
    const output = readAll(stream);
    stream.write("two\n");
    const text = String(demultiplex(await output).stdout);
    assert.ok(text === "one-two\n" || text === "two-one\n", text);
    await run.exit;
  });

  test("keep stdin open when the connection of the only stdinOnce client is lost, for the next one", async () => {
    const run = await bed.create({
      argv: ["sh", "-c", "cat; echo over"],
      plan: { hasStdin: true, stdinOnce: true },
    });
    const lost = await openAttach(run.socketPath, { stdin: true, stdout: true });
    await run.shim.start();
    lost.stream.write("hello ");
    await readUntil(lost.stream, (text) => text.includes("hello"));
    lost.stream.destroy();
    const next = await openAttach(run.socketPath, { stdin: true, stdout: true });
    const output = readAll(next.stream);
    next.stream.end("again ");
    assert.equal(String(demultiplex(await output).stdout), "again over\n");
    await run.exit;
    assert.equal(loggedText(run, "stdout"), "hello again over\n");
  });

  test("pass on what was sent while stdin was full and before the connection was lost", async () => {
    const data = randomBytes(200_001);
    const run = await bed.create({
      argv: ["sh", "-c", `head -c ${data.length} | sha256sum; cat`],
      plan: { hasStdin: true, stdinOnce: true },
    });
    const lost = await openAttach(run.socketPath, { stdin: true });
    await promisify((done: () => void) => lost.stream.write(data, done))();
    lost.stream.destroy();
    const next = await openAttach(run.socketPath, { stdin: true, stdout: true });
    await run.shim.start();
    await readUntil(next.stream, (text) => text.includes(digest(data)));
    next.stream.end();
    const exit = await run.exit;
    assert.ok(exit !== "lost" && exit.exitCode === 0);
  });

  test("read from the null device without stdin, and refuse attachment after the end", async () => {
    const { stdout, run } = await bed.run({
      argv: ["sh", "-c", "cat; ls -l /proc/self/fd/0 | grep -o '/dev/.*'"],
    });
    assert.equal(String(stdout), "/dev/null\n");
    const gone = await openAttach(run.socketPath, { stdout: true }).catch((e: unknown) => e);
    assert.ok(gone instanceof Error);
  });
});

describe("a terminal", { skip }, () => {
  let bed: Bed;
  before(async () => {
    bed = await Bed.open();
  });
  after(async () => {
    await bed.close();
  });

  test("is the container's own, its console and its controlling terminal", async () => {
    const { stdout } = await bed.run({
      argv: [
        "sh",
        "-c",
        "tty; stty size; [ -c /dev/console ] && echo console; echo x >/dev/tty && echo to >/dev/console; ls -1 /dev/pts",
      ],
      plan: { isTty: true, rows: 33, columns: 99 },
    });
    assert.equal(String(stdout), "/dev/pts/0\r\n33 99\r\nconsole\r\nx\r\nto\r\n0\r\nptmx\r\n");
  });

  test("belongs to the user", async () => {
    const none = { bounding: 0, effective: 0, permitted: 0, inheritable: 0, ambient: 0 };
    const { stdout } = await bed.run({
      argv: ["sh", "-c", "id -u; echo again >/dev/pts/0"],
      settings: [inner.credentials("web", [], none)],
      plan: { isTty: true },
    });
    assert.equal(String(stdout), "1000\r\nagain\r\n");
  });

  test("takes input, echoes it, turns ^C into a signal, and resizes", async () => {
    const run = await bed.create({
      argv: [
        "sh",
        "-c",
        // A signal that comes just before the shell waits does not end its read; the trap runs when its time is over.
        "trap 'echo winch; stty size' WINCH; trap 'echo int; exit 5' INT; echo ready; while :; do read -t 1 line && echo got $line; done",
      ],
      plan: { isTty: true, hasStdin: true, rows: 24, columns: 80 },
    });
    const { stream, isTty } = await openAttach(run.socketPath, { stdin: true, stdout: true, stderr: true });
    assert.ok(isTty);
    await run.shim.start();
    await readUntil(stream, (text) => text.includes("ready"));
    stream.write("hi\n");
    await readUntil(stream, (text) => text.includes("got hi"));
    await run.shim.resize(null, 50, 132);
    await readUntil(stream, (text) => text.includes("50 132"));
    const rest = readAll(stream);
    stream.write("\x03");
    const exit = await run.exit;
    assert.ok(exit !== "lost" && exit.exitCode === 5);
    assert.match(String(await rest), /int/);
  });

  test("ignores the end of a client's input", async () => {
    const run = await bed.create({
      argv: ["sh", "-c", "read a; echo got $a"],
      plan: { isTty: true, hasStdin: true, stdinOnce: true },
    });
    const first = await openAttach(run.socketPath, { stdin: true });
    await run.shim.start();
    first.stream.end();
    const { stream } = await openAttach(run.socketPath, { stdin: true, stdout: true });
    stream.write("x\n");
    await readUntil(stream, (text) => text.includes("got x"));
    await run.exit;
  });

  test("is missed by resize where there is none", async () => {
    const run = await bed.create({ argv: ["sleep", "100"] });
    await run.shim.start();
    const error = await run.shim.resize(null, 1, 2).catch((e: unknown) => e);
    assert.ok(error instanceof SysError && error.errno === ENOTTY);
    const unknown = await run.shim.resize("nobody", 1, 2).catch((e: unknown) => e);
    assert.ok(unknown instanceof SysError && unknown.errno === ESRCH);
    await run.shim.signal(9);
    await run.exit;
  });
});

describe("the log", { skip }, () => {
  let bed: Bed;
  before(async () => {
    bed = await Bed.open();
  });
  after(async () => {
    await bed.close();
  });

  test("is Docker's json-file, with escapes, attrs and an unterminated rest", async () => {
    const { run } = await bed.run({
      argv: [
        "sh",
        "-c",
        "printf 'a\\tb \"q\" <x&y> \\\\ \\303\\244 \\377\\n'; printf '\\n'; echo err >&2; printf rest",
      ],
      plan: {
        log: {
          kind: "json-file",
          path: join(bed.dir, "attrs.log"),
          maxSizeBytes: 0,
          maxFiles: 1,
          attrs: '{"tag":"t"}',
        },
      },
    });
    const text = readFileSync(join(bed.dir, "attrs.log"), "utf8").replaceAll(new RegExp(TIME, "g"), '"T"');
    // Two pipes have no order between them.
    const linesOf = (stream: string): string[] =>
      text.split("\n").filter((line) => line.includes(`"stream":"${stream}"`));
    assert.deepEqual(linesOf("stderr"), ['{"log":"err\\n","stream":"stderr","attrs":{"tag":"t"},"T"}']);
    assert.equal(
      linesOf("stdout").join("\n"),
      '{"log":"a\\u0009b \\"q\\" \\u003cx\\u0026y\\u003e \\\\ ä \\ufffd\\n","stream":"stdout","attrs":{"tag":"t"},"T"}\n' +
        '{"log":"\\n","stream":"stdout","attrs":{"tag":"t"},"T"}\n' +
        '{"log":"rest","stream":"stdout","attrs":{"tag":"t"},"T"}',
    );
    assert.ok(run.pid > 1);
  });

  test("splits long lines into pieces of 16 KiB without a newline", async () => {
    const { run } = await bed.run({
      argv: ["sh", "-c", "head -c 40000 /dev/zero | tr '\\0' z; echo; echo next"],
    });
    const pieces = logOf(run).map((line) => /"log":"(z*|next)(\\n)?"/.exec(line));
    assert.deepEqual(
      pieces.map((m) => [m?.[1]?.length, m?.[2]]),
      [
        [16384, undefined],
        [16384, undefined],
        [7232, "\\n"],
        [4, "\\n"],
      ],
    );
  });

  test("rotates by size and keeps as many files as asked", async () => {
    const path = join(bed.dir, "rotated.log");
    await bed.run({
      argv: ["sh", "-c", "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done"],
      plan: { log: { kind: "json-file", path, maxSizeBytes: 5000, maxFiles: 3, attrs: "" } },
    });
    const texts = ["", ".1", ".2"].map((suffix) => readFileSync(`${path}${suffix}`, "utf8"));
    for (const text of texts.slice(1)) assert.ok(text.length >= 5000 && text.length < 5100);
    const numbers = texts
      .reverse()
      .join("")
      .match(/line \d+/g) as string[];
    assert.equal(numbers.at(-1), "line 299");
    const first = Number(numbers[0]?.slice(5));
    assert.deepEqual(
      numbers,
      Array.from({ length: 300 - first }, (_, i) => `line ${first + i}`),
    );
    assert.throws(() => readFileSync(`${path}.3`));
  });

  test("that cannot be written does not stop the container, and is warned about", async () => {
    const { run, stdout, exit } = await bed.run({
      argv: ["sh", "-c", "echo one; sleep 0.05; echo two"],
      plan: { log: { kind: "json-file", path: "/dev/full", maxSizeBytes: 0, maxFiles: 1, attrs: "" } },
    });
    assert.equal(String(stdout), "one\ntwo\n");
    assert.equal(exit.exitCode, 0);
    assert.deepEqual(run.eventWarnings, ["the log cannot be written, output is lost"]);
  });

  test("is not written without a driver, and output still reaches clients", async () => {
    const { stdout } = await bed.run({ argv: ["echo", "hi"], plan: { log: { kind: "none" } } });
    assert.equal(String(stdout), "hi\n");
  });
});
