// The namespaces of a rootless daemon: a process that holds them (native/rootless.c) and one that gives them their way out. They
// outlive the daemon as long as a container does. What is known of them is in a file beside the exec root:
//
//   none ─make→ held ─join→ held ─end (no container runs)→ none
//
// A number alone says little of a process: its start time is kept with it.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Fault, messageOf } from "../../lib/errors.ts";
import { idMapTexts } from "../../linux/idmap.ts";
import { isSameProcess, processStart } from "./process.ts";
import type { RootlessNeeds } from "./requirements.ts";

/** A process of ours. */
interface Kept {
  readonly pid: number;
  readonly start: string;
}

interface HolderRecord {
  readonly version: 1;
  readonly holder: Kept;
  readonly network: Kept;
}

/** Where slirp4netns answers questions for names. */
export const NAME_SERVER = "10.0.2.3";

const FILE = "namespaces.json";

/** Returns the process in whose namespaces an earlier daemon lived; undefined when it is gone. */
export function findHolder(dir: string): number | undefined {
  const record = load(dir);
  return record !== undefined && isSameProcess(record.holder) && isSameProcess(record.network)
    ? record.holder.pid
    : undefined;
}

function load(dir: string): HolderRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, FILE), "utf8")) as HolderRecord;
  } catch {
    return undefined; // ignored: there was none
  }
}

/** Makes the namespaces; returns the process that holds them. `why` explains a refusal by the kernel. */
export async function makeHolder(
  dir: string,
  keelPath: string,
  needs: RootlessNeeds,
  why: () => string,
): Promise<number> {
  endHolder(dir); // what is left of one that lost its other half
  const child = spawn(keelPath, ["rootless", "hold"], { stdio: ["pipe", "pipe", "pipe"], detached: true });
  const complaint = collect(child);
  try {
    const lines = createInterface({ input: child.stdout });
    const next = nextLine(child, lines, complaint, why);
    await next("user");
    await writeMaps(child.pid as number, needs);
    child.stdin.write("\n");
    await next("ready");
    lines.close();
    const network = await startSlirp(needs.slirp, child.pid as number);
    save(dir, child.pid as number, network);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
  child.unref();
  return child.pid as number;
}

function collect(child: ChildProcess): () => string {
  let text = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  return () => text.trim().replace(/^keel: /, "");
}

function nextLine(
  child: ChildProcess,
  lines: AsyncIterable<string>,
  complaint: () => string,
  why: () => string,
): (wanted: string) => Promise<void> {
  const iterator = lines[Symbol.asyncIterator]();
  return async (wanted) => {
    const { value, done } = await iterator.next();
    if (done !== true && value === wanted) return;
    if (child.exitCode === null) await once(child, "close");
    throw failed(`cannot make namespaces: ${complaint() || "keel ended"}${why()}`);
  };
}

async function writeMaps(pid: number, { map, tools }: RootlessNeeds): Promise<void> {
  const { uids, gids } = idMapTexts(map);
  await run(tools.gid, [String(pid), ...gids.trim().split(/\s+/)]);
  await run(tools.uid, [String(pid), ...uids.trim().split(/\s+/)]);
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  const complaint = collect(child);
  const [status] = (await once(child, "close")) as [number | null];
  if (status !== 0) throw failed(`${program}: ${complaint() || `ended with status ${status}`}`);
}

/** Gives the namespace a network; returns the program that does, which goes on without us. */
async function startSlirp(path: string, pid: number): Promise<number> {
  const args = ["--configure", "--mtu=65520", "--disable-host-loopback", "--ready-fd=3", String(pid), "tap0"];
  const child = spawn(path, args, { stdio: ["ignore", "ignore", "pipe", "pipe"], detached: true });
  const complaint = collect(child);
  const ready = child.stdio[3];
  const isReady = await new Promise<boolean>((resolve, reject) => {
    child.once("error", (error) => reject(failed(`cannot run ${path}: ${messageOf(error)}`)));
    child.once("exit", () => resolve(false));
    ready?.once("data", () => resolve(true));
  });
  if (!isReady) throw failed(`${path}: ${complaint() || "ended before the network was there"}`);
  ready?.destroy();
  child.stderr?.destroy();
  child.unref();
  return child.pid as number;
}

function save(dir: string, holder: number, network: number): void {
  const keep = (pid: number): Kept => ({ pid, start: processStart(pid) ?? "" });
  const record: HolderRecord = { version: 1, holder: keep(holder), network: keep(network) };
  writeFileSync(join(dir, FILE), JSON.stringify(record), { mode: 0o600 });
}

/** Ends both processes, as far as they are there. */
export function endHolder(dir: string): void {
  const record = load(dir);
  if (record === undefined) return;
  for (const kept of [record.network, record.holder])
    if (isSameProcess(kept)) process.kill(kept.pid, "SIGKILL");
}

function failed(message: string): Fault {
  return new Fault("unavailable", `rootless mode: ${message}`, { code: "daemon.rootless" });
}
