// What takes the disk: every object with what it takes alone, the big ones first, and the command that frees it. Pure over the
// answers of the API.
import { ownName } from "../../api/container-name.ts";
import type { DiskFacts } from "../../api/schemas/facts.ts";
import type { DiskUsage } from "../../api/schemas/system.ts";
import { table } from "../../lib/table.ts";
import { humanSize } from "../../lib/units/size.ts";
import { printable } from "./explanation.ts";

export interface DiskUse {
  readonly Kind: "image" | "shared layers" | "container" | "log" | "volume" | "build cache" | "daemon";
  readonly Name: string;
  readonly SizeBytes: number;
  /** Why it is there. */
  readonly Note: string;
  /** What frees it, "" where nothing should. */
  readonly FreedBy: string;
}

export interface DiskExplanation {
  readonly DataRoot: string | null;
  readonly TotalBytes: number | null;
  readonly FreeBytes: number | null;
  readonly UsedBytes: number;
  readonly Uses: readonly DiskUse[];
  readonly Unknown: readonly string[];
}

const PART_NOTES: Readonly<Record<string, string>> = table({
  content: "compressed layers and manifests of images, kept for push and save",
  events: "the history of events",
  meta: "the daemon's records",
  "build-mounts": "cache mounts of builds",
  trash: "what is being removed",
  kept: "what was removed and can be brought back with `undo`",
  tmp: "builds that are under way",
});

/** Explains the disk; `program` is what the user calls us. `facts` is undefined for a Docker Engine. */
export function explainDisk(
  usage: DiskUsage,
  facts: DiskFacts | undefined,
  program: string,
): DiskExplanation {
  const uses = [
    ...imageUses(usage, program),
    ...containerUses(usage, program),
    ...logUses(facts, program),
    ...volumeUses(usage, program),
    ...cacheUses(usage, program),
    ...partUses(facts, program),
  ].filter((use) => use.SizeBytes > 0);
  uses.sort((a, b) => b.SizeBytes - a.SizeBytes || a.Name.localeCompare(b.Name));
  return {
    DataRoot: facts?.DataRoot ?? null,
    TotalBytes: facts?.TotalBytes ?? null,
    FreeBytes: facts?.FreeBytes ?? null,
    UsedBytes: uses.reduce((sum, use) => sum + use.SizeBytes, 0),
    Uses: uses,
    Unknown:
      facts === undefined
        ? ["logs, kept blobs, and how much of the disk is free: a Docker Engine's API does not tell"]
        : [],
  };
}

function imageUses({ Images, LayersSize }: DiskUsage, program: string): DiskUse[] {
  const images = Images ?? [];
  const uses = images.map((image): DiskUse => {
    const [tag] = (image.RepoTags ?? []).filter((t) => !t.startsWith("<none>"));
    const name = tag ?? image.Id.replace(/^sha256:/, "").slice(0, 12);
    const shared = Math.max(0, image.SharedSize);
    const note = [
      tag === undefined ? "without a name" : "",
      shared > 0 ? `shares ${humanSize(shared)} with others` : "",
      image.Containers > 0
        ? `used by ${image.Containers} container${image.Containers > 1 ? "s" : ""}`
        : "unused",
    ];
    return {
      Kind: "image",
      Name: name,
      SizeBytes: image.Size - shared,
      Note: note.filter((text) => text !== "").join(", "),
      FreedBy: image.Containers > 0 ? "" : `${program} rmi ${name}`,
    };
  });
  const shared = (LayersSize ?? 0) - uses.reduce((sum, use) => sum + use.SizeBytes, 0);
  return [
    ...uses,
    {
      Kind: "shared layers",
      Name: `of ${images.length} images`,
      SizeBytes: Math.max(0, shared),
      Note: "go with the last image that has them",
      FreedBy: `${program} image prune -a`,
    },
  ];
}

function containerUses({ Containers }: DiskUsage, program: string): DiskUse[] {
  return (Containers ?? []).map((c): DiskUse => {
    const name = ownName(c.Names) || c.Id;
    return {
      Kind: "container",
      Name: name,
      SizeBytes: c.SizeRw ?? 0,
      Note: `written into its own layer; ${c.State}`,
      FreedBy: c.State === "running" ? "" : `${program} rm ${name}`,
    };
  });
}

function logUses(facts: DiskFacts | undefined, program: string): DiskUse[] {
  return (facts?.Logs ?? []).map(
    (log): DiskUse => ({
      Kind: "log",
      Name: log.Name,
      SizeBytes: log.SizeBytes,
      Note: log.IsRotated ? `${log.Driver}, rotated` : `${log.Driver}, grows without bound`,
      FreedBy: log.IsRotated ? `${program} rm ${log.Name}` : "recreate it with --log-opt max-size=10m",
    }),
  );
}

function volumeUses({ Volumes }: DiskUsage, program: string): DiskUse[] {
  return (Volumes ?? []).map((v): DiskUse => {
    const count = v.UsageData?.RefCount ?? 0;
    return {
      Kind: "volume",
      Name: v.Name,
      SizeBytes: Math.max(0, v.UsageData?.Size ?? 0),
      Note: count > 0 ? `used by ${count} container${count > 1 ? "s" : ""}` : "unused",
      FreedBy: count > 0 ? "" : `${program} volume rm ${v.Name}`,
    };
  });
}

function cacheUses({ BuildCache }: DiskUsage, program: string): DiskUse[] {
  const own = (BuildCache ?? []).filter((record) => !record.Shared);
  const inUse = own.filter((record) => record.InUse).length;
  return [
    {
      Kind: "build cache",
      Name: `${own.length} results of build steps`,
      SizeBytes: own.reduce((sum, record) => sum + record.Size, 0),
      Note: inUse > 0 ? `${inUse} in use` : "unused",
      FreedBy: `${program} builder prune`,
    },
  ];
}

function partUses(facts: DiskFacts | undefined, program: string): DiskUse[] {
  return (facts?.Parts ?? []).map(
    (part): DiskUse => ({
      Kind: "daemon",
      Name: part.Name,
      SizeBytes: part.SizeBytes,
      Note: PART_NOTES[part.Name] ?? "",
      FreedBy: part.Name === "kept" ? `${program} system prune` : "",
    }),
  );
}

/** Returns the text for people: a line of sums, the uses as columns, what is not known. */
export function diskText(e: DiskExplanation): string {
  const head =
    e.DataRoot === null
      ? `what the daemon lists takes ${humanSize(e.UsedBytes)}`
      : `${e.DataRoot} takes ${humanSize(e.UsedBytes)} of a disk of ${humanSize(e.TotalBytes ?? 0)}, of which ${humanSize(e.FreeBytes ?? 0)} are free`;
  const rows = e.Uses.map((u) =>
    [humanSize(u.SizeBytes), `${u.Kind} ${u.Name}`, u.Note, u.FreedBy].map(printable),
  );
  const cells = [["SIZE", "WHAT", "WHY", "FREED BY"], ...rows];
  const widths = [0, 1, 2].map((i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)));
  const lines = cells.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("   ")
      .trimEnd(),
  );
  return [head, "", ...lines, ...e.Unknown.map((text) => `\nNot known: ${text}`)]
    .map((line) => `${line}\n`)
    .join("");
}
