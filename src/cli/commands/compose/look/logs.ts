import { bool, int, string } from "../../../../lib/flags/spec.ts";
import { anyArgs } from "../../../command.ts";
import { complain } from "../../../failure.ts";
import { writeAll } from "../../../output.ts";
import { defineComposeCommand } from "../define.ts";
import { onInterrupt } from "../interrupt.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS] [SERVICE...]",
  arity: anyArgs,
  flags: {
    follow: bool("Follow log output", { short: "f" }),
    index: int("index of the container if service has multiple replicas"),
    "no-color": bool("Produce monochrome output"),
    "no-log-prefix": bool("Don't print prefix in logs"),
    since: string(
      "Show logs since timestamp (e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m for 42 minutes)",
    ),
    tail: string("Number of lines to show from the end of the logs for each container", {
      short: "n",
      initial: "all",
    }),
    timestamps: bool("Show timestamps", { short: "t" }),
    until: string(
      "Show logs before a timestamp (e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m for 42 minutes)",
    ),
  },
  async run(compose, { flags, args }) {
    if (flags.index > 0 && args.length !== 1) throw complain("--index requires one service to be selected");
    const [{ showLogs }, { LogPrinter }, { containersOf }, { parseTimeArgument }] = await Promise.all([
      import("../../../../compose/logs/follow.ts"),
      import("../../../../compose/logs/printer.ts"),
      import("../../../../compose/execute/act.ts"),
      import("../../../../lib/units/go-time.ts"),
    ]);
    const { project, containers } = await compose.target(args);
    const own = containersOf(containers, args).filter(
      ({ number }) => flags.index <= 0 || number === flags.index,
    );
    const abort = new AbortController();
    const unsubscribe = onInterrupt(() => abort.abort());
    const time = (text: string): string | undefined =>
      text === "" ? undefined : parseTimeArgument(text, Date.now());
    await showLogs({
      client: await compose.client(),
      project: project.name,
      containers: own,
      services: args,
      query: {
        follow: flags.follow,
        since: time(flags.since),
        until: time(flags.until),
        tail: flags.tail,
        timestamps: flags.timestamps,
      },
      printer: new LogPrinter({
        hasColor: compose.hasColor && !flags["no-color"],
        hasPrefix: !flags["no-log-prefix"],
        // compat: what a container wrote to its standard error comes on standard output, too.
        write: (_, text) => writeAll(1, text),
      }),
      signal: abort.signal,
    });
    unsubscribe();
    return abort.signal.aborted ? 130 : 0;
  },
});
