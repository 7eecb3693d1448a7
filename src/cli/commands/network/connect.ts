import { networkConnect } from "../../../api/operations/network.ts";
import { int, string, strings } from "../../../lib/flags/spec.ts";
import { defineCommand, exactly } from "../../command.ts";
import { complain } from "../../failure.ts";
import { linkFlag } from "../../options/values.ts";

export const command = defineCommand({
  operands: "[OPTIONS] NETWORK CONTAINER",
  arity: exactly(2),
  flags: {
    alias: strings("Further name of the container on the network"),
    "driver-opt": strings("Driver options for the network"),
    "gw-priority": int("The network with the highest priority provides the default gateway; may be negative"),
    ip: string('IPv4 address (e.g., "172.30.100.104")'),
    ip6: string('IPv6 address (e.g., "2001:db8::33")'),
    link: linkFlag("Add a link to another container"),
    "link-local-ip": strings("Add a link-local address for the container"),
  },
  async run(session, { args, flags }) {
    const [id = "", Container = ""] = args;
    const DriverOpts = driverOptions(flags["driver-opt"]);
    const client = await session.client();
    await client.call(networkConnect, {
      id,
      body: {
        Container,
        EndpointConfig: {
          IPAMConfig: {
            ...(flags.ip === "" ? {} : { IPv4Address: flags.ip }),
            ...(flags.ip6 === "" ? {} : { IPv6Address: flags.ip6 }),
            ...(flags["link-local-ip"].length === 0 ? {} : { LinkLocalIPs: flags["link-local-ip"] }),
          },
          Links: flags.link,
          Aliases: flags.alias,
          DriverOpts,
          GwPriority: flags["gw-priority"],
        },
      },
    });
  },
});

function driverOptions(texts: readonly string[]): Record<string, string> {
  const options: Record<string, string> = {};
  for (const text of texts) {
    const equals = text.indexOf("=");
    const key = text.slice(0, Math.max(equals, 0)).trim();
    if (key === "") throw complain("invalid key/value pair format in driver options");
    options[key] = text.slice(equals + 1).trim();
  }
  return options;
}
