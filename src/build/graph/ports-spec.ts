// The words of EXPOSE: `80`, `80/udp`, `8000-8010`, and, as Docker's parser also takes them, published forms such
// as `8080:80`, of which only the container's port counts.

import { Fault } from "../../lib/errors.ts";

/** Most ports that one image may expose. */
const MAX_PORTS = 65_536 * 3;

function invalid(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "dockerfile.port" });
}

function parsePort(text: string, whole: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw invalid(`invalid containerPort: ${whole}`);
  return Number(text);
}

/** Returns the ports as `80/tcp`, sorted as they come; throws Fault `dockerfile.port`. */
export function parseExposedPorts(words: readonly string[]): string[] {
  const ports: string[] = [];
  for (const word of words) {
    const slash = word.lastIndexOf("/");
    const protocol = slash < 0 ? "tcp" : word.slice(slash + 1).toLowerCase() || "tcp";
    if (!["tcp", "udp", "sctp"].includes(protocol)) throw invalid(`invalid proto: ${protocol}`);
    const address = slash < 0 ? word : word.slice(0, slash);
    const range = address.slice(address.lastIndexOf(":") + 1);
    if (range === "") throw invalid(`no port specified: ${word}<empty>`);
    const [first = "", last = first, ...more] = range.split("-");
    const from = parsePort(first, range);
    const to = parsePort(last, range);
    if (more.length > 0 || to < from) throw invalid(`invalid containerPort: ${range}`);
    for (let port = from; port <= to; port++) ports.push(`${port}/${protocol}`);
    if (ports.length > MAX_PORTS) throw invalid("too many ports");
  }
  return ports;
}
