// `compose run`: a command in a new container of a service, by default attached to the terminal.

import type { Service } from "../../../../compose/model/project.ts";
import { ports as readPorts, volume as readVolume } from "../../../../compose/schema/short-forms.ts";
import { splitWords } from "../../../../compose/schema/words.ts";
import { plain, scalar } from "../../../../compose/tree/node.ts";
import { containerStart } from "../../../../api/operations/container.ts";
import { bool, type FlagValues, list, string } from "../../../../lib/flags/spec.ts";
import { atLeast } from "../../../command.ts";
import { complain } from "../../../failure.ts";
import { readKeyValues } from "../../../options/env.ts";
import { print } from "../../../output.ts";
import { creationOptions, selectedProject } from "../creation.ts";
import { defineComposeCommand } from "../define.ts";

const texts = (usage: string, short?: string) =>
  list(usage, { type: "stringArray", ...(short === undefined ? {} : { short }) });

const flags = {
  build: bool("Build image before starting container"),
  "cap-add": list("Add Linux capabilities"),
  "cap-drop": list("Drop Linux capabilities"),
  detach: bool("Run container in background and print container ID", { short: "d" }),
  entrypoint: string("Override the entrypoint of the image"),
  env: texts("Set environment variables", "e"),
  "env-from-file": texts("Set environment variables from file"),
  interactive: bool("Keep STDIN open even if not attached", { short: "i", initial: true }),
  label: texts("Add or override a label", "l"),
  name: string("Assign a name to the container"),
  "no-deps": bool("Don't start linked services"),
  "no-tty": bool("Disable pseudo-TTY allocation (default: auto-detected)", { short: "T" }),
  publish: texts("Publish a container's port(s) to the host", "p"),
  pull: string('Pull image before running ("always"|"missing"|"never")', { initial: "policy" }),
  quiet: bool("Don't print anything to STDOUT", { short: "q" }),
  "quiet-build": bool("Suppress progress output from the build process"),
  "quiet-pull": bool("Pull without printing progress information"),
  "remove-orphans": bool("Remove containers for services not defined in the Compose file"),
  rm: bool("Automatically remove the container when it exits"),
  "service-ports": bool("Run command with all service's ports enabled and mapped to the host", {
    short: "P",
  }),
  tty: bool("Allocate a pseudo-TTY", { short: "t", hidden: true }),
  "use-aliases": bool("Use the service's network useAliases in the network(s) the container connects to"),
  user: string("Run as specified username or uid", { short: "u" }),
  volume: texts("Bind mount a volume", "v"),
  workdir: string("Working directory inside the container", { short: "w" }),
};
type Flags = FlagValues<typeof flags>;

export const command = defineComposeCommand({
  operands: "[OPTIONS] SERVICE [COMMAND] [ARGS...]",
  arity: atLeast(1),
  flags,
  interspersed: false,
  async run(compose, { flags, given, args, path }) {
    const [name = "", ...words] = args;
    if (flags.publish.length > 0 && flags["service-ports"])
      throw complain("--service-ports and --publish are incompatible");
    const project = await selectedProject(compose, [name], "dependencies");
    const hasTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
    const tty = flags.tty || (hasTerminal && !flags["no-tty"] && !flags.detach && !given.has("no-tty"));
    const isInteractive = flags.interactive && !flags.detach;
    const creation = creationOptions(
      { ...flags, "force-recreate": false, "no-build": false, "no-recreate": false, yes: false },
      [],
      undefined,
    );
    const { createOneOff } = await import("../../../../compose/execute/one-off.ts");
    const work = await compose.work();
    const { id } = await compose.during(work, "run", () =>
      createOneOff(work, project, {
        service: name,
        name: flags.name,
        change: (service) => changed(service, flags, { words, tty, given, environment: project.environment }),
        creation,
        startsDependencies: !flags["no-deps"],
        autoRemove: flags.rm,
        attachesStdin: isInteractive,
        usesAliases: flags["use-aliases"],
      }),
    );
    if (flags.detach) {
      await work.client.call(containerStart, { id });
      print(`${id}\n`);
      return 0;
    }
    if (compose.isDryRun) return 0;
    const { command: start } = await import("../../container/start.ts");
    return start.run(compose.session, {
      flags: {
        attach: true,
        interactive: isInteractive,
        "detach-keys": "",
        checkpoint: "",
        "checkpoint-dir": "",
      },
      given: new Set(),
      args: [id],
      path,
    });
  },
});

interface Changes {
  readonly words: readonly string[];
  readonly tty: boolean;
  readonly given: ReadonlySet<string>;
  readonly environment: ReadonlyMap<string, string>;
}

function changed(service: Service, flags: Flags, changes: Changes): Service {
  const { words, tty, given } = changes;
  const { ports, ...rest } = service;
  const hasEntrypoint = given.has("entrypoint");
  const added = (
    list: readonly string[] | undefined,
    more: readonly string[],
    less: readonly string[],
  ): string[] => [...(list ?? []), ...more].filter((item) => !less.includes(item));
  const published = flags.publish.flatMap((spec) => readPorts(scalar(spec, here)).map(plain)) as NonNullable<
    Service["ports"]
  >;
  const volumes = flags.volume.map((spec) => plain(readVolume(scalar(spec, here)))) as NonNullable<
    Service["volumes"]
  >;
  return {
    ...rest,
    tty,
    // Detached, too: what reads its input goes on waiting for it.
    stdin_open: flags.interactive,
    ...(flags["service-ports"] ? { ports: ports ?? [] } : published.length > 0 ? { ports: published } : {}),
    ...(hasEntrypoint ? { entrypoint: splitWords(flags.entrypoint).words, command: [] } : {}),
    ...(words.length > 0 ? { command: words } : {}),
    ...(flags.user === "" ? {} : { user: flags.user }),
    ...(flags.workdir === "" ? {} : { working_dir: flags.workdir }),
    ...(flags["cap-add"].length + flags["cap-drop"].length === 0
      ? {}
      : {
          cap_add: added(service.cap_add, flags["cap-add"], flags["cap-drop"]),
          cap_drop: added(service.cap_drop, flags["cap-drop"], flags["cap-add"]),
        }),
    environment: { ...service.environment, ...environmentOf(flags, changes.environment) },
    labels: { ...service.labels, ...pairs(flags.label) },
    volumes: [
      ...(service.volumes ?? []).filter(({ target }) => !volumes.some((own) => own.target === target)),
      ...volumes,
    ],
  };
}

const here = { file: "-", line: 1, column: 1 };

function environmentOf(flags: Flags, environment: ReadonlyMap<string, string>): Record<string, string> {
  const lines = readKeyValues(flags["env-from-file"], flags.env, (name) => environment.get(name));
  const variables: Record<string, string> = {};
  for (const line of lines) {
    const equals = line.indexOf("=");
    const name = equals < 0 ? line : line.slice(0, equals);
    const value = equals < 0 ? environment.get(name) : line.slice(equals + 1);
    if (value !== undefined) variables[name] = value;
  }
  return variables;
}

function pairs(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf("=");
      return equals < 0 ? [text, ""] : [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}
