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
  return { ...shown(state, dir.statusOf(state)), owner: ownerOf(dir.path) };
}

function shown(state: ContainerState, status: Status): Omit<ListedContainer, "owner"> {
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
  };
}

/** Returns what `state` prints of it. */
export function stateJson(state: ContainerState, status: Status): string {
  return JSON.stringify({ ...shown(state, status), owner: "" }, null, 2);
}

function ownerOf(path: string): string {
  const uid = statSync(path, { throwIfNoEntry: false })?.uid ?? 0;
  return userNameOf(uid) ?? `#${uid}`;
}
