import { containerInspect } from "../../../api/operations/container.ts";
import type { PortBinding } from "../../../api/schemas/host-config.ts";
import { defineCommand } from "../../command.ts";
import { complain } from "../../each.ts";
import { naturally } from "../../natural-order.ts";
import { portFault } from "../../options/ports.ts";
import { print } from "../../output.ts";

export const command = defineCommand({
  operands: "CONTAINER [PRIVATE_PORT[/PROTO]]",
  arity: { min: 1, max: 2 },
  flags: {},
  async run(session, { args }) {
    const [id = "", wanted] = args;
    const client = await session.client();
    const { NetworkSettings } = await client.call(containerInspect, { id });
    const ports = NetworkSettings.Ports ?? {};
    const lines = wanted === undefined ? allPorts(ports) : onePort(ports, wanted, id);
    if (lines.length > 0) print(`${lines.sort(naturally).join("\n")}\n`);
  },
});

type Ports = Readonly<Record<string, readonly PortBinding[] | null>>;

function address({ HostIp, HostPort }: PortBinding): string {
  return HostIp.includes(":") ? `[${HostIp}]:${HostPort}` : `${HostIp}:${HostPort}`;
}

function allPorts(ports: Ports): string[] {
  return Object.entries(ports).flatMap(([port, bindings]) =>
    (bindings ?? []).map((binding) => `${port} -> ${address(binding)}`),
  );
}

function onePort(ports: Ports, wanted: string, id: string): string[] {
  const [port = "", proto = ""] = wanted.split(/\/(.*)/s);
  const fault = portFault(port);
  if (fault !== undefined) throw complain(`invalid port '${port}': ${fault}`);
  const bindings = ports[`${Number(port)}/${proto.toLowerCase() || "tcp"}`] ?? [];
  if (bindings.length === 0) throw complain(`no public port '${wanted}' published for ${id}`);
  return bindings.map(address);
}
