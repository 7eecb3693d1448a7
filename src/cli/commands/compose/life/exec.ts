import { bool, int, list, string } from "../../../../lib/flags/spec.ts";
import { atLeast } from "../../../command.ts";
import { defineComposeCommand } from "../define.ts";

export const command = defineComposeCommand({
  operands: "[OPTIONS] SERVICE COMMAND [ARGS...]",
  arity: atLeast(2),
  flags: {
    detach: bool("Detached mode: Run command in the background", { short: "d" }),
    env: list("Set environment variables", { short: "e", type: "stringArray" }),
    index: int("Index of the container if service has multiple replicas"),
    interactive: bool("Keep STDIN open even if not attached", { short: "i", initial: true, hidden: true }),
    "no-tty": bool("Disable pseudo-TTY allocation. By default 'docker compose exec' allocates a TTY.", {
      short: "T",
    }),
    privileged: bool("Give extended privileges to the process"),
    tty: bool("Allocate a pseudo-TTY", { short: "t", hidden: true }),
    user: string("Run the command as this user", { short: "u" }),
    workdir: string("Path to workdir directory for this command", { short: "w" }),
  },
  interspersed: false,
  async run(compose, { flags, given, args, path }) {
    const [service = "", ...rest] = args;
    const { containerOf } = await import("../../../../compose/execute/act.ts");
    const { command: exec } = await import("../../container/exec.ts");
    const { project, containers } = await compose.target([service]);
    const { id } = containerOf(containers, service, flags.index);
    // compat: without a terminal none is asked for, rather than failing.
    const hasTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
    const tty = flags.tty || (!given.has("no-tty") && hasTerminal && !flags["no-tty"]);
    const environment = flags.env.map((pair) => {
      const inherited = pair.includes("=") ? undefined : project.environment.get(pair);
      return inherited === undefined ? pair : `${pair}=${inherited}`;
    });
    return exec.run(compose.session, {
      flags: {
        detach: flags.detach,
        "detach-keys": "",
        env: environment,
        "env-file": [],
        interactive: flags.interactive,
        privileged: flags.privileged,
        tty,
        user: flags.user,
        workdir: flags.workdir,
      },
      given: new Set(),
      args: [id, ...rest],
      path,
    });
  },
});
