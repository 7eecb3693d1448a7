// Pushing images of services.

import { imagePush } from "../../api/operations/image.ts";
import { canonicalName, parseReference, withDefaultTag } from "../../oci/reference.ts";
import { transfer } from "./transfer.ts";
import type { Work } from "./work.ts";

/** Pushes an image. Throws a Fault when that fails. */
export async function pushImage(work: Work, image: string, isQuiet: boolean): Promise<void> {
  const reference = withDefaultTag(parseReference(image));
  const open = () =>
    work.client.stream(imagePush, {
      name: canonicalName(reference),
      tag: reference.tag,
      registryAuth: work.ports.registryAuth(image),
    });
  await transfer(work, image, { verb: "Pushing", done: "Pushed", isQuiet }, open);
}
