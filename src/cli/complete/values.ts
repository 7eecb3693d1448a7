// Values in place of operands and behind flags: what the daemon has of the kind that the usage line names, or a fixed choice.

import { ownName } from "../../api/container-name.ts";
import { containerList } from "../../api/operations/container.ts";
import { imageList } from "../../api/operations/image.ts";
import { networkList } from "../../api/operations/network.ts";
import { pluginList } from "../../api/operations/plugin.ts";
import { volumeList } from "../../api/operations/volume.ts";
import type { FlagSpec } from "../../lib/flags/spec.ts";
import type { VerbEntry } from "../commands/table.ts";
import type { Session } from "../session.ts";
import type { Candidate, Completion } from "./complete.ts";
import { table } from "../../lib/table.ts";

export interface Names {
  readonly session: Session;
  /** Services of the project, for commands of Compose. */
  readonly services?: () => Promise<readonly string[]>;
}

const none: Completion = { candidates: [], directive: 4 };
const files: Completion = { candidates: [], directive: 0 };

/** States of containers that a command is for; all where it is not named. */
const STATES: Readonly<Record<string, readonly string[]>> = table({
  attach: ["running"],
  exec: ["running"],
  kill: ["running", "paused", "restarting"],
  pause: ["running"],
  port: ["running"],
  start: ["created", "exited"],
  stats: ["running"],
  stop: ["running", "paused", "restarting"],
  top: ["running"],
  unpause: ["paused"],
  wait: ["running"],
});

/** Fixed choices. */
const CHOICES: Readonly<Record<string, readonly string[]>> = table({
  cgroupns: ["host", "private"],
  ipc: ["host", "none", "private", "shareable"],
  isolation: ["default"],
  "log-driver": ["fluentd", "gelf", "journald", "json-file", "local", "none", "syslog"],
  "log-level": ["debug", "info", "warn", "error", "fatal"],
  pid: ["host"],
  platform: ["linux/amd64", "linux/arm64", "linux/arm/v7"],
  progress: ["auto", "plain", "quiet", "rawjson", "tty"],
  pull: ["always", "missing", "never"],
  restart: ["always", "no", "on-failure", "unless-stopped"],
  signal: ["HUP", "INT", "KILL", "QUIT", "TERM", "USR1", "USR2"],
  uts: ["host"],
});
const CAPABILITY_FLAGS = ["cap-add", "cap-drop"];

/** `[X...]` alone. */
const REPEATED = /\[([^\]]+)\.\.\.\]/;

/** Returns values for a flag. */
export async function flagValues(names: Names, flag: string, spec: FlagSpec<unknown>): Promise<Completion> {
  const choice = CHOICES[flag];
  if (choice !== undefined) return plain(choice);
  if (flag === "network" || flag === "net") return plain(await networks(names));
  if (flag === "volumes-from" || flag === "link") return plain(await containers(names, undefined));
  if (flag === "context") return plain(await contexts(names));
  if (CAPABILITY_FLAGS.includes(flag)) return plain(CAPABILITIES);
  return ["string", "list"].includes(spec.type) && /file|path|director|tls/i.test(`${flag} ${spec.usage}`)
    ? files
    : none;
}

/** Returns values for the operand behind those that are there already. */
export async function operandValues(
  names: Names,
  entry: VerbEntry,
  usage: string,
  before: readonly string[],
): Promise<Completion> {
  const kinds = kindsOf(usage);
  const isLast = before.length >= kinds.length;
  // `X [X...]`: as many as one likes; anything else is over with its last operand.
  if (isLast && !/\.\.\.\]/.test(usage)) return none;
  const kind = kinds[Math.min(before.length, kinds.length - 1)] ?? REPEATED.exec(usage)?.[1] ?? "";
  if (/COMMAND|ARG/.test(kind)) return files;
  if (/^[a-z]+(\|[a-z]+)+$/.test(kind)) return plain(kind.split("|"));
  const candidates = await valuesOf(names, entry, kind);
  if (candidates === undefined) return /PATH|FILE|file|URL/.test(kind) ? files : none;
  const fresh = candidates.filter(([value]) => !before.includes(value));
  return { candidates: fresh, directive: /PATH|FILE/.test(kind) ? 0 : 4 };
}

/** `[OPTIONS] NETWORK CONTAINER` gives NETWORK, CONTAINER; of two usage lines the first counts. */
function kindsOf(usage: string): string[] {
  const line = usage.split("\n", 1)[0] ?? "";
  return line.split(" ").filter((word) => word !== "" && word !== "[OPTIONS]" && !word.endsWith("...]"));
}

async function valuesOf(names: Names, entry: VerbEntry, kind: string): Promise<Candidate[] | undefined> {
  const texts = await namesOf(names, entry, kind);
  return texts?.map((text): Candidate => [text, ""]);
}

async function namesOf(names: Names, entry: VerbEntry, kind: string): Promise<string[] | undefined> {
  const [, behind] = /^\[?SERVICES?([:=]?)/.exec(kind) ?? [];
  if (behind !== undefined) return (await names.services?.())?.map((name) => name + behind);
  if (kind.startsWith("CONTAINER:")) return (await containers(names, undefined)).map((name) => `${name}:`);
  if (/^\[?CONTAINER/.test(kind)) return containers(names, STATES[entry.name]);
  if (/^\[?(IMAGE|SOURCE_IMAGE|TARGET_IMAGE)/.test(kind)) return images(names);
  if (/^\[?NETWORK/.test(kind)) return networks(names);
  if (/^\[?VOLUME/.test(kind) && entry.name !== "create") return volumes(names);
  if (/^PLUGIN/.test(kind) && !["create", "install"].includes(entry.name)) return plugins(names, entry.name);
  if (/^\[?CONTEXT/.test(kind) && entry.name !== "create") return contexts(names);
  if (/^NAME\|ID/.test(kind))
    return (
      await Promise.all([containers(names, undefined), images(names), volumes(names), networks(names)])
    ).flat();
  if (/^NAME\[:TAG/.test(kind)) return images(names);
  return undefined;
}

function plain(values: readonly string[]): Completion {
  return { candidates: values.map((value): Candidate => [value, ""]), directive: 4 };
}

async function containers({ session }: Names, states: readonly string[] | undefined): Promise<string[]> {
  const filters = states === undefined ? {} : { status: [...states] };
  const list = await (await session.client()).call(containerList, { all: true, filters });
  return list.map((c) => ownName(c.Names)).filter((name) => name !== "");
}

async function images({ session }: Names): Promise<string[]> {
  const list = await (await session.client()).call(imageList, {});
  const tags = list.flatMap((image) => image.RepoTags ?? []).filter((tag) => !tag.includes("<none>"));
  return [
    ...new Set(
      tags.flatMap((tag) => (tag.endsWith(":latest") ? [tag.slice(0, -":latest".length), tag] : [tag])),
    ),
  ];
}

async function networks({ session }: Names): Promise<string[]> {
  return (await (await session.client()).call(networkList, {})).map((network) => network.Name);
}

/** Only those that a verb is for. */
async function plugins({ session }: Names, verb: string): Promise<string[]> {
  const isEnabled: Readonly<Record<string, boolean>> = table({ disable: true, enable: false });
  const all = await (await session.client()).call(pluginList, {});
  return all.filter((p) => isEnabled[verb] === undefined || p.Enabled === isEnabled[verb]).map((p) => p.Name);
}

async function volumes({ session }: Names): Promise<string[]> {
  return ((await (await session.client()).call(volumeList, {})).Volumes ?? []).map((volume) => volume.Name);
}

async function contexts({ session }: Names): Promise<string[]> {
  const { listContexts } = await import("../contexts/read.ts");
  return ["default", ...listContexts(session.globals.config).map(({ meta }) => meta.Name)];
}

const CAPABILITIES = (
  "ALL AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID " +
  "IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW " +
  "PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO " +
  "SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM"
).split(" ");
