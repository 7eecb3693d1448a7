// A container as `list` and `state` show it: runc's names and order.

import { statSync } from "node:fs";
import { userNameOf } from "../../../linux/procfs/accounts.ts";
import type { ContainerDir, ContainerState, Status } from "./store.ts";

export interface ListedContainer {
  ociVersion: string;
  id: string;
  /** 0 when it is stopped. */
  pid: number;
  status: Status;
  bundle: string;
  rootfs: string;
  created: string;
  annotations?: Record<string, string>;
  owner: string;
}

/** Returns what is shown of a container. */
export function listed(dir: ContainerDir, state: ContainerState): ListedContainer {
  const status = dir.statusOf(state);
  const { annotations } = state.spec;
  return {
    ociVersion: state.spec.ociVersion,
    id: state.id,
    pid: status === "stopped" ? 0 : state.pid,
    status,
    bundle: state.bundle,
    rootfs: state.spec.root?.path ?? "",
    created: state.created,
    ...(annotations && Object.keys(annotations).length > 0 ? { annotations } : {}),
    owner: ownerOf(dir.path),
  };
}

function ownerOf(path: string): string {
  const uid = statSync(path, { throwIfNoEntry: false })?.uid ?? 0;
  return userNameOf(uid) ?? `#${uid}`;
}
