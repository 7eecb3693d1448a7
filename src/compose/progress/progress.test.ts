// What is printed of progress and of logs.

import assert from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";
import { test } from "node:test";
import { LogPrinter } from "../logs/printer.ts";
import { progressPrinter, type PrinterOptions } from "./printers.ts";
import { type Progress, reported } from "./progress.ts";

function printer(options: Partial<PrinterOptions>): { progress: Progress; printed: () => string } {
  let text = "";
  const progress = progressPrinter({
    mode: "auto",
    ansi: "auto",
    isTerminal: false,
    isDryRun: false,
    isAttached: false,
    size: () => ({ columns: 60, rows: 10 }),
    write: (more) => void (text += more),
    ...options,
  });
  assert.ok(progress);
  return { progress, printed: () => text };
}

test("without a terminal every event is a line", async () => {
  const { progress, printed } = printer({});
  await reported(progress, "Network n", "Creating", async () => {});
  await assert.rejects(
    reported(progress, "Volume v", "Creating", async () => {
      throw new Error("no room");
    }),
  );
  progress.on({ id: "layer", parent: "Image i", text: "Downloading", status: "working" });
  assert.equal(
    printed(),
    " Network n Creating \n Network n Created \n Volume v Creating \n Volume v Error no room\n",
  );
});

test("a dry run says so in front of every line", () => {
  const { progress, printed } = printer({ isDryRun: true });
  progress.on({ id: "Container c", text: "Created", status: "done" });
  assert.equal(printed(), "DRY-RUN MODE -  Container c Created \n");
});

test("as JSON every event is an object", () => {
  const { progress, printed } = printer({ mode: "json" });
  progress.on({ id: "l", parent: "Image i", text: "Downloading", status: "working", current: 1, total: 2 });
  assert.equal(
    printed(),
    '{"id":"l","parent_id":"Image i","status":"Working","text":"Downloading","current":1,"total":2}\n',
  );
});

test("quiet prints nothing, another mode there is not", () => {
  const { progress, printed } = printer({ mode: "quiet" });
  progress.on({ id: "a", text: "b", status: "done" });
  assert.equal(printed(), "");
  assert.throws(() => printer({ mode: "loud" }));
});

test("on a terminal the end of the work is a line for every resource, within the width", () => {
  const { progress, printed } = printer({ isTerminal: true });
  progress.start("up");
  progress.on({ id: "Network n", text: "Created", status: "done" });
  progress.on({
    id: "Container c",
    text: "Error",
    status: "error",
    details: "it went wrong in many words ".repeat(5),
  });
  progress.done();
  const lines = stripVTControlCharacters(printed()).replaceAll("\r", "").split("\n");
  assert.match(lines[0] ?? "", /^\[\+\] up 2\/2 *$/);
  assert.match(lines[1] ?? "", /^ ✔ Network n {3}Created +\d+\.\ds$/);
  assert.match(lines[2] ?? "", /^ ✘ Container c Error it went wrong/);
  for (const line of lines) assert.ok(line.length <= 60, line);
});

test("on a terminal other lines stand above the progress, which is drawn anew below them", async () => {
  let text = "";
  const drawn = Promise.withResolvers<void>();
  const write = (more: string): void => {
    text += more;
    drawn.resolve();
  };
  const progress = progressPrinter({
    ...{ mode: "tty", ansi: "auto", isTerminal: true, isDryRun: false, isAttached: false, write },
    size: () => ({ columns: 60, rows: 10 }),
  });
  assert.ok(progress);
  progress.start("build");
  progress.on({ id: "Image i", text: "Building", status: "working" });
  await drawn.promise;
  text = "";
  progress.aside(() => write("line\n"));
  assert.equal(text, "\x1b[2A\r\x1b[Jline\n");
  progress.done(); // what it drew last stays
  text = "";
  progress.aside(() => write("line\n"));
  assert.equal(text, "line\n");
});

test("logs stand behind names of one width, whole lines only, each stream to its own", () => {
  const written: [number, string][] = [];
  const logs = new LogPrinter({
    hasColor: false,
    hasPrefix: true,
    write: (fd, text) => void written.push([fd, text]),
  });
  logs.register("a-1");
  logs.register("longer-1");
  logs.take("a-1", 1, Buffer.from("one\ntw"));
  logs.take("a-1", 2, Buffer.from("err\r\n"));
  logs.take("a-1", 1, Buffer.from("o\n"));
  logs.take("longer-1", 1, Buffer.from("unfinished"));
  logs.status("longer-1", "exited with code 0");
  assert.deepEqual(written, [
    [1, "a-1       | one\n"],
    [2, "a-1       | err\n"],
    [1, "a-1       | two\n"],
    [1, "longer-1  | unfinished\n"],
    [1, "longer-1 exited with code 0\n"],
  ]);
});

test("a letter of several bytes that comes in two pieces stays whole", () => {
  let text = "";
  const logs = new LogPrinter({ hasColor: false, hasPrefix: false, write: (_, more) => void (text += more) });
  const bytes = Buffer.from("é\n");
  logs.take("a", 1, bytes.subarray(0, 1));
  logs.take("a", 1, bytes.subarray(1));
  assert.equal(text, "é\n");
});
