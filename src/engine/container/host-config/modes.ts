// Namespace modes: which words each takes, and what a mode that names another container stands for.
import type { HostConfig, HostConfigRequest } from "../../../api/schemas/host-config.ts";
import { Fault } from "../../../lib/errors.ts";
import { autoSize } from "./userns.ts";

const CONTAINER = "container:";

/** What a kind of namespace may be: Docker's words and how a wrong one is complained about. */
const MODES = [
  ["IpcMode", "IPC mode", ["", "none", "private", "shareable", "host"], true],
  ["PidMode", "PID mode", ["", "host"], true],
  ["UTSMode", "UTS mode", ["", "host"], false],
  ["UsernsMode", "user namespace mode", ["", "host"], false],
  ["CgroupnsMode", "cgroup namespace mode", ["", "host", "private"], false],
] as const;

/** Refuses words that no namespace knows, with invalidParameter. */
export function checkModes(h: HostConfigRequest): void {
  for (const [key, what, words, joins] of MODES) {
    const mode = h[key] ?? "";
    if (key === "UsernsMode" && autoSize(mode) !== undefined) continue;
    if ((words as readonly string[]).includes(mode) || (joins && joinedContainer(mode) !== undefined))
      continue;
    throw new Fault("invalidParameter", `invalid ${what}: ${mode}`, { code: "container.namespace-mode" });
  }
}

/** Returns the container that a mode such as `container:web` joins, undefined for every other mode. */
export function joinedContainer(mode: string): string | undefined {
  const reference = mode.startsWith(CONTAINER) ? mode.slice(CONTAINER.length) : "";
  return reference === "" ? undefined : reference;
}

/** Returns the configuration with joined containers by id, so that a later rename changes nothing, as Docker stores them. */
export function withJoinedIds(h: HostConfig, idOf: (reference: string) => string): HostConfig {
  const byId = (mode: string): string => {
    const reference = joinedContainer(mode);
    return reference === undefined ? mode : CONTAINER + idOf(reference);
  };
  return { ...h, NetworkMode: byId(h.NetworkMode), PidMode: byId(h.PidMode), IpcMode: byId(h.IpcMode) };
}
