// Published ports between the API's words (`80/tcp` → bindings) and the network floor's. Pure.
import { isIP } from "node:net";
import type { PortSummary } from "../../api/schemas/container.ts";
import type { HostConfig, PortMap } from "../../api/schemas/host-config.ts";
import { Fault } from "../../lib/errors.ts";
import type { PortProto, PortRequest, PublishedPort } from "../../net/model.ts";

const PORT_KEY = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i;

/** Returns number and protocol of a container port such as `80/tcp`; fails with invalidParameter. */
export function parsePortKey(key: string): { port: number; proto: PortProto } {
  const m = PORT_KEY.exec(key);
  const port = Number(m?.[1]);
  if (m === null || port > 65535 || m[2] !== undefined) throw noPort(key);
  return { port, proto: (m[3]?.toLowerCase() ?? "tcp") as PortProto };
}

const noPort = (text: string): Fault =>
  new Fault("invalidParameter", `invalid port specification: "${text}"`, { code: "port.invalid" });

/** Returns what shall be published: the bindings, and with `-P` every exposed port without one. */
export function portRequests(
  hostConfig: Pick<HostConfig, "PortBindings" | "PublishAllPorts">,
  exposed: readonly string[],
): PortRequest[] {
  const requests: PortRequest[] = [];
  const bindings = hostConfig.PortBindings ?? {};
  const keys = [
    ...Object.keys(bindings),
    ...(hostConfig.PublishAllPorts ? exposed.filter((e) => !(e in bindings)) : []),
  ];
  for (const key of keys) {
    const { port, proto } = parsePortKey(key);
    if (port === 0) throw noPort(key);
    const wishes = bindings[key] ?? [];
    for (const wish of wishes.length > 0 ? wishes : [{ HostIp: "", HostPort: "" }])
      requests.push({
        proto,
        containerPort: port,
        hostIp: addressOrNone(wish.HostIp ?? ""),
        ...hostRange(wish.HostPort ?? ""),
      });
  }
  return requests;
}

function addressOrNone(text: string): string {
  if (text === "" || isIP(text) !== 0) return text;
  throw new Fault("invalidParameter", `ParseAddr(${JSON.stringify(text)}): unable to parse IP`, {
    code: "port.invalid",
  });
}

function hostRange(text: string): Pick<PortRequest, "hostPort" | "hostPortEnd"> {
  if (text === "") return { hostPort: 0 };
  const m = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  const [from, to] = [Number(m?.[1]), Number(m?.[2] ?? m?.[1])];
  if (m === null || from > 65535 || to > 65535 || to < from) throw noPort(text);
  return from === to ? { hostPort: from } : { hostPort: from, hostPortEnd: to };
}

/** Returns NetworkSettings.Ports: granted bindings by container port, null for a port that is only exposed. */
export function portMapOf(published: readonly PublishedPort[], exposed: readonly string[]): PortMap {
  const map: PortMap = {};
  for (const key of exposed) map[key] = null;
  for (const p of published) {
    const key = `${p.containerPort}/${p.proto}`;
    // compat: in gateway mode routed a port is open on the container's own address, and has none on the host.
    const HostPort = p.hostPort === 0 ? "" : String(p.hostPort);
    map[key] = [...(map[key] ?? []), { HostIp: p.hostIp, HostPort }];
  }
  return map;
}

/** Returns the ports of `ps`. */
export function portSummaries(ports: PortMap): PortSummary[] {
  return Object.entries(ports).flatMap(([key, bindings]): PortSummary[] => {
    const { port, proto } = parsePortKey(key);
    if (bindings === null) return [{ PrivatePort: port, Type: proto }];
    // compat: what is open on the container's own address alone is not among them.
    return bindings
      .filter((b) => b.HostPort !== "")
      .map((b) => ({ IP: b.HostIp, PrivatePort: port, PublicPort: Number(b.HostPort), Type: proto }));
  });
}
