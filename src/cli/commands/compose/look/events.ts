import { systemEvents } from "../../../../api/operations/system.ts";
import type { EventMessage } from "../../../../api/schemas/system.ts";
import { label } from "../../../../compose/observe/labels.ts";
import { ofProject } from "../../../../compose/observe/observe.ts";
import { bool, string } from "../../../../lib/flags/spec.ts";
import { parseTimeArgument } from "../../../../lib/units/go-time.ts";
import { anyArgs } from "../../../command.ts";
import { print } from "../../../output.ts";
import { defineComposeCommand } from "../define.ts";
import { onInterrupt } from "../interrupt.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS] [SERVICE...]",
  arity: anyArgs,
  flags: {
    json: bool("Output events as a stream of json objects"),
    since: string("Show all events created since timestamp"),
    until: string("Stream events until this timestamp"),
  },
  async run(compose, { flags, args }) {
    const { project } = await compose.target(args);
    const client = await compose.client();
    const abort = new AbortController();
    const unsubscribe = onInterrupt(() => abort.abort());
    const time = (text: string): string | undefined =>
      text === "" ? undefined : parseTimeArgument(text, Date.now());
    const events = await client.stream(
      systemEvents,
      { since: time(flags.since), until: time(flags.until), filters: ofProject(project.name) },
      { signal: abort.signal },
    );
    try {
      for await (const event of events) {
        const { Attributes: attributes } = event.Actor;
        if (event.Type !== "container" || attributes[label.oneOff] === "True") continue;
        const service = attributes[label.service] ?? "";
        if (args.length > 0 && !args.includes(service)) continue;
        print(flags.json ? asJson(event, service) : asText(event));
      }
    } catch (error) {
      if (!abort.signal.aborted) throw error;
    } finally {
      unsubscribe();
    }
    return abort.signal.aborted ? 130 : 0;
  },
});

/** Compose's own labels are left out. */
function ownAttributes({ Actor }: EventMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(Actor.Attributes).filter(([name]) => !name.startsWith("com.docker.compose.")),
  );
}

function timeOf({ timeNano }: EventMessage): Date {
  return new Date(Number(BigInt(timeNano) / 1_000_000n));
}

function asJson(event: EventMessage, service: string): string {
  const line = {
    time: timeOf(event).toISOString(),
    type: "container",
    service,
    id: event.Actor.ID,
    action: event.Action,
    attributes: ownAttributes(event),
  };
  return `${JSON.stringify(line)}\n`;
}

function asText(event: EventMessage): string {
  const attributes = Object.entries(ownAttributes(event)).map(([name, value]) => `${name}=${value}`);
  const time = timeOf(event).toISOString().replace("T", " ").replace("Z", "000");
  return `${time} container ${event.Action} ${event.Actor.ID} (${attributes.sort().join(", ")})\n`;
}
