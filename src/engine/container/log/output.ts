// ContainerLogs: the entries of the log files as output chunks, with the decorations that were asked for.
import type { OutputChunk, OutputStream } from "../../../api/call.ts";
import type { InputOf } from "../../../api/contract.ts";
import type { containerLogs } from "../../../api/operations/container.ts";
import { Fault } from "../../../lib/errors.ts";
import { formatNanoFixed, parseNano, parseTimestamp } from "../../../lib/time.ts";
import type { ContainerContext } from "../context.ts";
import { type ContainerRecord, isRunning } from "../record.ts";
import type { LiveContainer } from "../table.ts";
import { bytesOf, type LogEntry } from "./entry.ts";
import { isReadable } from "./options.ts";
import { type LogQuery, readLog } from "./read.ts";

type LogsInput = InputOf<typeof containerLogs>;

const invalid = (message: string): Fault => new Fault("invalidParameter", message, { code: "logs.invalid" });

/** Fails with notImplemented for a log that is not kept, or not for readers. */
export function checkReadable(record: ContainerRecord): void {
  if (isReadable(record.hostConfig.LogConfig)) return;
  throw new Fault("notImplemented", "configured logging driver does not support reading", {
    code: "logs.unreadable",
  });
}

/** Opens the logs; fails with invalidParameter before anything is sent. */
export async function openLogs(
  context: ContainerContext,
  live: LiveContainer,
  record: ContainerRecord,
  input: LogsInput,
  signal: AbortSignal,
): Promise<OutputStream> {
  if (!input.stdout && !input.stderr) throw invalid("must specify at least one of 'stdout' or 'stderr'");
  if (live.isRemoving || record.state.status === "dead")
    throw new Fault("conflict", "can not get logs from container which is dead or marked for removal", {
      code: "logs.removing",
    });
  checkReadable(record);
  const query: LogQuery = {
    ...time("since", input.since),
    ...time("until", input.until),
    ...tail(input.tail),
    ...(input.follow && isRunning(record) && live.run !== null
      ? { follow: { ended: live.run.settled, signal, watches: context.logs.watches } }
      : {}),
  };
  return { isTty: record.config.Tty, batches: decorate(readLog(context.logs.pathOf(record), query), input) };
}

function time(name: "since" | "until", text: string | undefined): Partial<LogQuery> {
  if (text === undefined || text === "" || text === "0") return {};
  const nano = parseTimestamp(text);
  if (nano === null) throw invalid(`invalid value for "${name}": ${text}`);
  return name === "since" ? { sinceNano: nano } : { untilNano: nano };
}

/** compat: whatever is not a number means all, as the API has always had it. */
function tail(text: string | undefined): { tail?: number } {
  return text !== undefined && /^\d{1,15}$/.test(text) ? { tail: Number(text) } : {};
}

async function* decorate(
  batches: AsyncIterable<LogEntry[]>,
  input: LogsInput,
): AsyncGenerator<OutputChunk[]> {
  for await (const batch of batches) {
    const chunks: OutputChunk[] = [];
    for (const entry of batch) {
      const stream = entry.stream === "stderr" ? "stderr" : "stdout";
      if (!(stream === "stderr" ? input.stderr : input.stdout)) continue;
      chunks.push({ stream, data: bytesOf(prefix(entry, input) + entry.log) });
    }
    if (chunks.length > 0) yield chunks;
  }
}

/** compat: each piece of a long line has them, too. */
function prefix(entry: LogEntry, input: LogsInput): string {
  const stamp = input.timestamps ? `${formatNanoFixed(parseNano(entry.time) ?? 0n)} ` : "";
  return input.details ? `${stamp}${detailsOf(entry)} ` : stamp;
}

function detailsOf(entry: LogEntry): string {
  return Object.entries(entry.attrs ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${queryEscape(key)}=${queryEscape(value)}`)
    .join(",");
}

/** Go's url.QueryEscape. */
function queryEscape(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%20", "+");
}
