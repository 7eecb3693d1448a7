import { containerInspect } from "../../../api/operations/container.ts";
import type { PortBinding } from "../../../api/schemas/host-config.ts";
import { defineCommand } from "../../command.ts";
import { complain } from "../../failure.ts";
import { naturally } from "../../natural-order.ts";
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
  const [port = "", proto = "tcp"] = wanted.split("/");
  const shown = JSON.stringify(port);
  if (!/^\d+$/.test(port))
    throw complain(`Error: invalid port (${port}): strconv.ParseUint: parsing ${shown}: invalid syntax`);
  if (Number(port) > 65535)
    throw complain(`Error: invalid port (${port}): strconv.ParseUint: parsing ${shown}: value out of range`);
  const bindings = ports[`${port}/${proto || "tcp"}`] ?? [];
  if (bindings.length === 0) throw complain(`Error: No public port '${wanted}' published for ${id}`);
  return bindings.map(address);
}
