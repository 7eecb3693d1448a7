import { imageCommit } from "../../../api/operations/container.ts";
import { bool, list, string } from "../../../lib/flags/spec.ts";
import { defineCommand } from "../../command.ts";
import { complain } from "../../each.ts";
import { print } from "../../output.ts";

export const command = defineCommand({
  operands: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
  arity: { min: 1, max: 2 },
  flags: {
    author: string('Author (e.g., "Ada Lovelace <ada@example.com>")', { short: "a" }),
    change: list("Apply Dockerfile instruction to the created image", { short: "c" }),
    message: string("Commit message", { short: "m" }),
    "no-pause": bool("Disable pausing container during commit"),
    pause: bool("Pause container during commit", {
      short: "p",
      initial: true,
      deprecated: "and enabled by default. Use --no-pause to disable pausing during commit.",
    }),
  },
  interspersed: false,
  async run(session, { args, flags, given }) {
    const [container = "", name] = args;
    if (given.has("pause") && given.has("no-pause"))
      throw complain("conflicting options: --no-pause and --pause cannot be used together");
    const client = await session.client();
    const { Id } = await client.call(imageCommit, {
      container,
      ...(await target(name)),
      comment: flags.message,
      author: flags.author,
      changes: flags.change,
      pause: flags.pause && !flags["no-pause"],
    });
    print(`${Id}\n`);
  },
});

async function target(name: string | undefined): Promise<{ repo?: string; tag?: string }> {
  if (name === undefined || name === "") return {};
  const { canonicalName, parseReference, withDefaultTag } = await import("../../../oci/reference.ts");
  const reference = withDefaultTag(parseReference(name));
  return { repo: canonicalName(reference), ...(reference.tag === undefined ? {} : { tag: reference.tag }) };
}
