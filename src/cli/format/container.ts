// The columns of a container in lists (`berth ps`).

import type { ContainerSummary, PortSummary } from "../../api/schemas/container.ts";
import { ellipsis } from "../../lib/term/width.ts";
import { humanDuration } from "../../lib/units/duration.ts";
import { formatGoTime } from "../../lib/units/go-time.ts";
import { humanSize } from "../../lib/units/size.ts";
import { type Formatter, joinLabels, truncateId } from "./list.ts";

export const containerColumns: Formatter<ContainerSummary> = {
  type: "*formatter.ContainerContext",
  headers: {
    ID: "CONTAINER ID",
    Names: "NAMES",
    Image: "IMAGE",
    Command: "COMMAND",
    CreatedAt: "CREATED AT",
    RunningFor: "CREATED",
    Ports: "PORTS",
    State: "STATE",
    Status: "STATUS",
    Size: "SIZE",
    Labels: "LABELS",
    Mounts: "MOUNTS",
    LocalVolumes: "LOCAL VOLUMES",
    Networks: "NETWORKS",
    Platform: "PLATFORM",
  },
  notText: ["Platform"],
  fields: {
    Command: (c, view) => JSON.stringify(view.isTruncated ? ellipsis(c.Command, 20) : c.Command),
    CreatedAt: (c) => formatGoTime(c.Created * 1000),
    ID: (c, view) => (view.isTruncated ? truncateId(c.Id) : c.Id),
    Image: (c, view) => imageName(c, view.isTruncated),
    Labels: (c) => joinLabels(c.Labels),
    LocalVolumes: (c) => String((c.Mounts ?? []).filter((mount) => mount.Driver === "local").length),
    Mounts: (c, view) =>
      (c.Mounts ?? [])
        .map((mount) => mount.Name || mount.Source || "")
        .map((name) => (view.isTruncated ? ellipsis(name, 15) : name))
        .join(","),
    Names: (c, view) => names(c.Names ?? [], view.isTruncated),
    Networks: (c) => Object.keys(c.NetworkSettings?.Networks ?? {}).join(","),
    Platform: (c) => platformText(c),
    Ports: (c) => formatPorts(c.Ports ?? []),
    RunningFor: (c) => `${humanDuration((Date.now() - c.Created * 1000) * 1e6)} ago`,
    Size: (c) => sizes(c.SizeRw ?? 0, c.SizeRootFs ?? 0),
    State: (c) => c.State,
    Status: (c) => c.Status,
  },
  calls: { Label: (c, key) => c.Labels?.[key] ?? "" },
};

const table = "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";
const raw = `container_id: {{.ID}}
image: {{.Image}}
command: {{.Command}}
created_at: {{.CreatedAt}}
state: {{- pad .State 1 0}}
status: {{- pad .Status 1 0}}
names: {{.Names}}
labels: {{- pad .Labels 1 0}}
ports: {{- pad .Ports 1 0}}
`;

/** Returns the template of a `ps` format: `table`, `raw`, or the user's own. */
export function containerFormat(
  format: string,
  options: { readonly isQuiet: boolean; readonly hasSize: boolean },
): string {
  if (format === "raw") {
    if (options.isQuiet) return "container_id: {{.ID}}";
    return options.hasSize ? `${raw}size: {{.Size}}\n` : raw;
  }
  if (options.isQuiet) return "{{.ID}}";
  if (format !== "" && format !== "table") return format;
  return options.hasSize ? `${table}\t{{.Size}}` : table;
}

function names(all: readonly string[], isTruncated: boolean): string {
  const plain = all.map((name) => name.slice(1));
  // Names with a slash are aliases given by links.
  const own = isTruncated ? plain.find((name) => !name.includes("/")) : undefined;
  return own ?? plain.join(",");
}

function imageName(container: ContainerSummary, isTruncated: boolean): string {
  const { Image, ImageID } = container;
  if (Image === "") return "<no image>";
  if (!isTruncated) return Image;
  if (truncateId(ImageID ?? "") === truncateId(Image)) return truncateId(ImageID ?? "");
  const name = Image.replace(/@[a-z0-9+._-]+:[0-9a-fA-F]{32,}$/, "");
  return name.replace(/^docker\.io\/(?:library\/)?/, "");
}

function platformText(container: ContainerSummary): string | null {
  const platform = container.ImageManifestDescriptor?.platform;
  if (platform === undefined || platform === null) return null;
  const { os, architecture, variant } = platform;
  return [os, architecture, variant].filter((part) => part !== undefined && part !== "").join("/");
}

function sizes(own: number, all: number): string {
  return all > 0 ? `${humanSize(own, 3)} (virtual ${humanSize(all, 3)})` : humanSize(own, 3);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function joinHostPort(host: string, port: string): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Prints ports as `ps` does, neighbouring ones merged: `0.0.0.0:80-81->80-81/tcp, 9988/tcp`. */
export function formatPorts(ports: readonly PortSummary[]): string {
  const sorted = [...ports].sort(
    (a, b) =>
      a.PrivatePort - b.PrivatePort ||
      compareText(a.IP ?? "", b.IP ?? "") ||
      (a.PublicPort ?? 0) - (b.PublicPort ?? 0) ||
      compareText(a.Type, b.Type),
  );
  const groups = new Map<string, { first: number; last: number }>();
  const closed: string[] = [];
  const mapped: string[] = [];
  for (const { IP = "", PrivatePort, PublicPort = 0, Type } of sorted) {
    if (IP !== "" && PublicPort !== PrivatePort) {
      mapped.push(`${joinHostPort(IP, String(PublicPort))}->${PrivatePort}/${Type}`);
      continue;
    }
    const key = IP === "" ? Type : `${IP}/${Type}`;
    const group = groups.get(key);
    if (group !== undefined && PrivatePort === group.last + 1) group.last = PrivatePort;
    else {
      if (group !== undefined) closed.push(groupText(key, group));
      groups.set(key, { first: PrivatePort, last: PrivatePort });
    }
  }
  const open = [...groups].map(([key, group]) => groupText(key, group));
  return [...closed, ...open, ...mapped].join(", ");
}

function groupText(key: string, { first, last }: { first: number; last: number }): string {
  const slash = key.indexOf("/");
  const range = first === last ? String(first) : `${first}-${last}`;
  if (slash < 0) return `${range}/${key}`;
  return `${joinHostPort(key.slice(0, slash), range)}->${range}/${key.slice(slash + 1)}`;
}
