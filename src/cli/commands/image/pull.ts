import { bool, string } from "../../../lib/flags/spec.ts";
import { canonicalString, parseReference, withDefaultTag } from "../../../oci/reference.ts";
import { defineCommand, exactly } from "../../command.ts";
import { complain } from "../../failure.ts";
import { print } from "../../output.ts";
import { pullImage } from "../../progress/pull.ts";

export const command = defineCommand({
  operands: "[OPTIONS] NAME[:TAG|@DIGEST]",
  arity: exactly(1),
  flags: {
    "all-tags": bool("Download all tagged images in the repository", { short: "a" }),
    "disable-content-trust": bool("Skip image verification", { initial: true }),
    platform: string("Platform to pull, where the image has several", {
      initial: process.env["DOCKER_DEFAULT_PLATFORM"] ?? "",
      since: "1.32",
    }),
    quiet: bool("Suppress verbose output", { short: "q" }),
  },
  async run(session, { args, flags }) {
    const [name = ""] = args;
    const named = parseReference(name);
    const isBare = named.tag === undefined && named.digest === undefined;
    if (flags["all-tags"] && !isBare) throw complain("tag can't be used with --all-tags/-a");
    const reference = flags["all-tags"] ? named : withDefaultTag(named);
    if (!flags["all-tags"] && isBare && !flags.quiet)
      print(`Using default tag: ${reference.tag ?? "latest"}\n`);
    await pullImage(session, name, {
      platform: flags.platform,
      isQuiet: flags.quiet,
      fd: 1,
      allTags: flags["all-tags"],
    });
    print(`${canonicalString(reference)}\n`);
  },
});
