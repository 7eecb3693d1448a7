// Reproducible layers: nothing in them is younger than SOURCE_DATE_EPOCH.

import { fs } from "../../linux/ops.ts";
import { decodeName, nameForKernel } from "../../lib/tar/names.ts";
import { OpBatch } from "../files/copy.ts";
import type { LayerDraft } from "./ports.ts";

const S_IFMT = 0o170000;
const S_IFCHR = 0o020000;

/** Gives every file of a draft that is younger than the time that time. */
export async function clampTimes(draft: LayerDraft, epochSec: number): Promise<void> {
  await using session = await draft.openUpper();
  const late: { path: string; mode: number; uid: number; gid: number }[] = [];
  for await (const entry of session.export("/")) {
    // A whiteout has no time of its own in the archive.
    const isWhiteout = (entry.mode & S_IFMT) === S_IFCHR && entry.major === 0 && entry.minor === 0;
    const path = decodeName(entry.rawPath);
    if (
      isWhiteout ||
      path === "." ||
      entry.mtimeSec < epochSec ||
      (entry.mtimeSec === epochSec && entry.mtimeNsec === 0)
    )
      continue;
    late.push({ path, mode: entry.mode & 0o7777, uid: entry.uid, gid: entry.gid });
  }
  const batch = new OpBatch(session);
  for (const { path, ...meta } of late.reverse())
    await batch.add(fs.meta(nameForKernel(`/${path}`), { ...meta, mtimeSec: epochSec, mtimeNsec: 0 }));
  await batch.finish();
}
