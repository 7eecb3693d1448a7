// Pulling an image with its progress shown, for `pull` and for `run` and `create` when the image is missing.

import { imageCreate } from "../../api/operations/image.ts";
import type { Digest } from "../../oci/digest.ts";
import { canonicalName, parseReference, type Reference, withDefaultTag } from "../../oci/reference.ts";
import { credentialsFor } from "../config/credentials.ts";
import type { Session } from "../session.ts";
import { displayOn } from "./display.ts";

export interface PullOptions {
  /** `os[/arch[/variant]]`, empty for the daemon's own. */
  readonly platform: string;
  readonly isQuiet: boolean;
  /** Where progress is printed. */
  readonly fd: 1 | 2;
  /** Pulls every tag of the repository. */
  readonly allTags?: boolean;
}

/** Pulls the image; a name without a tag means `latest` unless all tags are asked for. */
export async function pullImage(session: Session, image: string, options: PullOptions): Promise<void> {
  const named = parseReference(image);
  const reference = options.allTags === true ? named : withDefaultTag(named);
  const client = await session.client();
  const registryAuth = credentialsFor(await session.config(), reference.domain);
  const lines = await client.stream(imageCreate, {
    fromImage: canonicalName(reference),
    tag: tagOf(reference),
    platform: options.platform,
    registryAuth,
  });
  await displayOn(options.fd, lines, { isQuiet: options.isQuiet });
}

function tagOf(reference: Reference): string | undefined {
  const digest: Digest | undefined = reference.digest;
  return digest ?? reference.tag;
}
