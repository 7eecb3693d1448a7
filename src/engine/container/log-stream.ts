// ContainerLogs: the entries of the log file as output chunks, with the decorations that were asked for.
import type { OutputChunk, OutputStream } from "../../api/call.ts";
import type { InputOf } from "../../api/contract.ts";
import type { containerLogs } from "../../api/operations/container.ts";
import { Fault } from "../../lib/errors.ts";
import { formatNanoFixed, parseNano, parseTimestamp } from "../../lib/time.ts";
import type { ContainerContext } from "./context.ts";
import { type LogEntry, type LogQuery, readLog } from "./logs.ts";
import { type ContainerRecord, isRunning } from "./record.ts";
import type { LiveContainer } from "./table.ts";

type LogsInput = InputOf<typeof containerLogs>;

const invalid = (message: string): Fault => new Fault("invalidParameter", message, { code: "logs.invalid" });

/** Opens the logs; fails with invalidParameter before anything is sent. */
export async function openLogs(
  context: ContainerContext,
  live: LiveContainer,
  record: ContainerRecord,
  input: LogsInput,
  signal: AbortSignal,
): Promise<OutputStream> {
  if (!input.stdout && !input.stderr) throw invalid("Bad parameters: you must choose at least one stream");
  if (record.hostConfig.LogConfig.Type === "none")
    throw new Fault("notImplemented", "configured logging driver does not support reading", {
      code: "logs.unreadable",
    });
  const query: LogQuery = {
    ...time("since", input.since),
    ...time("until", input.until),
    ...tail(input.tail),
    ...(input.follow && isRunning(record) && live.run !== null
      ? { follow: { ended: live.run.settled, signal } }
      : {}),
  };
  return { isTty: record.config.Tty, batches: decorate(readLog(context.paths.log(record.id), query), input) };
}

function time(name: "since" | "until", text: string | undefined): Partial<LogQuery> {
  if (text === undefined || text === "0") return {};
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
      chunks.push({ stream, data: Buffer.from(prefix(entry, input) + entry.log) });
    }
    if (chunks.length > 0) yield chunks;
  }
}

function prefix(entry: LogEntry, input: LogsInput): string {
  const stamp = input.timestamps ? `${formatNanoFixed(parseNano(entry.time) ?? 0n)} ` : "";
  if (!input.details) return stamp;
  const details = Object.entries(entry.attrs ?? {}).map(
    ([k, v]) => `${encodeURIComponent(k)}=${encodeURIComponent(v)}`,
  );
  return `${stamp}${details.join(",")} `;
}
