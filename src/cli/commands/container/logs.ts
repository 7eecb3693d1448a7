import { containerInspect, containerLogs } from "../../../api/operations/container.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { parseTimeArgument } from "../../../lib/units/go-time.ts";
import { defineCommand, exactly } from "../../command.ts";
import { complain } from "../../failure.ts";
import { writeAll } from "../../output.ts";

const when = '(e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)';

export const command = defineCommand({
  operands: "[OPTIONS] CONTAINER",
  arity: exactly(1),
  flags: {
    details: bool("Show extra details provided to logs"),
    follow: bool("Follow log output", { short: "f" }),
    since: string(`Show logs since timestamp ${when}`),
    tail: string("Number of lines to show from the end of the logs", { short: "n", initial: "all" }),
    timestamps: bool("Show timestamps", { short: "t" }),
    until: string(`Show logs before a timestamp ${when}`, { since: "1.35" }),
  },
  async run(session, { args, flags }) {
    const client = await session.client();
    const { Id: id, Config } = await client.call(containerInspect, { id: args[0] ?? "" });
    const output = await client.stream(containerLogs, {
      id,
      stdout: true,
      stderr: true,
      follow: flags.follow,
      timestamps: flags.timestamps,
      details: flags.details,
      tail: flags.tail,
      since: timeOf("since", flags.since),
      until: timeOf("until", flags.until),
    });
    if (Config.Tty) {
      for await (const chunk of output) writeAll(1, chunk);
      return;
    }
    const { FRAME_TYPES, FrameDecoder } = await import("../../../lib/frames.ts");
    const frames = new FrameDecoder();
    for await (const chunk of output) {
      for (const { type, data } of frames.push(chunk)) {
        if (type === FRAME_TYPES.systemError)
          throw complain(`error from daemon in stream: ${Buffer.from(data).toString()}`);
        writeAll(type === FRAME_TYPES.stderr ? 2 : 1, data);
      }
    }
  },
});

function timeOf(name: string, value: string): string | undefined {
  if (value === "") return undefined;
  try {
    return parseTimeArgument(value, Date.now());
  } catch (error) {
    throw complain(`invalid value for "${name}": ${(error as Error).message}`);
  }
}
