import {
  volumeInspect,
  volumeSnapshotCreate,
  volumeSnapshotDelete,
  volumeSnapshotRestore,
} from "../../../api/operations/volume.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { runEach } from "../../each.ts";
import { complain } from "../../failure.ts";
import { printList } from "../../format/list.ts";
import { formatUsage } from "../../format/usage.ts";
import { snapshotColumns } from "../../format/volume.ts";
import { print } from "../../output.ts";
import type { Session } from "../../session.ts";
import { copied } from "./_copied.ts";

export const command = defineCommand({
  operands: "[OPTIONS] create|ls|restore|rm VOLUME [SNAPSHOT...]",
  description:
    "Copies of a volume at one moment, kept with it: `create` one (named by the time unless it has a name), `ls` them, `restore` the volume to one, `rm` some. `volume clone --snapshot` makes a volume of one.",
  arity: atLeast(2),
  flags: {
    format: string(`With ls: ${formatUsage}`),
    pause: bool("With create: pause the containers that use the volume meanwhile"),
    quiet: bool("With ls: only display names", { short: "q" }),
  },
  async run(session, { args, flags }) {
    const [verb = "", name = "", ...snapshots] = args;
    const [snapshot] = snapshots;
    const takes = (count: boolean): void => {
      if (!count) throw complain(`see 'volume snapshot --help' for what ${verb} takes`);
    };
    switch (verb) {
      case "create": {
        takes(snapshots.length < 2);
        const client = await session.client();
        const what = { name, pause: flags.pause, ...(snapshot === undefined ? {} : { snapshot }) };
        return print(`${await copied(await client.stream(volumeSnapshotCreate, what))}\n`);
      }
      case "ls":
      case "list":
        takes(snapshots.length === 0);
        return await list(session, name, flags.quiet ? "{{.Name}}" : flags.format);
      case "restore": {
        takes(snapshots.length === 1);
        const client = await session.client();
        const lines = await client.stream(volumeSnapshotRestore, { name, snapshot: snapshot ?? "" });
        return print(`${await copied(lines)}\n`);
      }
      case "rm":
      case "remove": {
        takes(snapshots.length > 0);
        const client = await session.client();
        return await runEach(snapshots, (one) => client.call(volumeSnapshotDelete, { name, snapshot: one }));
      }
      default:
        throw complain(`${JSON.stringify(verb)} is none of create, ls, restore, rm`);
    }
  },
});

async function list(session: Session, name: string, format: string): Promise<void> {
  const client = await session.client();
  const { Snapshots } = await client.call(volumeInspect, { name });
  const isTable = format === "" || format === "table";
  await printList(snapshotColumns, Snapshots ?? [], {
    format: isTable ? "table {{.Name}}\t{{.CreatedSince}}\t{{.Size}}" : format,
    isTruncated: false,
  });
}
