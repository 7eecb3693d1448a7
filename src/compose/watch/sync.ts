// Brings changed files into a service's containers: what is there is sent as an archive, what is gone is removed.

import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { putContainerArchive } from "../../api/operations/container.ts";
import { containerExec, execStart } from "../../api/operations/exec.ts";
import { TAR_END, tarEntry, tarHeader, tarPadding } from "../../lib/tar/writer.ts";
import type { ObservedContainer } from "../observe/observe.ts";
import type { Work } from "../execute/work.ts";
import { isMeant, targetOf, type WatchRule } from "./rules.ts";

/** Synchronises paths with containers. */
export async function syncPaths(
  work: Work,
  containers: readonly ObservedContainer[],
  rule: WatchRule,
  paths: readonly string[],
): Promise<void> {
  const blocks: Uint8Array[] = [];
  const gone: string[] = [];
  for (const path of paths) {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) gone.push(targetOf(rule, path));
    else blocks.push(...packed(rule, path));
  }
  const archive = Buffer.concat([...blocks, TAR_END]);
  for (const { id } of containers) {
    if (gone.length > 0) await runIn(work, id, ["rm", "-rf", ...gone]);
    if (blocks.length > 0)
      await work.client.call(putContainerArchive, { id, path: "/", copyUIDGID: true }, { upload: archive });
  }
}

function packed(rule: WatchRule, path: string): Uint8Array[] {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined || !isMeant(rule, path)) return [];
  const base = {
    name: targetOf(rule, path).replace(/^\/+/, ""),
    mode: stats.mode & 0o7777,
    mtimeSec: Math.floor(stats.mtimeMs / 1000),
  };
  if (stats.isDirectory()) {
    const children = readdirSync(path).flatMap((name) => packed(rule, join(path, name)));
    return [tarHeader(tarEntry({ ...base, type: "directory" })), ...children];
  }
  if (stats.isSymbolicLink())
    return [tarHeader(tarEntry({ ...base, type: "symlink", linkName: readlinkSync(path) }))];
  if (!stats.isFile()) return [];
  const content = readFileSync(path);
  return [
    tarHeader(tarEntry({ ...base, type: "file", sizeBytes: content.length })),
    content,
    tarPadding(content.length),
  ];
}

/** Runs a command in a container; what it says and how it ends does not matter. */
async function runIn(work: Work, id: string, command: readonly string[]): Promise<void> {
  const exec = await work.client.call(containerExec, {
    id,
    body: {
      User: "",
      Privileged: false,
      Tty: false,
      AttachStdin: false,
      AttachStdout: true,
      AttachStderr: true,
      DetachKeys: "",
      Env: [],
      WorkingDir: "",
      Cmd: [...command],
    },
  });
  const { socket } = await work.client.hijack(execStart, {
    id: exec.Id,
    body: { Detach: false, Tty: false },
  });
  for await (const _ of socket); // to its end
}
