// What two builds of one context are compared by: configuration, history shape and file tree, without what has to differ
// (ids, times of the build, files that an engine puts into every container).

import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import type { TarEntry } from "../../src/lib/tar/entry.ts";
import { readTar } from "../../src/lib/tar/reader.ts";

/** An image as comparable lines. */
export type Facts = readonly string[];

/** What builds and with whom it is compared. */
export interface Compared {
  readonly mode: "classic" | "buildkit";
  /** With a Docker of today, not with Debian's 20.10. */
  readonly isCurrent: boolean;
}

type Json = Readonly<Record<string, unknown>>;

/** Fields of the configuration that belong to containers, or to how an engine stores an image. */
const IGNORED_FIELDS = new Set([
  "Hostname",
  "Domainname",
  "Image",
  "AttachStdin",
  "AttachStdout",
  "AttachStderr",
  "Tty",
  "OpenStdin",
  "StdinOnce",
]);

function isAbsent(value: unknown): boolean {
  if (value === null || value === undefined || value === "" || value === false) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value) || value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}

function configFacts(config: Json): Facts {
  return Object.entries(config)
    .filter(([name, value]) => !IGNORED_FIELDS.has(name) && !isAbsent(value))
    .map(([name, value]) => `config ${name} ${JSON.stringify(sorted(value))}`)
    .sort();
}

interface HistoryLine {
  readonly created_by?: string;
  readonly empty_layer?: boolean;
  readonly comment?: string;
  readonly author?: string;
}

/**
 * What is not compared: digests in a created_by tell of the builder's own way of hashing, and today's BuildKit and engine say
 * more than Debian's, or in other forms: HEALTHCHECK, EXPOSE, the flags of COPY, the value of an ARG.
 */
function comparable(text: string, { isCurrent }: Compared): string {
  const withoutDigests = text.replace(/(file|dir|multi):[0-9a-f]{64}/g, "$1:…");
  if (isCurrent) return withoutDigests;
  return withoutDigests
    .replace(/HEALTHCHECK .*/, "HEALTHCHECK …")
    .replace(/^EXPOSE map\[(.*)\]/, (_, ports: string) => `EXPOSE [${ports.replaceAll(":{}", "")}]`)
    .replace(/^(COPY|ADD)(?: --ch(?:own|mod)=\S+)+ /, "$1 ")
    .replace(/#\(nop\) (COPY|ADD) --chown=([\w:]*?) ?((?:file|dir|multi):…)/, "#(nop) $1 --chown=$2 $3")
    .replace(/^ARG .*/, (line) => line.replace(/=\S*/g, ""));
}

function historyFacts(history: readonly HistoryLine[], compared: Compared): Facts {
  return history.map((h) => {
    const empty = h.empty_layer === true ? "empty" : "layer";
    return `history ${empty} ${comparable(h.created_by ?? "", compared)} ${h.comment ?? ""} ${h.author ?? ""}`.trimEnd();
  });
}

/** Files that an engine puts into every container. */
const ENGINE_FILES = /^(?:\.dockerenv|dev(?:\/.*)?|proc|sys|etc\/(?:hosts|hostname|resolv\.conf|mtab))$/;
/** Directories whose times tell when the engine put files there. */
const ENGINE_PARENTS = new Set(["etc", ""]);
/** Times after this are the build's. */
const LONG_AGO_SEC = Date.UTC(2020, 0, 1) / 1000;

function fileFact(entry: TarEntry, digest: string, { mode, isCurrent }: Compared): string | undefined {
  const name = entry.name.replace(/^\.?\//, "").replace(/\/$/, "");
  if (ENGINE_FILES.test(name) || ENGINE_PARENTS.has(name)) return undefined;
  const link = entry.linkName === "" ? "" : ` -> ${entry.linkName}`;
  const content = entry.type === "file" ? ` ${entry.sizeBytes} ${digest.slice(0, 12)}` : "";
  // Debian's BuildKit gives directories the time of the build.
  const hasTime =
    entry.mtimeSec < LONG_AGO_SEC && (isCurrent || mode === "classic" || entry.type !== "directory");
  const time = hasTime ? ` @${entry.mtimeSec}` : "";
  const bits = (entry.mode & 0o7777).toString(8);
  const xattrs = [...entry.xattrs].map(([key, value]) => ` ${key}=${Buffer.from(value).toString("hex")}`);
  return `file ${name} ${entry.type} ${bits} ${entry.uid}:${entry.gid}${content}${link}${time}${xattrs.sort().join("")}`;
}

async function treeFacts(archive: Uint8Array, compared: Compared): Promise<Facts> {
  const facts: string[] = [];
  let entry: TarEntry | undefined;
  let hash = createHash("sha256");
  for await (const events of readTar(Readable.from([archive]))) {
    for (const event of events) {
      if (event.kind === "entry") {
        entry = event.entry;
        hash = createHash("sha256");
      } else if (event.kind === "data") hash.update(event.bytes);
      else if (event.kind === "end" && entry !== undefined) {
        const fact = fileFact(entry, hash.digest("hex"), compared);
        if (fact !== undefined) facts.push(fact);
      }
    }
  }
  return facts.sort();
}

export interface ImageSources {
  readonly config: Json;
  readonly history: readonly HistoryLine[];
  /** `docker export` of a container that was never started. */
  readonly tree: Uint8Array;
}

/** Returns everything that is compared, one fact a line. */
export async function factsOf({ config, history, tree }: ImageSources, compared: Compared): Promise<Facts> {
  return [...configFacts(config), ...historyFacts(history, compared), ...(await treeFacts(tree, compared))];
}

/** Returns the lines that only one side has, marked `-` (first) and `+` (second). */
export function differences(first: Facts, second: Facts): string[] {
  const one = new Set(first);
  const two = new Set(second);
  return [
    ...first.filter((fact) => !two.has(fact)).map((fact) => `- ${fact}`),
    ...second.filter((fact) => !one.has(fact)).map((fact) => `+ ${fact}`),
  ];
}
