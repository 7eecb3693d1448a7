// Progress streams on a terminal and off it, as Docker's client draws them.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProgressLine } from "../../api/schemas/progress.ts";
import { Display } from "./json-lines.ts";

function show(lines: readonly ProgressLine[], options: { isTerminal: boolean; columns?: number }): string {
  let out = "";
  const display = new Display({ fd: 1, write: (text) => (out += text), ...options });
  for (const line of lines) display.show(line);
  return out;
}

const pull: ProgressLine[] = [
  { status: "Pulling from library/nginx", id: "latest" },
  { status: "Pulling fs layer", progressDetail: {}, id: "aaa" },
  { status: "Pulling fs layer", progressDetail: {}, id: "bbb" },
  { status: "Downloading", progressDetail: { current: 1_000_000, total: 2_000_000 }, id: "aaa" },
  { status: "Pull complete", progressDetail: {}, id: "aaa" },
  { status: "Status: Downloaded" },
];

test("off a terminal only lines without a bar appear", () => {
  assert.equal(
    show(pull, { isTerminal: false }),
    [
      "latest: Pulling from library/nginx\n",
      "aaa: Pulling fs layer\nbbb: Pulling fs layer\naaa: Pull complete\n",
      "Status: Downloaded\n",
    ].join(""),
  );
});

test("on a terminal every id is redrawn on its own line", () => {
  const bar = `[${"=".repeat(25)}>${" ".repeat(25)}]      1MB/2MB`;
  assert.equal(
    show(pull, { isTerminal: true, columns: 200 }),
    [
      "latest: Pulling from library/nginx\n",
      "\n\u001b[1A\u001b[2K\raaa: Pulling fs layer \r\u001b[1B",
      "\n\u001b[1A\u001b[2K\rbbb: Pulling fs layer \r\u001b[1B",
      `\u001b[2A\u001b[2K\raaa: Downloading ${bar}\r\u001b[2B`,
      "\u001b[2A\u001b[2K\raaa: Pull complete \r\u001b[2B",
      "Status: Downloaded\n",
    ].join(""),
  );
});

test("narrow terminals get numbers without a bar", () => {
  const [, , , line] = pull;
  assert.match(show([line as ProgressLine], { isTerminal: true, columns: 80 }), /Downloading {6}1MB\/2MB\r/);
});

test("errors end the stream with their code", () => {
  const line = { error: "no", errorDetail: { code: 7, message: "no such thing" } };
  assert.throws(() => show([line], { isTerminal: false }), {
    message: "no such thing",
    detail: { exitCode: 7 },
  });
  assert.throws(() => show([{ error: "plain" }], { isTerminal: false }), {
    message: "plain",
    detail: { exitCode: 1 },
  });
});

test("build output is printed as it comes, results go elsewhere", () => {
  const aux: unknown[] = [];
  let out = "";
  const display = new Display({
    fd: 1,
    isTerminal: false,
    write: (text) => (out += text),
    onAux: (line) => aux.push(line.aux),
  });
  for (const line of [{ stream: "Step 1" }, { stream: "\n" }, { aux: { ID: "x" } }]) display.show(line);
  assert.equal(out, "Step 1\n");
  assert.deepEqual(aux, [{ ID: "x" }]);
});
