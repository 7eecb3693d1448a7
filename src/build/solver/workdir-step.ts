// The WORKDIR step.

import { Fault } from "../../lib/errors.ts";
import { TreeWriter } from "../files/copy.ts";
import { linkReader } from "../files/layer-tree.ts";
import { resolveOwner } from "../files/owner.ts";
import { resolveInTree } from "../files/resolve.ts";
import type { LayerDraft } from "./ports.ts";

/** Makes the working directory where it is missing, owned by the user ("" is root); what is there stays as it is. */
export async function makeWorkdir(draft: LayerDraft, step: { path: string; user: string }): Promise<void> {
  await using session = await draft.openFs();
  const target = await resolveInTree(linkReader(session), step.path);
  if (target.exists && !target.isDirectory) {
    throw new Fault("invalidParameter", `Cannot mkdir: ${step.path} is not a directory`, {
      code: "build.workdir",
    });
  }
  if (target.exists) return;
  const owner = step.user === "" ? { uid: 0, gid: 0 } : await resolveOwner(session, step.user, "buildkit");
  const writer = new TreeWriter(session);
  await writer.makeDirectories(target.path, owner);
  await writer.finish();
}
