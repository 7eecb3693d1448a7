import { bool, int } from "../../../../lib/flags/spec.ts";
import { exactly } from "../../../command.ts";
import { complain } from "../../../failure.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS] SERVICE:SRC_PATH DEST_PATH|-\n[OPTIONS] SRC_PATH|- SERVICE:DEST_PATH",
  arity: exactly(2),
  flags: {
    all: bool("Include containers created by the run command"),
    archive: bool("Archive mode (copy all uid/gid information)", { short: "a" }),
    "follow-link": bool("Always follow symbol link in SRC_PATH", { short: "L" }),
    index: int("Index of the container if service has multiple replicas"),
  },
  async run(compose, { flags, args, path }) {
    const [source = "", target = ""] = args;
    const [from, to] = [serviceOf(source), serviceOf(target)];
    if (from !== undefined && to !== undefined) throw complain("copying between services is not supported");
    const service = from ?? to;
    if (service === undefined) throw complain("unknown copy direction");
    const { containers } = await compose.target([service]);
    const own = containers.filter(
      (container) =>
        container.service === service &&
        (flags.all || !container.isOneOff) &&
        (flags.index <= 0 || container.number === flags.index),
    );
    // Out of one container; into every one of the service.
    const chosen = from === undefined ? own : own.slice(0, 1);
    if (chosen.length === 0) throw complain(`no container found for service ${JSON.stringify(service)}`);
    const { command: copy } = await import("../../container/cp.ts");
    const { reported } = await import("../../../../compose/progress/progress.ts");
    const work = await compose.work();
    await compose.during(work, "copy", async () => {
      for (const { id, name } of chosen) {
        const places = (owner: string): [string, string] => {
          const replace = (text: string): string => `${owner}:${text.slice(service.length + 1)}`;
          return from === undefined ? [source, replace(target)] : [replace(source), target];
        };
        const copies = async (): Promise<void> => {
          if (compose.isDryRun) return;
          await copy.run(compose.session, {
            flags: { archive: flags.archive, "follow-link": flags["follow-link"], quiet: true },
            given: new Set(["quiet"]),
            args: places(id),
            path,
          });
        };
        await reported(work.progress, name, "Copying", copies, { details: places(name).join(" to ") });
      }
    });
  },
});

/** A path here starts with a dot or a slash where it has a colon. */
function serviceOf(text: string): string | undefined {
  if (text === "-" || text.startsWith("/") || text.startsWith(".")) return undefined;
  const colon = text.indexOf(":");
  return colon <= 0 ? undefined : text.slice(0, colon);
}
