import { systemEvents } from "../../../api/operations/system.ts";
import type { EventMessage } from "../../../api/schemas/system.ts";
import { messageOf } from "../../../lib/errors.ts";
import { custom, invalidValue, string } from "../../../lib/flags/spec.ts";
import { formatRfc3339Nano, parseTimeArgument } from "../../../lib/units/go-time.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { complain, exitWith } from "../../failure.ts";
import { filterFlag } from "../../filters.ts";
import { inspectFormatUsage } from "../../format/usage.ts";
import { print } from "../../output.ts";

export const command = defineCommand({
  operands: "[OPTIONS]",
  arity: noArgs,
  flags: {
    after: custom<number | undefined>(
      "int",
      "Resume after the event with this sequence number",
      undefined,
      parseNumber,
    ),
    filter: filterFlag("Filter output based on conditions provided", { short: "f" }),
    format: string(inspectFormatUsage),
    since: string("Show all events created since timestamp"),
    until: string("Stream events until this timestamp"),
  },
  async run(session, { flags }) {
    const show = await renderer(flags.format);
    const client = await session.client();
    const events = await client.stream(systemEvents, {
      since: timeOf(flags.since),
      until: timeOf(flags.until),
      after: flags.after,
      filters: flags.filter,
    });
    for await (const event of events) print(`${show(event)}\n`);
  },
});

function parseNumber(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw invalidValue("must be the sequence number of an event");
}

function timeOf(value: string): string | undefined {
  if (value === "") return undefined;
  try {
    return parseTimeArgument(value, Date.now());
  } catch (error) {
    throw complain(messageOf(error));
  }
}

async function renderer(format: string): Promise<(event: EventMessage) => string> {
  if (format === "") return plainText;
  try {
    const { Template } = await import("../../../template/template.ts");
    const { goValue } = await import("../../format/go-value.ts");
    const { eventMessage } = await import("../../../api/schemas/system.ts");
    const template = new Template(format === "json" ? "{{json .}}" : format);
    // compat: as JSON an event has Docker's fields; its number shows where a template names it.
    const hasNumber = format.includes(".Sequence");
    const render = ({ Sequence, ...event }: EventMessage): string =>
      template.execute(goValue(eventMessage, hasNumber ? { ...event, Sequence } : event));
    // Mistakes in the template show at once, not with the first event.
    template.execute(goValue({ kind: "optional", of: eventMessage }, {}));
    return render;
  } catch (error) {
    throw exitWith(64, `Error parsing format: ${messageOf(error)}`);
  }
}

function plainText(event: EventMessage): string {
  const nano = BigInt(event.timeNano ?? 0) || BigInt(event.time ?? 0) * 1_000_000_000n;
  const time = nano === 0n ? "" : `${formatRfc3339Nano(nano)} `;
  const attributes = Object.entries(event.Actor.Attributes ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`);
  const details = attributes.length === 0 ? "" : ` (${attributes.join(", ")})`;
  return `${time}${event.Type} ${event.Action} ${event.Actor.ID}${details}`;
}
