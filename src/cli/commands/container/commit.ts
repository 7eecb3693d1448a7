import { imageCommit } from "../../../api/operations/container.ts";
import { bool, list, string } from "../../../lib/flags/spec.ts";
import { defineCommand } from "../../command.ts";
import { print } from "../../output.ts";

export const command = defineCommand({
  operands: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
  arity: { min: 1, max: 2 },
  flags: {
    author: string('Author (e.g., "Ada Lovelace <ada@example.com>")', { short: "a" }),
    change: list("Apply Dockerfile instruction to the created image", { short: "c" }),
    message: string("Commit message", { short: "m" }),
    pause: bool("Pause container during commit", { short: "p", initial: true }),
  },
  interspersed: false,
  async run(session, { args, flags }) {
    const [container = "", name] = args;
    const client = await session.client();
    const { Id } = await client.call(imageCommit, {
      container,
      ...(await target(name)),
      comment: flags.message,
      author: flags.author,
      changes: flags.change,
      pause: flags.pause,
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
