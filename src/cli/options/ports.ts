// Published and exposed ports: `[ip:][host:]container[/proto]` with ranges, and the long form `published=…,target=…`.

import { net } from "../../lib/builtins.ts";
import { Fault } from "../../lib/errors.ts";

export interface PortBinding {
  readonly HostIp: string;
  readonly HostPort: string;
}

export interface PublishedPorts {
  readonly exposed: Record<string, Record<string, never>>;
  readonly bindings: Record<string, PortBinding[]>;
}

function refuse(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "cli.port" });
}

/** Reads --publish and --expose. Throws a Fault with Docker's text. */
export function parsePorts(publish: readonly string[], expose: readonly string[]): PublishedPorts {
  const exposed: Record<string, Record<string, never>> = {};
  const bindings: Record<string, PortBinding[]> = {};
  for (const text of publish) {
    for (const { port, binding } of parsePublish(shortForm(text))) {
      exposed[port] = {};
      bindings[port] = [...(bindings[port] ?? []), binding];
    }
  }
  for (const text of expose) {
    if (text.includes(":")) throw refuse(`invalid port format for --expose: ${text}`);
    const { proto, port } = splitProto(text);
    let range: [number, number];
    try {
      range = parseRange(port);
    } catch (error) {
      throw refuse(`invalid range format for --expose: ${text}, error: ${(error as Error).message}`);
    }
    for (let number = range[0]; number <= range[1]; number++) exposed[`${number}/${proto}`] ??= {};
  }
  return { exposed, bindings };
}

/** Turns `published=8080,target=80,protocol=tcp` into the short form. */
function shortForm(text: string): string {
  if (!text.includes("=")) return text;
  const parts: Record<string, string> = { protocol: "tcp" };
  for (const part of text.split(",")) {
    const equals = part.indexOf("=");
    if (equals <= 0) throw refuse(`invalid publish opts format (should be name=value but got '${part}')`);
    parts[part.slice(0, equals)] = part.slice(equals + 1);
  }
  return `${parts["published"] ?? ""}:${parts["target"] ?? ""}/${parts["protocol"] ?? ""}`;
}

function parsePublish(text: string): { port: string; binding: PortBinding }[] {
  const { ip: rawIp, host, container } = splitParts(text);
  const { proto: rawProto, port: containerPort } = splitProto(container);
  if (containerPort === "") throw refuse(`no port specified: ${text}<empty>`);
  const proto = rawProto.toLowerCase();
  if (!["tcp", "udp", "sctp"].includes(proto)) throw refuse(`invalid proto: ${proto}`);
  const ip = rawIp.replace(/^\[(.*)\]$/, "$1");
  if (ip !== "" && net().isIP(ip) === 0) throw refuse(`invalid IP address: ${ip}`);
  const [first, last] = orRefuse(containerPort, "invalid containerPort");
  const count = last - first + 1;
  const range = host === "" ? undefined : orRefuse(host, "invalid hostPort");
  if (range !== undefined && range[1] - range[0] !== last - first && count !== 1) {
    throw refuse(`invalid ranges specified for container and host Ports: ${containerPort} and ${host}`);
  }
  return Array.from({ length: count }, (_, index) => {
    let HostPort = range === undefined ? "" : String(range[0] + index);
    // One container port with a range of host ports: the daemon picks a free one.
    if (range !== undefined && count === 1 && range[0] !== range[1]) HostPort += `-${range[1]}`;
    return { port: `${first + index}/${proto}`, binding: { HostIp: ip, HostPort } };
  });
}

function splitParts(text: string): { ip: string; host: string; container: string } {
  const parts = text.split(":");
  const container = parts.pop() ?? "";
  const host = parts.pop() ?? "";
  return { ip: parts.join(":"), host, container };
}

function splitProto(text: string): { proto: string; port: string } {
  const [port = "", proto = ""] = text.split("/");
  return port === "" ? { proto: "", port: "" } : { proto: proto === "" ? "tcp" : proto, port };
}

function orRefuse(text: string, what: string): [number, number] {
  try {
    return parseRange(text);
  } catch {
    throw refuse(`${what}: ${text}`); // ignored: Docker names the port, not what is wrong with it
  }
}

/** Reads `80` or `80-90`. Throws a Fault with Docker's text. */
function parseRange(text: string): [number, number] {
  if (text === "") throw refuse("empty string specified for ports");
  const dash = text.indexOf("-");
  if (dash < 0) return [portNumber(text), portNumber(text)];
  const range: [number, number] = [portNumber(text.slice(0, dash)), portNumber(text.slice(dash + 1))];
  if (range[1] < range[0]) throw refuse(`invalid range specified for port: ${text}`);
  return range;
}

function portNumber(text: string): number {
  const shown = JSON.stringify(text);
  if (!/^\d+$/.test(text)) throw refuse(`strconv.ParseUint: parsing ${shown}: invalid syntax`);
  const value = Number(text);
  if (value > 65535) throw refuse(`strconv.ParseUint: parsing ${shown}: value out of range`);
  return value;
}
