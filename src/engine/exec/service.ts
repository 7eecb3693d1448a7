// Further processes in running containers (`docker exec`): an exec is made, started once, and remembered with its exit
// code until its container is gone or a while has passed. Kept in memory only, as Docker does.
import type { Duplex } from "node:stream";
import type { Call, Hijack } from "../../api/call.ts";
import type { InputOf } from "../../api/contract.ts";
import type * as operations from "../../api/operations/exec.ts";
import type { ExecCreateResponse, ExecInspect } from "../../api/schemas/exec.ts";
import { Fault, SysError } from "../../lib/errors.ts";
import { exitFrame } from "../../lib/frames.ts";
import { newId } from "../../lib/id.ts";
import type { ExecPlan } from "../../linux/ops.ts";
import { planExec } from "../../runtime/plan/exec.ts";
import type { ExecRequest } from "../../runtime/plan/input.ts";
import { openExec } from "../../runtime/shim/client.ts";
import { generateSpec } from "../../runtime/spec/generate.ts";
import { type ContainerContext, publish } from "../container/context.ts";
import type { ContainerRecord } from "../container/record.ts";
import { isNamed, ownerOf } from "../container/files/owner.ts";
import { parseContainerPath } from "../container/files/path.ts";
import { openLive } from "../container/files/root.ts";
import { currentEnvironment } from "../container/network/links.ts";
import { specInputOf } from "../container/spec/input.ts";
import { externalOf, withExternalExec } from "../container/runtime/external.ts";
import { settlesWithin } from "../container/run/force.ts";
import { terminalSide } from "../container/run/resize.ts";
import { shownCommand } from "../container/shown-command.ts";
import { requireProcess } from "../container/run/state.ts";
import { readDetachKeys, splice } from "../container/streams/splice.ts";

type Input<O extends keyof typeof operations> = InputOf<(typeof operations)[O]>;
type ExecBody = Input<"containerExec">["body"];

/** An exec in its life: created → running → ended; failed starts end with an exit code, too. One that is not started ends with its container. */
interface Exec {
  readonly id: string;
  readonly containerId: string;
  readonly request: ExecBody;
  readonly command: readonly string[];
  readonly detachKeys: readonly number[];
  state: "created" | "running" | "ended";
  pid: number;
  exitCode: number | null;
  /** Resolves when its process is there, or could not be started. */
  readonly started: PromiseWithResolvers<void>;
  readonly ended: PromiseWithResolvers<number>;
}

/** Ended execs are kept this long for those who ask for the exit code. */
const REMEMBER_MS = 5 * 60_000;
/** How long a resize waits for an exec that is about to be started. */
const START_WAIT_MS = 10_000;

export class ExecService {
  readonly #context: ContainerContext;
  readonly #execs = new Map<string, Exec>();

  constructor(context: ContainerContext) {
    this.#context = context;
  }

  /** The id of the container that an exec is in; undefined when there is no such exec. */
  containerOf(id: string): string | undefined {
    return this.#execs.get(id)?.containerId;
  }

  #find(id: string): Exec {
    const exec = this.#execs.get(id);
    if (exec === undefined || this.#context.table.get(exec.containerId) === undefined)
      throw new Fault("notFound", `No such exec instance: ${id}`, { code: "exec.not-found" });
    return exec;
  }

  #running(reference: string): ContainerRecord {
    const record = this.#context.table.find(reference);
    requireProcess(record);
    if (record.state.status === "paused")
      throw new Fault("conflict", `Container ${reference} is paused, unpause the container before exec`, {
        code: "container.paused",
      });
    return record;
  }

  async create(input: Input<"containerExec">): Promise<ExecCreateResponse> {
    const command = input.body.Cmd ?? [];
    if (command.length === 0)
      throw new Fault("invalidParameter", "No exec command specified", { code: "exec.no-command" });
    const record = this.#running(input.id);
    await this.#checkUser(record, input.body.User ?? "");
    const { DetachKeys } = input.body;
    const detachKeys = readDetachKeys(
      DetachKeys ?? undefined,
      (keys) => `Invalid escape keys (${keys}) provided`,
    );
    const exec: Exec = {
      id: newId(),
      containerId: record.id,
      request: input.body,
      command,
      detachKeys,
      state: "created",
      pid: 0,
      exitCode: null,
      started: Promise.withResolvers<void>(),
      ended: Promise.withResolvers<number>(),
    };
    this.#execs.set(exec.id, exec);
    this.#context.table.live(record.id).addExec(exec.id, (exitCode) => this.#settle(exec, exitCode));
    publish(this.#context, record, `exec_create: ${shownCommand(command)}`, { execID: exec.id });
    return { Id: exec.id };
  }

  /** Fails with invalidParameter for names that the container's accounts do not have; what is wrong with numbers its start says. */
  async #checkUser(record: ContainerRecord, user: string): Promise<void> {
    if (!isNamed(user)) return;
    const { run } = this.#context.table.live(record.id);
    const opened = await openLive(this.#context, run, record, parseContainerPath("/"));
    if (opened === undefined) return; // its start says that the container has ended
    await using session = opened.session;
    await ownerOf(session, user);
  }

  /** Creates and starts in one (an extension): the answer's head has the id. */
  async run(input: Input<"containerExec">, hijack: Hijack, call: Call): Promise<void> {
    const { Id: id } = await this.create(input);
    const { Tty, ConsoleSize } = input.body;
    const body = { Tty: Tty ?? false, ConsoleSize, ExitFrame: true };
    await this.#startAttached({ id, body }, call, (isTty) =>
      hijack.accept({ isTty, begun: { upgrade: "exec", header: "Exec-Id", id } }),
    );
  }

  async start(input: Input<"execStart">, hijack: Hijack, call: Call): Promise<void> {
    await this.#startAttached(input, call, (isTty) => hijack.accept({ isTty }));
  }

  async #startAttached(
    input: Input<"execStart">,
    { signal }: Call,
    accept: (isTty: boolean) => Duplex,
  ): Promise<void> {
    const { exec, record } = this.#claim(input.id);
    const { AttachStdin, AttachStdout, AttachStderr, Tty } = exec.request;
    const streams = {
      stdin: AttachStdin ?? false,
      stdout: AttachStdout ?? false,
      stderr: AttachStderr ?? false,
    };
    const isTty = Tty ?? false;
    // compat: how the stream looks is what this request says; what the program has is what the exec was made with.
    const wantsTty = input.body?.Tty ?? false;
    // compat: the stream opens first; what is wrong with the command comes through it, the exit code from inspect.
    const client = accept(wantsTty);
    client.on("error", () => {}); // ignored: a client that has gone is seen by its `close`
    const size = wantsTty ? (input.body?.ConsoleSize ?? undefined) : undefined;
    const stream = await this.#launch(exec, record, streams, size);
    if (stream === null) return void client.end();
    const how = await splice(client, stream, {
      stdin: streams.stdin,
      endsWithInput: isTty,
      detachKeys: isTty ? exec.detachKeys : undefined,
      frames: { given: !isTty, wanted: !wantsTty },
      settled: () => exec.ended.promise,
      signal,
      lastWords: input.body?.ExitFrame && !wantsTty ? () => exitFrame(exec.exitCode ?? 0) : undefined,
    });
    if (how === "detached") publish(this.#context, record, "exec_detach", { execID: exec.id });
  }

  async startDetached(input: Input<"execStart">): Promise<void> {
    const { exec, record } = this.#claim(input.id);
    await this.#launch(exec, record, { stdin: false, stdout: false, stderr: false });
  }

  #claim(id: string): { exec: Exec; record: ContainerRecord } {
    const exec = this.#find(id);
    if (exec.state === "running")
      throw new Fault("conflict", `exec command ${id} is already running`, { code: "exec.running" });
    if (exec.state === "ended")
      throw new Fault("conflict", `exec command ${id} has already run`, { code: "exec.ended" });
    const record = this.#running(exec.containerId);
    exec.state = "running";
    return { exec, record };
  }

  async #launch(
    exec: Exec,
    record: ContainerRecord,
    streams: { stdin: boolean; stdout: boolean; stderr: boolean },
    size?: readonly number[],
  ): Promise<Duplex | null> {
    const { request } = exec;
    const live = this.#context.table.live(record.id);
    publish(this.#context, record, `exec_start: ${shownCommand(exec.command)}`, { execID: exec.id });
    try {
      const [rows = 0, columns = 0] = size ?? request.ConsoleSize ?? [];
      const input = specInputOf(record, this.#context.paths, () => record.state.pid);
      const env = [...currentEnvironment(this.#context.table, record), ...input.env];
      const { spec } = generateSpec({ ...input, ...this.#context.security, env });
      const execRequest: ExecRequest = {
        execId: exec.id,
        args: exec.command,
        env: request.Env ?? [],
        ...(request.User ? { user: request.User } : {}),
        ...(request.WorkingDir ? { cwd: request.WorkingDir } : {}),
        tty: request.Tty ?? false,
        isPrivileged: request.Privileged ?? false,
        hasStdin: streams.stdin,
        terminal: { rows, columns },
      };
      const open = (plan: ExecPlan) => openExec(this.#context.paths.socket(record.id), plan, streams);
      const external = externalOf(this.#context, record);
      const opened =
        external === undefined
          ? await open(planExec(spec, execRequest))
          : await withExternalExec(this.#context, record, external, { spec, request: execRequest }, open);
      exec.pid = opened.pid;
      return opened.stream;
    } catch (error) {
      live.execEnded(exec.id, execExitCode(error));
      throw execFault(error);
    } finally {
      exec.started.resolve();
    }
  }

  #settle(exec: Exec, exitCode: number): void {
    if (exec.state === "created") return void this.#execs.delete(exec.id);
    exec.state = "ended";
    exec.exitCode = exitCode;
    exec.ended.resolve(exitCode);
    const record = this.#context.table.get(exec.containerId);
    if (record !== undefined)
      publish(this.#context, record, "exec_die", { execID: exec.id, exitCode: String(exitCode) });
    setTimeout(() => this.#execs.delete(exec.id), REMEMBER_MS).unref();
  }

  async resize(input: Input<"execResize">): Promise<void> {
    const exec = this.#find(input.id);
    this.#running(exec.containerId);
    if (!(await settlesWithin(exec.started.promise, START_WAIT_MS)))
      throw new Fault("system", "timeout waiting for exec session ready", { code: "exec.not-started" });
    const { run } = this.#context.table.live(exec.containerId);
    if (exec.pid === 0 || run === null)
      throw new Fault("invalidParameter", "exec process is not started", { code: "exec.not-started" });
    try {
      await run.shim.resize(exec.id, terminalSide(input.height), terminalSide(input.width));
    } catch (error) {
      if (!(error instanceof SysError && error.errno === ENOTTY)) throw error;
      // ignored: compat, sizes of what is no terminal are taken and forgotten
    }
  }

  async inspect(input: Input<"execInspect">): Promise<ExecInspect> {
    const exec = this.#find(input.id);
    const { request } = exec;
    const [entrypoint = "", ...args] = exec.command;
    return {
      ID: exec.id,
      Running: exec.state === "running",
      ExitCode: exec.exitCode,
      ProcessConfig: {
        tty: request.Tty ?? false,
        entrypoint,
        arguments: args,
        privileged: request.Privileged ?? false,
        ...(request.User ? { user: request.User } : {}),
      },
      OpenStdin: request.AttachStdin ?? false,
      OpenStderr: request.AttachStderr ?? false,
      OpenStdout: request.AttachStdout ?? false,
      CanRemove: false,
      ContainerID: exec.containerId,
      // compat: the keys as bytes, in base64.
      DetachKeys: request.DetachKeys ? Buffer.from(exec.detachKeys).toString("base64") : "",
      Pid: exec.pid,
    };
  }
}

const ENOENT = 2;
const ENOTTY = 25;

function execExitCode(error: unknown): number {
  if (error instanceof Fault && error.detail["exitCode"] === 127) return 127;
  return isMissing(error) ? 127 : 126;
}

/** Whether the command, or the directory to run it in, is not there; an unknown user counts as not permitted. */
function isMissing(error: unknown): boolean {
  return error instanceof SysError && error.errno === ENOENT && error.op !== "credentials";
}

/** compat: clients look for runc's words to choose the exit codes 126 and 127; older ones know no directories. */
function execFault(error: unknown): unknown {
  if (!(error instanceof SysError)) return error;
  const { op, text, path } = error;
  const cause = { code: "exec.start-failed", detail: { errno: error.errno }, cause: error };
  if (op === "credentials") return new Fault("invalidParameter", text, cause);
  const what =
    op === "exec"
      ? text
      : op === "chdir"
        ? `chdir to cwd (${JSON.stringify(path)}) set in config.json failed: ${text.toLowerCase()}`
        : error.message;
  const also = op === "exec" && text.endsWith("is a directory") ? ": permission denied" : "";
  return new Fault(
    op === "exec" ? "invalidParameter" : "system",
    `OCI runtime exec failed: exec failed: unable to start container process: ${what}: unknown${also}`,
    cause,
  );
}
