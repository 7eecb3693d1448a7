// What the explain commands have in common: the form of the output, and questions that several of them ask.
import type { Client } from "../../../api/client.ts";
import { containerLogs } from "../../../api/operations/container.ts";
import { containerFacts } from "../../../api/operations/facts.ts";
import { systemEvents, systemInfo } from "../../../api/operations/system.ts";
import type { ContainerFacts } from "../../../api/schemas/facts.ts";
import type { ContainerInspect } from "../../../api/schemas/container.ts";
import type { EventMessage } from "../../../api/schemas/system.ts";
import { Fault } from "../../../lib/errors.ts";
import { string } from "../../../lib/flags/spec.ts";
import { FrameDecoder } from "../../../lib/frames.ts";
import { parseNano } from "../../../lib/time.ts";
import { type Explanation, explanationText, ifKnown } from "../../explain/explanation.ts";
import { complain } from "../../failure.ts";
import { print } from "../../output.ts";

export const formatFlag = string('Form of the output ("text", "json")', { initial: "text" });

/** Prints in the form that was asked for. */
export function show<T>(format: string, value: T, text: (value: T) => string): void {
  if (format !== "text" && format !== "json")
    throw complain(`unknown format ${JSON.stringify(format)}: use text or json`);
  print(format === "json" ? `${JSON.stringify(value, null, 2)}\n` : text(value));
}

export const showExplanation = (format: string, e: Explanation): void => show(format, e, explanationText);

export const factsOf = (client: Client, id: string): Promise<ContainerFacts | undefined> =>
  ifKnown(client.call(containerFacts, { id }));

/** What happened to a container from its creation on, as far as the daemon still knows. */
export async function eventsOf(client: Client, inspect: ContainerInspect): Promise<EventMessage[]> {
  const events: EventMessage[] = [];
  const since = String(Math.floor(Date.parse(inspect.Created) / 1000));
  // By the daemon's own clock: the stream ends there and then.
  const { SystemTime } = await client.call(systemInfo, {});
  const nowNano = parseNano(SystemTime) ?? 0n;
  const until = `${nowNano / 1_000_000_000n}.${String(nowNano % 1_000_000_000n).padStart(9, "0")}`;
  const filters = { container: [inspect.Id], type: ["container"] };
  for await (const event of await client.stream(systemEvents, { since, until, filters })) events.push(event);
  return events;
}

const LOG_LINES = 10;

/** The last lines of the log; undefined where the driver lets nobody read. */
export async function lastLines(client: Client, inspect: ContainerInspect): Promise<string[] | undefined> {
  const query = { id: inspect.Id, stdout: true, stderr: true, tail: String(LOG_LINES) };
  try {
    const chunks: Uint8Array[] = [];
    const frames = new FrameDecoder();
    for await (const chunk of await client.stream(containerLogs, query))
      chunks.push(...(inspect.Config.Tty ? [chunk] : [...frames.push(chunk)].map((frame) => frame.data)));
    const text = Buffer.concat(chunks)
      .toString("utf8")
      .replace(/\r?\n$/, "");
    return text === "" ? [] : text.split(/\r?\n/);
  } catch (error) {
    if (error instanceof Fault && error.code === "daemon.error") return undefined;
    throw error;
  }
}
