// Runs `bun test` with the given arguments and repeats, behind its summary, what each failed test printed: in a run of
// thousands the reason of a failure is far above the end of the log.
//
//   tools/bun tools/test.ts --timeout 60000 ./src
//
// Exits as bun does.
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { type Readable } from "node:stream";
import { failuresOf } from "./test-failures.ts";

async function pass(from: Readable, to: NodeJS.WritableStream, lines: string[]): Promise<void> {
  from.setEncoding("utf8");
  let rest = "";
  for await (const text of from as AsyncIterable<string>) {
    to.write(text);
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts);
  }
  if (rest !== "") lines.push(rest);
}

const child = spawn(process.execPath, ["test", ...process.argv.slice(2)], {
  stdio: ["inherit", "pipe", "pipe"],
});
const ended = new Promise<number>((resolve) => {
  child.on("close", (code, signal) =>
    resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
  );
});
// bun writes its report, and most tests their words, to stderr; both go into one list in the order in which they come.
const lines: string[] = [];
await Promise.all([pass(child.stdout, process.stdout, lines), pass(child.stderr, process.stderr, lines)]);
const code = await ended;
if (code !== 0) for (const failure of failuresOf(lines)) process.stderr.write(`\n${failure.join("\n")}\n`);
process.exitCode = code;
