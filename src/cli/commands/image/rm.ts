import { imageDelete } from "../../../api/operations/image.ts";
import { bool, strings } from "../../../lib/flags/spec.ts";
import { atLeast, defineCommand } from "../../command.ts";
import { describeFailure, exitWith, isNotFound } from "../../failure.ts";
import { platformJson } from "../../options/platform.ts";
import { print, printError } from "../../output.ts";

export const command = defineCommand({
  operands: "[OPTIONS] IMAGE [IMAGE...]",
  arity: atLeast(1),
  flags: {
    force: bool("Force removal of the image", { short: "f" }),
    "no-prune": bool("Do not delete untagged parents"),
    platform: strings('Remove only the given platform variant, as "os[/arch[/variant]]"', { since: "1.50" }),
  },
  async run(session, { args, flags }) {
    const platforms = await Promise.all(flags.platform.map(async (text) => (await platformJson(text)) ?? ""));
    const client = await session.client();
    const failures: string[] = [];
    let isFatal = false;
    for (const name of args) {
      try {
        const removed = await client.call(imageDelete, {
          name,
          force: flags.force,
          noprune: flags["no-prune"],
          platforms,
        });
        for (const { Deleted, Untagged } of removed ?? []) {
          print(
            Deleted !== undefined && Deleted !== ""
              ? `Deleted: ${Deleted}\n`
              : `Untagged: ${Untagged ?? ""}\n`,
          );
        }
      } catch (error) {
        if (!isNotFound(error)) isFatal = true;
        failures.push(describeFailure(error));
      }
    }
    if (failures.length === 0) return;
    if (!flags.force || isFatal) throw exitWith(1, failures.join("\n"));
    printError(`${failures.join("\n")}\n`);
  },
});
