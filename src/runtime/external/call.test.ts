import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Fault, SysError } from "../../lib/errors.ts";
import { RecordingKeel } from "../../linux/keel-fake.ts";
import { callRuntime, externalFailure, lastRuntimeError } from "./call.ts";
import type { RuntimeContainer } from "./command.ts";

let dir: string;
let container: RuntimeContainer;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), "berth-external-"));
  container = { runtime: { command: ["/bin/rt", "--flag"], env: ["PATH=/bin"] }, id: "c1", stateDir: dir };
});
after(() => rm(dir, { recursive: true }));

const keelThat = (answer: [code: number, output: string] | SysError) =>
  new RecordingKeel(() => (answer instanceof SysError ? answer : [answer[0], Buffer.from(answer[1])]));

test("a call is the runtime's command line with the container's own state, and yields what it wrote", async () => {
  const keel = keelThat([0, "[7]"]);
  assert.equal(await callRuntime(keel, container, ["ps", "c1"], "in"), "[7]");
  const [, argv, env, input] = keel.named("program")[0] as unknown as [number, string[], string[], string];
  assert.deepEqual(argv.slice(0, 5), ["/bin/rt", "--flag", "--root", join(dir, "runtime"), "--log"]);
  assert.deepEqual(argv.slice(6), ["--log-format", "json", "ps", "c1"]);
  assert.deepEqual([env, input], [["PATH=/bin"], "in"]);
  assert.deepEqual(await readdir(dir), [], "the log of the call is gone");
});

test("what a runtime says when it fails is told, from its log or from its output", async () => {
  await assert.rejects(callRuntime(keelThat([1, "no log\n"]), container, ["pause", "c1"]), {
    kind: "system",
    message: "OCI runtime pause failed: no log: unknown",
  });
  await assert.rejects(callRuntime(keelThat([2, ""]), container, ["kill", "c1"]), /exit status 2/);
  const late = new SysError("program", "/bin/rt", 110, "does not end");
  await assert.rejects(callRuntime(keelThat(late), container, ["kill", "c1"]), { kind: "deadline" });
  const missing = new SysError("program", "/bin/rt", 2, "No such file or directory");
  await assert.rejects(
    callRuntime(keelThat(missing), container, ["kill", "c1"]),
    /OCI runtime kill failed: .*: fork\/exec \/bin\/rt: no such file or directory: unknown/,
  );
});

test("the last error of a log counts, whatever else is in it", async () => {
  const log = join(dir, "log");
  const lines = [
    '{"level":"error","msg":"first"}',
    '{"level":"error","msg":"why \\"x\\""}',
    '{"level":"warning","msg":"w"}',
    "torn {",
  ];
  await writeFile(log, lines.join("\n"));
  assert.equal(await lastRuntimeError(log), 'why "x"');
  assert.equal(await lastRuntimeError(join(dir, "none")), "");
  await rm(log);
});

test("a start that the runtime refused has its reason and the exit code that goes with it", async () => {
  const log = join(dir, "log");
  const failed = async (op: string, msg: string) => {
    await writeFile(log, JSON.stringify({ level: "error", msg }));
    const fault = await externalFailure(new SysError(op, "/bin/rt", 121, "exit status 1"), log);
    await rm(log);
    assert.ok(fault instanceof Fault);
    return [fault.kind, fault.detail["exitCode"], fault.message];
  };
  assert.deepEqual(await failed("runtimeCreate", 'exec: "x": executable file not found in $PATH'), [
    "invalidParameter",
    127,
    'failed to create task for container: failed to create shim task: OCI runtime create failed: exec: "x": executable file not found in $PATH: unknown',
  ]);
  assert.deepEqual(await failed("runtimeExec", "permission denied"), [
    "invalidParameter",
    126,
    "OCI runtime exec failed: permission denied: unknown",
  ]);
  assert.deepEqual((await failed("runtimeStart", "odd")).slice(0, 2), ["system", 128]);
  assert.equal(await externalFailure(new SysError("mount", "/", 1, "x"), log), undefined);
  assert.equal(await externalFailure(new Error("x"), log), undefined);
});
