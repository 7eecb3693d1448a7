// Changes to the text of an /etc/hosts that a running container has: lines of networks it joins come, of those it leaves go.
// Everything else stays as it is, since programs in the container may have written there. Pure.

import type { HostEntry } from "./hosts-file.ts";

const lineOf = (e: HostEntry): string => `${e.ip}\t${e.names.join(" ")}`;

/** Returns the text with the entries at its end, those that are there already left alone. */
export function withHosts(text: string, entries: readonly HostEntry[]): string {
  const lines = new Set(text.split("\n"));
  const missing = entries.map(lineOf).filter((line) => !lines.has(line));
  const ended = text === "" || text.endsWith("\n") ? text : `${text}\n`;
  return ended + missing.map((line) => `${line}\n`).join("");
}

/** Returns the text without the lines of exactly these entries. */
export function withoutHosts(text: string, entries: readonly HostEntry[]): string {
  const gone = new Set(entries.map(lineOf));
  return text
    .split("\n")
    .filter((line) => !gone.has(line))
    .join("\n");
}

/** Returns the text with the address of the line whose first name is `name` replaced. */
export function withHostMoved(text: string, name: string, ip: string): string {
  return text
    .split("\n")
    .map((line) => {
      const [address = "", names = ""] = line.split("\t", 2);
      const isFamily = address.includes(":") === ip.includes(":");
      return isFamily && names.split(" ")[0] === name ? `${ip}\t${names}` : line;
    })
    .join("\n");
}
