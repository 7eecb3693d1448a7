import { bool, int, string } from "../../../../lib/flags/spec.ts";
import { exactly } from "../../../command.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS] SERVICE",
  arity: exactly(1),
  flags: {
    "detach-keys": string("Override the key sequence for detaching from a container."),
    index: int("index of the container if service has multiple replicas."),
    "no-stdin": bool("Do not attach STDIN"),
    "sig-proxy": bool("Proxy all received signals to the process", { initial: true }),
  },
  async run(compose, { flags, args, path }) {
    const [service = ""] = args;
    const { containerOf } = await import("../../../../compose/execute/act.ts");
    const { command: attach } = await import("../../container/attach.ts");
    const { containers } = await compose.target([service]);
    const { id } = containerOf(containers, service, flags.index);
    return attach.run(compose.session, {
      flags: {
        "detach-keys": flags["detach-keys"],
        "no-stdin": flags["no-stdin"],
        "sig-proxy": flags["sig-proxy"],
      },
      given: new Set(),
      args: [id],
      path,
    });
  },
});
