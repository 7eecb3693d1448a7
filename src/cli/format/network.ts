// The columns of a network in lists.

import type { NetworkSummary } from "../../api/schemas/network.ts";
import { formatGoTime } from "../../lib/units/go-time.ts";
import { type Formatter, joinLabels, truncateId } from "./list.ts";

export const networkColumns: Formatter<NetworkSummary> = {
  type: "*network.networkContext",
  headers: {
    ID: "NETWORK ID",
    Name: "NAME",
    Driver: "DRIVER",
    Scope: "SCOPE",
    IPv4: "IPV4",
    IPv6: "IPV6",
    Internal: "INTERNAL",
    Labels: "LABELS",
    CreatedAt: "CREATED AT",
  },
  fields: {
    CreatedAt: (network) => createdAt(network.Created),
    Driver: (network) => network.Driver,
    ID: (network, view) => (view.isTruncated ? truncateId(network.Id) : network.Id),
    IPv4: (network) => String(network.EnableIPv4 ?? false),
    IPv6: (network) => String(network.EnableIPv6 ?? false),
    Internal: (network) => String(network.Internal ?? false),
    Labels: (network) => joinLabels(network.Labels),
    Name: (network) => network.Name,
    Scope: (network) => network.Scope,
  },
  calls: { Label: (network, key) => network.Labels?.[key] ?? "" },
};

function createdAt(text: string): string {
  const nanos = Number((/\.(\d{1,9})/.exec(text)?.[1] ?? "").padEnd(9, "0"));
  return formatGoTime(Date.parse(text), { nanos, isUtc: text.endsWith("Z") });
}

/** Returns the template of a `network ls` format. */
export function networkFormat(format: string, isQuiet: boolean): string {
  if (format === "table") return isQuiet ? "{{.ID}}" : "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}";
  if (format !== "raw") return format;
  return isQuiet
    ? "network_id: {{.ID}}"
    : "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n";
}
