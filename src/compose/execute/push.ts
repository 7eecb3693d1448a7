// Pushing images of services.

import { imagePush } from "../../api/operations/image.ts";
import { canonicalName, parseReference, withDefaultTag } from "../../oci/reference.ts";
import { transfer } from "./transfer.ts";
import type { Project } from "../model/project.ts";
import { allDone, type Work } from "./work.ts";

export interface PushOptions {
  readonly isQuiet: boolean;
  readonly ignoresFailures: boolean;
}

/** Pushes the images that a project's services build. Throws a Fault when that fails. */
export async function pushImages(work: Work, project: Project, options: PushOptions): Promise<void> {
  const images = new Set<string>();
  for (const { name, image, build } of Object.values(project.services)) {
    // What is not built here came from where it would be pushed to.
    if (build === undefined || image === undefined)
      work.progress.on({ id: name, text: "Skipped", status: "warning" });
    else for (const tag of [image, ...(build.tags ?? [])]) images.add(tag);
  }
  const pushes = [...images].map((image) => pushImage(work, image, options.isQuiet));
  if (options.ignoresFailures) await Promise.allSettled(pushes);
  else await allDone(pushes);
}

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
