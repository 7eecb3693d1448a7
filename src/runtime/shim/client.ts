// The client of `keel shim` (native/PROTOCOL.md "keel shim"): one shim per container, reached over `shim.sock` in the
// container's state directory. It owns nothing: shims outlive every client, and a new daemon connects to them like the old one.
// Invariant: a request either gets its reply or fails: with Fault("unavailable") when the shim is gone, with Fault("deadline")
// when it does not answer in time (stopped, or held by the kernel); what keel refuses is a SysError.
//
//   control: connect → state | start | signal | resize | health … → close
//   events:  connect → reply → events → end (after the container's exit, or when the shim is lost)
//   stream:  connect → attach | exec → reply → raw bytes both ways → end
//   names:   connect → dns → reply → frames both ways → end

import type { Socket } from "node:net";
import { Fault, SysError } from "../../lib/errors.ts";
import { connectFrames, type FrameSocket } from "../../linux/frame-socket.ts";
import { readReply } from "../../linux/keel-reply.ts";
import { earlyEnd } from "./exit-file.ts";
import { type ExecPlan, encodeExecPlan, type Value } from "../../linux/ops.ts";
import { asBytes, asList, asNumber, asText, encodeFrame, type Reply } from "../../linux/wire.ts";

const VERB = {
  state: 1,
  start: 2,
  signal: 3,
  resize: 4,
  events: 5,
  attach: 6,
  exec: 7,
  dns: 8,
  health: 9,
  replaceLog: 10,
} as const;
const EVENT = { exit: 1, execExit: 2, warnings: 3, probe: 4, health: 5, rotation: 6 } as const;
const STREAM = { stdin: 1, stdout: 2, stderr: 4 } as const;
const ENOENT = 2;
const STATUSES = ["created", "running", "exited"] as const;
const ENDINGS = ["ended", "timed-out", "not-started"] as const;

/** How a container's first process ended. */
export interface ShimExit {
  /** 128 + signal for a killed process. */
  exitCode: number;
  /** The signal that killed it, 0 when it ended by itself. */
  signal: number;
  isOomKilled: boolean;
  /** Nanoseconds since the epoch. */
  finishedAtNano: bigint;
}

export interface ShimExecExit {
  execId: string;
  /** 128 + signal for a killed process. */
  exitCode: number;
}

export interface ShimState {
  status: (typeof STATUSES)[number];
  shimPid: number;
  /** The container's first process, as the host numbers it. */
  initPid: number;
  /** Valid when exited. */
  exitCode: number;
  /** Nanoseconds since the epoch, 0 before it happened. */
  startedAtNano: bigint;
  finishedAtNano: bigint;
  isOomKilled: boolean;
}

/** One run of the health check. */
export interface ProbeResult {
  /** From 1, in the order of the runs. */
  number: number;
  /** Nanoseconds since the epoch. */
  startedAtNano: bigint;
  endedAtNano: bigint;
  ending: (typeof ENDINGS)[number];
  /** 128 + signal for a killed one. */
  exitCode: number;
  /** What it wrote first; why, when it could not be started. */
  output: Buffer;
  /** It wrote more than is kept. */
  isTruncated: boolean;
}

/** What has happened since the container's start; enough to judge without having seen every result. */
export interface ProbeCounters {
  successes: number;
  /** Failures in a row, up to now. */
  failures: number;
  /** Of these, what began in the start period while there was no success yet. */
  earlyFailures: number;
}

/** The control connection of one shim. Requests are answered in order. */
export interface ShimClient {
  state(): Promise<ShimState>;
  /**
   * Lets the process at its barrier go on. Throws SysError with op "exec" and errno ENOENT or EACCES when the program cannot be
   * executed; the container has ended then, and its exit event says 127, 126 or 128. Throws Fault `shim.ended-early` when it had
   * ended before.
   */
  start(): Promise<{ pid: number; startedAtNano: bigint; warnings: string[] }>;
  /** kill(2); `all` also reaches every other process of the container. Throws SysError ESRCH after its end. */
  signal(signo: number, options?: { all?: boolean }): Promise<void>;
  /** Sets the terminal's size, of the container (null) or of an exec. Throws SysError ENOTTY without a terminal. */
  resize(execId: string | null, rows: number, columns: number): Promise<void>;
  /** The last results of the health check, oldest first. Throws SysError EINVAL when the shim is of a version without. */
  health(): Promise<{ counters: ProbeCounters; results: ProbeResult[] }>;
  /** Puts the file `<log>.gz` in the place of the rotated log file with this inode, which the caller has open; false when that is gone. */
  replaceLog(inode: bigint): Promise<boolean>;
  close(): void;
}

/** Nothing in a shim waits: an answer that takes this long is not coming. */
const REPLY_MS = 10_000;
/** Unless it is about a new process, which may wait for a slow disk or a file system on the network: then the shim is asked… */
const PROCESS_REPLY_MS = 60_000;
/** …whether it answers other questions, and gets this long. */
const STATE_REPLY_MS = 2_000;

/** Connections given up because their shim did not answer. */
const stuck = new WeakSet<FrameSocket>();

interface Patience {
  timeoutMs: number;
  /** Where to ask, when time is up, whether to go on waiting until PROCESS_REPLY_MS. */
  processOf?: string;
}

async function request(
  connection: FrameSocket,
  message: readonly Value[],
  { timeoutMs, processOf }: Patience = { timeoutMs: REPLY_MS },
): Promise<{ warnings: string[]; rest: Reply[] }> {
  const full = connection.send(encodeFrame(message));
  full?.catch(() => undefined); // ignored: the reply fails for the same reason
  const giveUp = (): void => {
    stuck.add(connection);
    // What comes too late would be taken for the answer to another request.
    connection.destroy();
  };
  const look = async (): Promise<void> => {
    if (processOf === undefined || !(await answers(processOf))) giveUp();
    else timer = setTimeout(giveUp, PROCESS_REPLY_MS - timeoutMs);
  };
  let timer = setTimeout(() => void look(), timeoutMs);
  try {
    return await connection.inTurn(async () => readReply(await connection.receive()));
  } catch (error) {
    throw stuck.has(connection) ? noAnswer(error) : error;
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a shim is there and answers. */
async function answers(socketPath: string): Promise<boolean> {
  try {
    const { connection } = await openWith(socketPath, [VERB.state], { timeoutMs: STATE_REPLY_MS });
    connection.destroy();
    return true;
  } catch {
    return false; // ignored: whoever asks has an error to tell already
  }
}

/** Sends the request of a connection that serves only this one; a refusal closes it. */
async function openWith(
  socketPath: string,
  message: readonly Value[],
  patience?: Patience,
): Promise<{ connection: FrameSocket; warnings: string[]; rest: Reply[] }> {
  const connection = await connectFrames(socketPath);
  try {
    return { connection, ...(await request(connection, message, patience)) };
  } catch (error) {
    connection.destroy();
    throw error;
  }
}

function noAnswer(cause?: unknown): Fault {
  return new Fault("deadline", "its shim does not answer: it is stopped, or held by the kernel", {
    code: "shim.stuck",
    cause,
  });
}

function asNano(value: Reply | undefined): bigint {
  return typeof value === "bigint" ? value : BigInt(asNumber(value));
}

function readState(rest: Reply[]): ShimState {
  return {
    status: STATUSES[asNumber(rest[0])] ?? "exited",
    shimPid: asNumber(rest[1]),
    initPid: asNumber(rest[2]),
    exitCode: asNumber(rest[3]),
    startedAtNano: asNano(rest[4]),
    finishedAtNano: asNano(rest[5]),
    isOomKilled: rest[6] === 1,
  };
}

function readCounters(values: Reply[]): ProbeCounters {
  return {
    successes: asNumber(values[0]),
    failures: asNumber(values[1]),
    earlyFailures: asNumber(values[2]),
  };
}

function readResult(value: Reply | undefined): ProbeResult {
  const fields = asList(value);
  return {
    number: asNumber(fields[0]),
    startedAtNano: asNano(fields[1]),
    endedAtNano: asNano(fields[2]),
    ending: ENDINGS[asNumber(fields[3])] ?? "ended",
    exitCode: asNumber(fields[4]),
    output: Buffer.from(asBytes(fields[5])), // a copy: the frame it came in is not kept
    isTruncated: fields[6] === 1,
  };
}

/** Opens a control connection. Throws Fault("unavailable") when there is no shim: it has ended, see readExitFile. */
export async function connectShim(socketPath: string): Promise<ShimClient> {
  let connection = await connectFrames(socketPath);
  let isDone = false;
  /** A connection that was given up does not stand for the shim: it may answer again. */
  const ask = async (message: readonly Value[], patience?: Patience) => {
    if (stuck.has(connection) && !isDone) connection = await connectFrames(socketPath);
    return request(connection, message, patience);
  };
  return {
    state: async () => readState((await ask([VERB.state])).rest),
    start: async () => {
      const started = ask([VERB.start], { timeoutMs: REPLY_MS, processOf: socketPath });
      const { rest, warnings } = await started.catch(async (error: unknown) => {
        throw await earlyEnd(error, socketPath);
      });
      return { pid: asNumber(rest[0]), startedAtNano: asNano(rest[1]), warnings };
    },
    signal: async (signo, options = {}) => {
      await ask([VERB.signal, signo, options.all ? 1 : 0]);
    },
    resize: async (execId, rows, columns) => {
      await ask([VERB.resize, execId ?? "", rows, columns]);
    },
    health: async () => {
      const { rest } = await ask([VERB.health]);
      return { counters: readCounters(rest), results: asList(rest[3]).map(readResult) };
    },
    replaceLog: async (inode) => {
      try {
        await ask([VERB.replaceLog, inode]);
        return true;
      } catch (error) {
        if (error instanceof SysError && error.errno === ENOENT) return false;
        throw error;
      }
    },
    close: () => {
      isDone = true;
      connection.destroy();
    },
  };
}

export interface ShimEventHandlers {
  /** The container's end; the last event. Called at once when it has ended already. */
  onExit(exit: ShimExit): void;
  /** The end of an exec, after its output was delivered. */
  onExecExit(exit: ShimExecExit): void;
  /** The log goes on in a new file. */
  onRotation?(): void;
  onWarning(warning: string): void;
  /** A run of the health check has begun, where it runs a program. */
  onProbe?(number: number): void;
  /** A run of the health check is over. Some may be left out when they are not read fast enough; the counters are up to date. */
  onHealth?(counters: ProbeCounters, result: ProbeResult): void;
  /** The shim is gone without an exit event: readExitFile may still know more. */
  onLost(): void;
}

/** Hands one event on. True after the last one. */
function dispatch(event: Reply[], handlers: ShimEventHandlers): boolean {
  switch (asNumber(event[0])) {
    case EVENT.exit:
      handlers.onExit({
        exitCode: asNumber(event[1]),
        signal: asNumber(event[2]),
        finishedAtNano: asNano(event[3]),
        isOomKilled: event[4] === 1,
      });
      return true;
    case EVENT.execExit:
      handlers.onExecExit({ execId: asText(event[1]), exitCode: asNumber(event[2]) });
      return false;
    case EVENT.rotation:
      handlers.onRotation?.();
      return false;
    case EVENT.warnings:
      for (const warning of asList(event[1])) handlers.onWarning(asText(warning));
      return false;
    case EVENT.probe:
      handlers.onProbe?.(asNumber(event[1]));
      return false;
    case EVENT.health:
      handlers.onHealth?.(readCounters(event.slice(1, 4)), readResult(event[4]));
      return false;
    default:
      return false; // of a newer keel
  }
}

async function readEvents(connection: FrameSocket, handlers: ShimEventHandlers): Promise<boolean> {
  for (;;) {
    const event = await connection.receive();
    if (event === null) return false;
    if (dispatch(event, handlers)) return true;
  }
}

/** An open stream of events; disposing ends it silently. */
export interface ShimEvents extends Disposable {
  /** Resolves when the shim has answered: from here on no event is missed. Rejects when it refuses, or does not answer in time. */
  readonly ready: Promise<void>;
}

/** Listens until the container's exit, from now on. Throws Fault("unavailable") when there is no shim. */
export async function openShimEvents(socketPath: string, handlers: ShimEventHandlers): Promise<ShimEvents> {
  const events = await listenToShim(socketPath, handlers);
  try {
    await events.ready;
  } catch (error) {
    events[Symbol.dispose]();
    throw error;
  }
  return events;
}

/** The same without waiting for the shim's answer: one that is stuck is listened to as well. */
export async function listenToShim(socketPath: string, handlers: ShimEventHandlers): Promise<ShimEvents> {
  const connection = await connectFrames(socketPath);
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => {}); // ignored: whoever waits for it hears of it
  let isDisposed = false;
  const listen = async (): Promise<void> => {
    let isOver = false;
    const late = setTimeout(() => ready.reject(noAnswer()), REPLY_MS);
    try {
      connection.send(encodeFrame([VERB.events]))?.catch(() => undefined); // ignored: the reply fails for the same reason
      readReply(await connection.receive());
      clearTimeout(late);
      ready.resolve();
      isOver = await readEvents(connection, handlers);
    } catch (error) {
      ready.reject(error); // a torn connection is a lost shim like any other
    }
    clearTimeout(late);
    connection.destroy();
    if (!isOver && !isDisposed) handlers.onLost();
  };
  void listen();
  return {
    ready: ready.promise,
    [Symbol.dispose]: () => {
      isDisposed = true;
      connection.destroy();
    },
  };
}

export interface StreamChoice {
  stdin?: boolean;
  stdout?: boolean;
  stderr?: boolean;
}

function streamBits(streams: StreamChoice): number {
  return (
    (streams.stdin ? STREAM.stdin : 0) |
    (streams.stdout ? STREAM.stdout : 0) |
    (streams.stderr ? STREAM.stderr : 0)
  );
}

/** Makes a raw stream of a connection; what was read too much comes first. Its end is the end of the process's output. */
function streamOf(connection: FrameSocket): Socket {
  const { socket, rest } = connection.release();
  // The shim never half-closes: when it is done, so are we, and "close" follows.
  socket.once("end", () => socket.end());
  socket.on("error", () => undefined); // ignored: "close" follows, and a shim that is gone takes no more input
  if (rest.length > 0) socket.unshift(rest);
  return socket;
}

/**
 * Attaches to the container's streams, from now on. Without a terminal the stream is Docker's multiplexing (8-byte heads), with
 * one it is raw. Ending the stream is end of file on stdin where the plan says stdinOnce. The stream is paused until it is read.
 * Throws SysError ESRCH when the container has ended.
 */
export async function openAttach(
  socketPath: string,
  streams: StreamChoice,
): Promise<{ isTty: boolean; stream: Socket }> {
  const { connection, rest } = await openWith(socketPath, [VERB.attach, streamBits(streams)]);
  return { isTty: asNumber(rest[0]) === 1, stream: streamOf(connection) };
}

/**
 * Starts a further process; `stream` is null without streams. Throws SysError: ESRCH when the container is not running, EEXIST for
 * an execId in use, op "exec" with ENOENT or EACCES for a program that cannot be executed.
 */
export async function openExec(
  socketPath: string,
  plan: ExecPlan,
  streams: StreamChoice,
): Promise<{ pid: number; warnings: string[]; stream: Socket | null }> {
  const bits = streamBits(streams);
  const { connection, rest, warnings } = await openWith(
    socketPath,
    [VERB.exec, bits, ...encodeExecPlan(plan)],
    { timeoutMs: REPLY_MS, processOf: socketPath },
  );
  const pid = asNumber(rest[0]);
  if (bits !== 0) return { pid, warnings, stream: streamOf(connection) };
  connection.destroy();
  return { pid, warnings, stream: null };
}

/**
 * Makes the shim listen for questions to the container's name service, at `port` of 127.0.0.11 unless it listens already, and
 * takes its connection over from any other. `keeps` is how many answers to one question it gives by itself when it is told to (0: none, a
 * shim from before it could). Throws SysError: ESRCH when the container has ended, EADDRINUSE for a taken port.
 */
export async function openDns(
  socketPath: string,
  port: number,
): Promise<{ port: number; keeps: number; connection: FrameSocket }> {
  const { connection, rest } = await openWith(socketPath, [VERB.dns, port]);
  return { port: asNumber(rest[0]), keeps: asNumber(rest[1] ?? 0), connection };
}
