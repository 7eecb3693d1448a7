// The short forms of attributes: `80:80/udp`, `./src:/app:ro`, `/dev/fuse:/dev/fuse:rwm`, names for objects. Each returns
// the long form, every part of it at the place of the whole. They throw Faults that say what is wrong with the text.

import { isIP } from "node:net";
import { posix } from "node:path";
import { Fault } from "../../lib/errors.ts";
import { type MapNode, mapOf, type Node, printScalar, type ScalarNode, scalar } from "../tree/node.ts";
import { byTarget } from "./keys.ts";

function malformed(message: string): Fault {
  return new Fault("invalidParameter", message, { code: "compose.short-form" });
}

/** Returns a reader of a name that stands for an object with that name in one field. */
export const named =
  (field: string) =>
  (text: ScalarNode): MapNode =>
    mapOf({ [field]: scalar(printScalar(text), text.at) }, text.at);

/** A dependency named without conditions. */
export function startedDependency(name: ScalarNode): Node {
  return mapOf({ condition: scalar("service_started", name.at), required: scalar(true, name.at) }, name.at);
}

/** A network named without options. */
export function withoutOptions(name: ScalarNode): Node {
  return scalar(null, name.at);
}

/** An environment file named alone. */
export function envFile(text: ScalarNode): MapNode {
  return mapOf({ path: scalar(printScalar(text), text.at), required: scalar(true, text.at) }, text.at);
}

/** `SOURCE[:TARGET[:PERMISSIONS]]`. */
export function device(text: ScalarNode): MapNode {
  const spec = printScalar(text);
  const parts = spec.split(":");
  if (parts.length > 3) throw malformed(`confusing device mapping, please use long syntax: ${spec}`);
  const [source = "", target = "", permissions = "rwm"] = parts;
  const { at } = text;
  return mapOf(
    {
      source: scalar(source, at),
      target: scalar(target === "" ? source : target, at),
      permissions: scalar(permissions, at),
    },
    at,
  );
}

/** `all`: every GPU. */
export function allGpus(text: ScalarNode): readonly Node[] {
  if (text.value !== "all")
    throw malformed(`invalid value ${JSON.stringify(text.value)}, use "all" or a list`);
  return [mapOf({ count: scalar(-1, text.at) }, text.at)];
}

const propagations = ["rprivate", "private", "rshared", "shared", "rslave", "slave"];

/** `[SOURCE:]TARGET[:OPTIONS]`; a source that is a path makes it a bind mount. */
export function volume(text: ScalarNode): MapNode {
  const spec = printScalar(text);
  const { at } = text;
  if (spec === "") throw malformed("invalid empty volume spec");
  const parts = splitVolume(spec);
  if (parts.includes("")) throw malformed(`invalid spec: ${spec}: empty section between colons`);
  if (parts.length > 3) throw malformed(`invalid spec: ${spec}: too many colons`);
  const [first = "", second, options = ""] = parts;
  const source = second === undefined ? undefined : first;
  const isBind = source !== undefined && isPath(source);
  const own: Record<string, Node> = {};
  let readOnly: Node | undefined;
  let idMap: Record<string, Node> = {};
  const words = options === "" ? [] : options.split(",");
  for (const word of words) {
    if (word === "ro") readOnly = scalar(true, at);
    else if (word === "rw") readOnly = undefined;
    else if (word === "nocopy") own["nocopy"] = scalar(true, at);
    else if (propagations.includes(word)) own["propagation"] = scalar(word, at);
    else if (word === "z" || word === "Z") own["selinux"] = scalar(word, at);
    else if (/^idmap(=|$)/.test(word)) idMap = { "x-idmap": scalar(word.slice(6) || "owner", at) };
  }
  const { nocopy, ...bind } = own;
  return mapOf(
    {
      type: scalar(isBind ? "bind" : "volume", at),
      source: source === undefined ? undefined : scalar(source, at),
      target: scalar(posix.normalize(second ?? first).replace(/(?<=.)\/$/, ""), at),
      read_only: readOnly,
      bind:
        isBind || Object.keys(bind).length > 0
          ? mapOf({ ...bind, ...(isBind ? { create_host_path: scalar(true, at), ...idMap } : {}) }, at)
          : undefined,
      volume:
        // compat: `/x` is too short for Docker Compose to look at it closely.
        (isBind && nocopy === undefined) || spec.length <= 2
          ? undefined
          : mapOf({ ...(nocopy === undefined ? {} : { nocopy }), ...(isBind ? {} : idMap) }, at),
    },
    at,
  );
}

/** Splits at colons that are neither inside `${…}` nor a drive's. */
function splitVolume(spec: string): string[] {
  const parts: string[] = [];
  let part = "";
  let depth = 0;
  for (let index = 0; index < spec.length; index++) {
    const char = spec.charAt(index);
    if (char === "$" && spec.charAt(index + 1) === "{") depth++;
    else if (char === "}" && depth > 0) depth--;
    if (char === ":" && depth === 0 && !/^[a-zA-Z]$/.test(part)) {
      parts.push(part);
      part = "";
    } else part += char;
  }
  return [...parts, part];
}

function isPath(source: string): boolean {
  return /^[./~]/.test(source) || source.startsWith("\\\\") || /^[a-zA-Z]:/.test(source);
}

/** `[[IP:]PUBLISHED:]TARGET[/PROTOCOL]` with ranges: one object for each port of the container. */
export function ports(text: ScalarNode): readonly MapNode[] {
  const spec = printScalar(text);
  const { at } = text;
  const { ip, published, target, protocol } = splitPort(spec);
  const inside = range(target, () => malformed(`invalid containerPort: ${target}`));
  const node = (port: number, host: string): MapNode =>
    portNode({ ip, published: host, target: port, protocol }, at);
  if (published === "") return sorted(inside.map((port) => node(port, "")));
  const outside = range(published, () => malformed(`invalid hostPort: ${published}`));
  if (outside.length !== inside.length) {
    if (inside.length !== 1)
      throw malformed(`invalid ranges specified for container and host Ports: ${target} and ${published}`);
    // One port of the container and a range of the host: the daemon takes a free one of the range.
    return inside.map((port) => node(port, published));
  }
  return sorted(inside.map((port, index) => node(port, String(outside[index]))));
}

/** compat: Docker Compose sorts the ports of a range as texts. */
function sorted(nodes: readonly MapNode[]): readonly MapNode[] {
  const key = (node: MapNode): string => byTarget(node) ?? "";
  return nodes.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

interface PortParts {
  readonly ip: string;
  readonly published: string;
  readonly protocol: string;
}

function portNode(
  { ip, published, target, protocol }: PortParts & { readonly target: number },
  at: ScalarNode["at"],
): MapNode {
  return mapOf(
    {
      mode: scalar("ingress", at),
      host_ip: ip === "" ? undefined : scalar(ip, at),
      target: scalar(target, at),
      published: published === "" ? undefined : scalar(published, at),
      protocol: scalar(protocol, at),
    },
    at,
  );
}

function splitPort(spec: string): PortParts & { readonly target: string } {
  const [address = "", rawProtocol = "tcp", ...more] = spec.split("/");
  const protocol = rawProtocol.toLowerCase();
  if (more.length > 0 || !["tcp", "udp", "sctp"].includes(protocol))
    throw malformed(`invalid proto: ${spec.slice(address.length + 1)}`);
  const bracket = /^\[([^\]]*)\]:(.*)$/.exec(address);
  const parts = bracket === null ? address.split(":") : (bracket[2] as string).split(":");
  const target = parts.pop() ?? "";
  if (target === "") throw malformed(`no port specified: ${spec}<empty>`);
  const published = parts.pop() ?? "";
  const ip = bracket === null ? parts.join(":") : (bracket[1] as string);
  if (ip !== "" && isIP(ip) === 0) throw malformed(`invalid IP address: ${ip}`);
  return { ip, published, target, protocol };
}

function range(text: string, refuse: () => Fault): number[] {
  const [first = "", last = first, ...more] = text.split("-");
  const [low, high] = [Number(first), Number(last)];
  const isPort = (port: string): boolean => /^[0-9]{1,5}$/.test(port) && Number(port) <= 65535;
  if (more.length > 0 || !isPort(first) || !isPort(last) || low > high) throw refuse();
  return Array.from({ length: high - low + 1 }, (_, index) => low + index);
}
