import { systemCheck } from "../../../api/operations/system.ts";
import { bool } from "../../../lib/flags/spec.ts";
import { defineCommand, noArgs } from "../../command.ts";
import { exitWith } from "../../failure.ts";
import { print } from "../../output.ts";

export const command = defineCommand({
  operands: "[OPTIONS]",
  description:
    "Reads all images, layers and blobs and compares them with their digests.\n\n" +
    "With --repair, what is damaged is removed unless a container uses it: a pull or a build brings it again.",
  arity: noArgs,
  flags: { repair: bool("Remove what is damaged") },
  async run(session, { flags }) {
    const client = await session.client();
    const report = await client.call(systemCheck, { repair: flags.repair });
    for (const { Kind, ID, Text, Repaired } of report.Problems)
      print(`${Kind} ${ID}: ${Text}${Repaired ? ": removed" : ""}\n`);
    print(`${report.Images} images, ${report.Layers} layers, ${report.Blobs} blobs: `);
    const left = report.Problems.filter((problem) => !problem.Repaired).length;
    print(report.Problems.length === 0 ? "all is well\n" : `${report.Problems.length} problems\n`);
    if (left > 0) throw exitWith(1, `${left} problems are left${flags.repair ? "" : ": see --repair"}`);
  },
});
