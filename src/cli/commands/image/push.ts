import { imagePush } from "../../../api/operations/image.ts";
import { bool, string } from "../../../lib/flags/spec.ts";
import { canonicalString, familiarName, parseReference, withDefaultTag } from "../../../oci/reference.ts";
import { defineCommand, exactly } from "../../command.ts";
import { credentialsFor } from "../../config/credentials.ts";
import { complain } from "../../failure.ts";
import { platformJson } from "../../options/platform.ts";
import { print } from "../../output.ts";
import { displayOn } from "../../progress/display.ts";

export const command = defineCommand({
  operands: "[OPTIONS] NAME[:TAG]",
  arity: exactly(1),
  flags: {
    "all-tags": bool("Push all tags of an image to the repository", { short: "a" }),
    "disable-content-trust": bool("Skip image signing", { initial: true }),
    platform: string(
      `Push one platform's manifest as a single-platform image.
'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)`,
      { since: "1.46" },
    ),
    quiet: bool("Suppress verbose output", { short: "q" }),
  },
  async run(session, { args, flags }) {
    const platform = await platformJson(flags.platform);
    const named = parseReference(args[0] ?? "");
    const isBare = named.tag === undefined && named.digest === undefined;
    if (flags["all-tags"] && !isBare) throw complain("tag can't be used with --all-tags/-a");
    const reference = flags["all-tags"] ? named : withDefaultTag(named);
    if (!flags["all-tags"] && isBare && !flags.quiet)
      print(`Using default tag: ${reference.tag ?? "latest"}\n`);
    const client = await session.client();
    const lines = await client.stream(imagePush, {
      name: familiarName(reference),
      tag: reference.digest ?? reference.tag,
      platform,
      registryAuth: credentialsFor(await session.config(), reference.domain),
    });
    await displayOn(1, lines, { isQuiet: flags.quiet });
    if (flags.quiet) print(`${canonicalString(reference)}\n`);
  },
});
