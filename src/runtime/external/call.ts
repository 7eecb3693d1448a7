// Calls of an external runtime about a container that is there: pause, kill, update and the like, made by keel. What a runtime says when it
// fails is told in the words that Docker's users know.
import { randomBytes } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { Fault, SysError } from "../../lib/errors.ts";
import type { Keel } from "../../linux/keel.ts";
import { host } from "../../linux/ops.ts";
import { type RuntimeContainer, runtimeArgv } from "./command.ts";

const CALL_MS = 60_000;
const ENOENT = 2;
const EACCES = 13;
const ETIMEDOUT = 110;

/** Runs `verb` and returns what it wrote. Throws Fault system with what the runtime says. */
export async function callRuntime(
  keel: Keel,
  container: RuntimeContainer,
  verb: readonly [name: string, ...args: string[]],
  input = "",
): Promise<string> {
  const [name] = verb;
  const log = join(container.stateDir, `${randomBytes(8).toString("hex")}.log`);
  const { runtime } = container;
  try {
    const op = host.program(runtimeArgv(container, log, verb), runtime.env, input, CALL_MS);
    const { results } = await keel.run([op]);
    const [code, output] = results[0] as [number, Uint8Array];
    if (code === 0) return Buffer.from(output).toString("utf8");
    const said = (await lastRuntimeError(log)) || Buffer.from(output).toString("utf8").trim();
    throw runtimeFault(name, said || `exit status ${code}`);
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    throw error.errno === ETIMEDOUT
      ? new Fault("deadline", `OCI runtime ${name}: ${runtime.command[0]} does not end`, {
          code: "runtime.stuck",
          cause: error,
        })
      : runtimeFault(name, await missingProgram(error, log), error);
  } finally {
    await rm(log, { force: true });
  }
}

/** Returns why a container (`create`, `start`) or an exec could not be started; undefined when its runtime has nothing to do with it. */
export async function externalFailure(error: unknown, log: string): Promise<Fault | undefined> {
  if (!(error instanceof SysError)) return undefined;
  const verb = /^runtime(Create|Start|Exec)$/.exec(error.op)?.[1]?.toLowerCase();
  if (verb === undefined) return undefined;
  const isMissing = error.errno === ENOENT || error.errno === EACCES;
  const said = isMissing ? await missingProgram(error, log) : await lastRuntimeError(log);
  return runtimeFault(verb, said || error.text, error);
}

/** compat: go-runc's words, behind the shim's that there is no log. */
async function missingProgram(error: SysError, log: string): Promise<string> {
  const text = error.text.toLowerCase();
  return `unable to retrieve OCI runtime error (open ${log}: no such file or directory): fork/exec ${error.path}: ${text}`;
}

/** compat: shells know a program that is not there (127) from one that cannot be executed (126), and Docker goes by the words. */
function exitCodeOfText(text: string): number {
  const lower = text.toLowerCase();
  const has = (...words: string[]) => words.some((w) => lower.includes(w));
  if (has("executable file not found", "no such file or directory")) return 127;
  return has("permission denied", "is a directory", "not a directory", "exec format error") ? 126 : 128;
}

function runtimeFault(verb: string, said: string, cause?: unknown): Fault {
  const exitCode = exitCodeOfText(said);
  const prefix = verb === "create" ? "failed to create task for container: failed to create shim task: " : "";
  const isStart = verb === "create" || verb === "start" || verb === "exec";
  // compat: a program that cannot be run is the request's fault.
  return new Fault(
    isStart && exitCode !== 128 ? "invalidParameter" : "system",
    `${prefix}OCI runtime ${verb} failed: ${said}: unknown`,
    { code: "runtime.failed", detail: { verb, exitCode }, cause },
  );
}

/** Returns the last error in a runtime's log, "" when it has none or there is no log. */
export async function lastRuntimeError(log: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(log, "utf8");
  } catch {
    return ""; // ignored: it said nothing
  }
  for (const line of text.trimEnd().split("\n").reverse()) {
    try {
      const entry = JSON.parse(line) as { level?: string; msg?: string };
      if (entry.level === "error" && typeof entry.msg === "string") return entry.msg;
    } catch {
      // ignored: not a line of the log's form
    }
  }
  return "";
}
