import { imageTag } from "../../../api/operations/image.ts";
import { Fault, messageOf } from "../../../lib/errors.ts";
import { canonicalName, parseReference, type Reference, withDefaultTag } from "../../../oci/reference.ts";
import { defineCommand, exactly } from "../../command.ts";

export const command = defineCommand({
  operands: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
  arity: exactly(2),
  flags: {},
  async run(session, { args }) {
    const [name = "", target = ""] = args;
    const reference = parseTarget(target);
    const client = await session.client();
    await client.call(imageTag, { name, repo: canonicalName(reference), tag: reference.tag });
  },
});

function parseTarget(text: string): Reference {
  let reference: Reference;
  try {
    reference = parseReference(text);
  } catch (error) {
    throw new Fault(
      "invalidParameter",
      `Error parsing reference: ${JSON.stringify(text)} is not a valid repository/tag: ${messageOf(error)}`,
      { code: "cli.tag", cause: error },
    );
  }
  if (reference.digest !== undefined) {
    throw new Fault("invalidParameter", "refusing to create a tag with a digest reference", {
      code: "cli.tag",
    });
  }
  return withDefaultTag(reference);
}
