import { int, string } from "../../../../lib/flags/spec.ts";
import { exactly } from "../../../command.ts";
import { complain } from "../../../failure.ts";
import { print } from "../../../output.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS] SERVICE PRIVATE_PORT",
  arity: exactly(2),
  flags: {
    index: int("Index of the container if service has multiple replicas"),
    protocol: string("tcp or udp", { initial: "tcp" }),
  },
  async run(compose, { flags, args }) {
    const [service = "", text = ""] = args;
    const [number = "", protocol = flags.protocol.toLowerCase()] = text.split("/");
    const port = Number(number);
    if (!/^[0-9]+$/.test(number) || port > 65535) throw complain(`invalid port ${JSON.stringify(text)}`);
    const { containerOf } = await import("../../../../compose/execute/act.ts");
    const { containers } = await compose.target([service]);
    const { name, summary } = containerOf(containers, service, flags.index);
    const found = (summary.Ports ?? []).find(
      ({ PrivatePort, Type, PublicPort }) =>
        PrivatePort === port && Type === protocol && PublicPort !== undefined,
    );
    if (found === undefined) {
      const ports = (summary.Ports ?? []).map(({ IP = "", PrivatePort, PublicPort, Type }) =>
        PublicPort === undefined ? `${PrivatePort}/${Type}` : `${IP}:${PublicPort}->${PrivatePort}/${Type}`,
      );
      throw complain(`no port ${port}/${protocol} for container ${name}: ${ports.join(", ")}`);
    }
    const { IP = "", PublicPort } = found;
    print(`${IP.includes(":") ? `[${IP}]` : IP}:${PublicPort}\n`);
  },
});
