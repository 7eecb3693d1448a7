// A daemon in this process, on a disk that is watched or on one that is left of a power cut, and what its API shows. The process has namespaces
// of its own (see run.ts).
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadDaemonConfig } from "../../../src/daemon/config.ts";
import { withRemap } from "../../../src/daemon/userns-remap.ts";
import type { MachinePorts } from "../../../src/daemon/wiring/floor.ts";
import { type Daemon, openDaemon } from "../../../src/daemon/wiring.ts";
import { Api } from "../api.ts";
import { ABSENT } from "./ledger.ts";
import { containerState } from "./workloads.ts";

export interface Place {
  /** Recorded, and put back: the data root is in it. */
  readonly disk: string;
  /** Everything else; as empty as after a start of the machine. */
  readonly run: string;
}

export interface OpenEngine extends AsyncDisposable {
  readonly api: Api;
  /** What the daemon has logged as an error. */
  readonly errors: readonly string[];
}

export const daemonArguments = ({ disk, run }: Place): string[] => [
  "--data-root",
  join(disk, "data"),
  "--exec-root",
  join(run, "exec"),
  "--pidfile",
  join(run, "pid"),
  "--config-file",
  join(run, "daemon.json"),
  "-H",
  `unix://${join(run, "sock")}`,
];

/** Opens a daemon that stops its containers when it is closed. */
export async function openEngine(place: Place, machine?: MachinePorts): Promise<OpenEngine> {
  rmSync(place.run, { recursive: true, force: true });
  mkdirSync(place.run, { recursive: true });
  writeFileSync(join(place.run, "daemon.json"), "{}");
  const config = loadDaemonConfig(daemonArguments(place));
  if ("notice" in config) throw new Error(config.notice);
  const errors: string[] = [];
  const log = (level: string, line: string): void => void (level === "error" ? errors.push(line) : undefined);
  const lost = (): void => void errors.push("keel has ended");
  const daemon: Daemon = await openDaemon({ ...withRemap(config), rootless: undefined }, log, lost, machine);
  await daemon.server.listen(`unix://${join(place.run, "sock")}`);
  const api = new Api(join(place.run, "sock"));
  return {
    api,
    errors,
    async [Symbol.asyncDispose]() {
      daemon.isLiveRestore = false;
      api.close();
      await daemon.close();
    },
  };
}

interface Inspected {
  State: { Status: string };
  HostConfig: { Memory: number };
  NetworkSettings: { Networks: Record<string, unknown> };
}

/** Returns the state of everything that there is, by the ledger's names; throws for what is half there. */
export async function observe(api: Api): Promise<Map<string, string>> {
  const seen = new Map<string, string>();
  const list = <T>(path: string): Promise<T> => api.json<T>("GET", path);
  for (const { Id, Names } of await list<{ Id: string; Names: string[] }[]>("/containers/json?all=1")) {
    const { State, HostConfig, NetworkSettings } = await list<Inspected>(`/containers/${Id}/json`);
    const name = (Names[0] ?? "").slice(1);
    const networks = Object.keys(NetworkSettings.Networks);
    seen.set(`container:${name}`, containerState(networks, HostConfig.Memory >> 20));
    seen.set(`run:${name}`, State.Status === "running" ? "runs" : "rests");
    if (!["created", "exited", "running"].includes(State.Status))
      throw new Error(`container ${name} is ${State.Status}`);
    // Its files: the layers of its image and its own.
    await api.text("GET", `/containers/${Id}/changes`);
  }
  for (const { Id, RepoTags } of await list<{ Id: string; RepoTags: string[] }[]>("/images/json")) {
    for (const tag of RepoTags) if (tag !== "<none>:<none>") seen.set(`image:${tag}`, "present");
    await api.text("GET", `/images/${Id}/json`);
  }
  for (const { Name } of await list<{ Name: string }[]>("/networks"))
    if (!["bridge", "host", "none"].includes(Name)) seen.set(`network:${Name}`, "present");
  for (const { Name } of (await list<{ Volumes: { Name: string }[] | null }>("/volumes")).Volumes ?? []) {
    const isAnonymous = /^[0-9a-f]{64}$/.test(Name);
    if (!isAnonymous) seen.set(`volume:${Name}`, "present");
  }
  const report = await api.json<{ Problems: unknown[] }>("POST", "/system/check");
  if (report.Problems.length > 0) throw new Error(`system check: ${JSON.stringify(report.Problems)}`);
  return seen;
}

/** Returns what is seen and is not allowed, or the other way round. */
export function broken(
  seen: ReadonlyMap<string, string>,
  objects: readonly string[],
  allowed: (object: string) => readonly string[],
): string[] {
  const all = new Set([...objects, ...[...seen.keys()].filter((object) => !object.startsWith("run:"))]);
  return [...all].flatMap((object) => {
    const state = seen.get(object) ?? ABSENT;
    const isRest = object.startsWith("run:") && state === ABSENT;
    const expected = allowed(object);
    if (expected.includes(state) || (isRest && expected.includes("rests"))) return [];
    return [`${object} is ${state}, not ${expected.join(" or ")}`];
  });
}
