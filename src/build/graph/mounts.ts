// The mounts of RUN, planned: variables expanded, targets made absolute, origins looked up. Rules are BuildKit's.

import { posix } from "node:path";
import { cleanPath } from "../../lib/patternmatch/clean-path.ts";
import { parseMount, type RunMount } from "../dockerfile/mounts.ts";
import { syntaxError } from "../dockerfile/syntax-error.ts";
import type { FileSource, MountOp } from "./vertex.ts";

export interface MountPlanning {
  readonly expand: (text: string) => string;
  readonly workingDir: string;
  /** Finds what `from` names. */
  readonly originOf: (from: string) => Promise<FileSource>;
}

const metaOf = (mount: RunMount, mode: number) => ({
  mode: mount.mode ?? mode,
  uid: mount.uid ?? 0,
  gid: mount.gid ?? 0,
});

function targetOf(mount: RunMount, workingDir: string): string {
  const target = mount.target.startsWith("/")
    ? cleanPath(mount.target)
    : cleanPath(`/${workingDir}/${mount.target}`);
  if (target === "/") throw syntaxError(`invalid mount target ${JSON.stringify(target)}`);
  return target;
}

async function planCache(mount: RunMount, planning: MountPlanning): Promise<MountOp> {
  const target = targetOf(mount, planning.workingDir);
  const origin =
    mount.from === ""
      ? undefined
      : { source: await planning.originOf(mount.from), path: cleanPath(`/${mount.source}`) };
  return {
    kind: "cache",
    target,
    isReadonly: mount.isReadonly,
    id: mount.id === "" ? cleanPath(mount.target) : mount.id,
    sharing: mount.sharing,
    ...metaOf(mount, 0o755),
    ...(origin === undefined ? {} : { origin }),
  };
}

function planSecret(mount: RunMount): MountOp {
  const id = mount.source || mount.id || posix.basename(mount.target);
  const target = mount.target || (mount.env === undefined ? `/run/secrets/${posix.basename(id)}` : undefined);
  return {
    kind: "secret",
    id,
    ...(target === undefined ? {} : { target: cleanPath(target.startsWith("/") ? target : `/${target}`) }),
    ...(mount.env === undefined ? {} : { env: mount.env || id }),
    isRequired: mount.isRequired,
    ...metaOf(mount, 0o400),
  };
}

/** Plans one mount; `index` counts the ssh mounts before it. */
async function planMount(mount: RunMount, planning: MountPlanning, index: number): Promise<MountOp> {
  switch (mount.type) {
    case "cache":
      return planCache(mount, planning);
    case "secret":
      return planSecret(mount);
    case "tmpfs":
      return {
        kind: "tmpfs",
        target: targetOf(mount, planning.workingDir),
        sizeBytes: mount.sizeBytes,
      };
    case "ssh":
      return {
        kind: "ssh",
        id: mount.id || "default",
        target: mount.target || `/run/buildkit/ssh_agent.${index}`,
        isRequired: mount.isRequired,
        ...metaOf(mount, 0o600),
      };
    case "bind":
      return {
        kind: "bind",
        target: targetOf(mount, planning.workingDir),
        isReadonly: mount.isReadonly,
        source: mount.from === "" ? "" : await planning.originOf(mount.from),
        path: cleanPath(`/${mount.source}`),
      };
  }
}

/** Plans the mounts of one RUN, in their order. Throws Fault `dockerfile.syntax`. */
export async function planMounts(texts: readonly string[], planning: MountPlanning): Promise<MountOp[]> {
  const mounts: MountOp[] = [];
  for (const text of texts) {
    const sshBefore = mounts.filter((m) => m.kind === "ssh").length;
    mounts.push(await planMount(parseMount(text, planning.expand), planning, sshBefore));
  }
  return mounts;
}
