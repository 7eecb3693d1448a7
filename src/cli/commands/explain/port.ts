import type { Client } from "../../../api/client.ts";
import { containerInspect, containerList } from "../../../api/operations/container.ts";
import { portFacts } from "../../../api/operations/facts.ts";
import { networkInspect } from "../../../api/operations/network.ts";
import type { ContainerInspect } from "../../../api/schemas/container.ts";
import { defineCommand, exactly } from "../../command.ts";
import { complain } from "../../failure.ts";
import { type Explanation, explanationText, ifKnown } from "../../explain/explanation.ts";
import { type ContainerPort, explainContainerPort, explainHostPort } from "../../explain/port.ts";
import { factsOf, formatFlag, show } from "./_ask.ts";

/** Berth's own: Docker has no such command. */
export const command = defineCommand({
  operands: "[OPTIONS] PORT|CONTAINER[:PORT]",
  description:
    "Why a port does not answer. PORT is one of the host (8080, 53/udp), CONTAINER:PORT one of a container; a CONTAINER alone means all\nthat it publishes or exposes.",
  arity: exactly(1),
  flags: { format: formatFlag },
  async run(session, { args, flags }) {
    const client = await session.client();
    const explanations = await explain(client, args[0] ?? "", session.program);
    show(flags.format, explanations, (list) => list.map(explanationText).join("\n"));
  },
});

async function explain(client: Client, asked: string, program: string): Promise<Explanation[]> {
  if (/^\d+(\/\w+)?$/.test(asked)) return explainPortOfHost(client, readPort(asked), program);
  const [, reference = asked, port] = /^(.*):(\d+(?:\/\w+)?)$/.exec(asked) ?? [];
  const inspect = await client.call(containerInspect, { id: reference });
  const ports = port === undefined ? portsOf(inspect) : [readPort(port)];
  if (ports.length === 0)
    throw complain(`container ${reference} publishes and exposes no port: name one, such as ${reference}:80`);
  return explainPorts(client, inspect, ports, program);
}

function readPort(text: string): ContainerPort {
  const [number = "", protocol = "tcp"] = text.split("/");
  const port = Number(number);
  if (port < 1 || port > 65_535 || !["tcp", "udp", "sctp"].includes(protocol))
    throw complain(`invalid port ${JSON.stringify(text)}: 1 to 65535, with /tcp, /udp or /sctp behind it`);
  return { port, protocol };
}

function portsOf({ Config, HostConfig }: ContainerInspect): ContainerPort[] {
  const keys = [...Object.keys(HostConfig.PortBindings ?? {}), ...Object.keys(Config.ExposedPorts ?? {})];
  return [...new Set(keys)].map(readPort);
}

async function explainPorts(
  client: Client,
  inspect: ContainerInspect,
  ports: readonly ContainerPort[],
  program: string,
): Promise<Explanation[]> {
  const names = Object.keys(inspect.NetworkSettings.Networks);
  const [facts, networks] = await Promise.all([
    factsOf(client, inspect.Id),
    Promise.all(names.map((id) => ifKnown(client.call(networkInspect, { id })))),
  ]);
  const internal = networks.flatMap((n) => (n?.Internal === true ? [n.Name] : []));
  return ports.map((port) => explainContainerPort({ inspect, internal, facts }, port, program));
}

/** A port of the host leads to the containers that publish it; without one, it is told who wants it and who has it. */
async function explainPortOfHost(
  client: Client,
  asked: ContainerPort,
  program: string,
): Promise<Explanation[]> {
  const containers = await client.call(containerList, { all: true });
  const isAsked = (p: { PublicPort?: number | undefined; Type: string }): boolean =>
    p.PublicPort === asked.port && p.Type === asked.protocol;
  const publishing = containers.filter((c) => c.Ports.some(isAsked));
  const explained = await Promise.all(
    publishing.map(async (c) => {
      const inspect = await client.call(containerInspect, { id: c.Id });
      const behind = new Set(c.Ports.filter(isAsked).map((p) => p.PrivatePort));
      const ports = [...behind].map((port) => ({ port, protocol: asked.protocol }));
      return explainPorts(client, inspect, ports, program);
    }),
  );
  if (explained.length > 0) return explained.flat();
  const others = await Promise.all(
    containers.map((c) => ifKnown(client.call(containerInspect, { id: c.Id }))),
  );
  const wanting = others.flatMap((c) => {
    const bindings = Object.entries(c?.HostConfig.PortBindings ?? {}).flatMap(([key, list]) =>
      key.endsWith(`/${asked.protocol}`) ? (list ?? []) : [],
    );
    const isWanted = bindings.some((b) => Number(b.HostPort) === asked.port);
    return c !== undefined && isWanted ? [{ name: c.Name.replace(/^\//, ""), status: c.State.Status }] : [];
  });
  const facts = await ifKnown(client.call(portFacts, { port: String(asked.port) }));
  return [explainHostPort(asked, facts, wanting, program)];
}
