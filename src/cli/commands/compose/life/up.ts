// `compose up`: brings a project to what its files say and starts it; in the foreground unless detached.

import type { AttendOptions } from "../../../../compose/execute/attended.ts";
import type { Work } from "../../../../compose/execute/work.ts";
import type { Project } from "../../../../compose/model/project.ts";
import type { ObservedContainer } from "../../../../compose/observe/observe.ts";
import { bool, type FlagValues, int, list, string } from "../../../../lib/flags/spec.ts";
import { anyArgs } from "../../../command.ts";
import { complain } from "../../../failure.ts";
import { print, writeAll } from "../../../output.ts";
import { creationFlags, creationOptions, selectedProject, timeoutFlag, withScales } from "../creation.ts";
import { defineComposeCommand } from "../define.ts";
import { onInterrupt } from "../interrupt.ts";
import { Menu } from "../menu.ts";
import type { ComposeSession } from "../session.ts";
import { WatchSwitch } from "../watch-switch.ts";

const flags = {
  ...creationFlags,
  "abort-on-container-exit": bool("Stops all containers if any container was stopped. Incompatible with -d"),
  "abort-on-container-failure": bool(
    "Stops all containers if any container exited with failure. Incompatible with -d",
  ),
  "always-recreate-deps": bool("Recreate dependent containers. Incompatible with --no-recreate."),
  attach: list("Restrict attaching to the specified services. Incompatible with --attach-dependencies.", {
    type: "stringArray",
  }),
  "attach-dependencies": bool("Automatically attach to log output of dependent services"),
  detach: bool("Detached mode: Run containers in the background", { short: "d" }),
  "exit-code-from": string(
    "Return the exit code of the selected service container. Implies --abort-on-container-exit",
  ),
  menu: bool("Enable interactive shortcuts when running attached on a terminal. Also by COMPOSE_MENU.", {
    initial: !["0", "f", "false"].includes((process.env["COMPOSE_MENU"] ?? "").toLowerCase()),
  }),
  "no-attach": list("Do not attach (stream logs) to the specified services", { type: "stringArray" }),
  "no-color": bool("Produce monochrome output"),
  "no-deps": bool("Don't start linked services"),
  "no-log-prefix": bool("Don't print prefix in logs"),
  "no-start": bool("Don't start the services after creating them"),
  "quiet-build": bool("Suppress the build output"),
  "renew-anon-volumes": bool(
    "Recreate anonymous volumes instead of retrieving data from the previous containers",
    { short: "V" },
  ),
  rolling: bool(
    "Replace running containers without an interruption: start, wait for health, move ports, drain",
  ),
  timeout: timeoutFlag(
    "Use this timeout in seconds for container shutdown when attached or when containers are already running",
  ),
  timestamps: bool("Show timestamps"),
  wait: bool("Wait for services to be running|healthy. Implies detached mode."),
  "wait-timeout": int("Maximum duration in seconds to wait for the project to be running|healthy"),
  watch: bool("Watch source code and rebuild/refresh containers when files are updated.", { short: "w" }),
};
type Flags = FlagValues<typeof flags>;

export const command = defineComposeCommand({
  operands: "[OPTIONS] [SERVICE...]",
  arity: anyArgs,
  flags,
  async run(compose, { flags, given, args }) {
    refuseContradictions(flags);
    const isDetached = flags.detach || flags.wait || flags["no-start"];
    const timeoutSeconds = given.has("timeout") ? flags.timeout : undefined;
    const options = { ...creationOptions(flags, args, timeoutSeconds), isRolling: flags.rolling };
    const project = withScales(
      await selectedProject(compose, args, flags["no-deps"] ? "none" : "dependencies"),
      flags.scale,
    );
    const { createProject } = await import("../../../../compose/execute/create.ts");
    const { startProject } = await import("../../../../compose/execute/start.ts");
    const work = await compose.work({ isAttached: !isDetached });
    const containers = await compose.during(work, "up", async () => {
      const created = await createProject(work, project, options);
      if (isDetached && !flags["no-start"] && !compose.isDryRun) {
        const waiting = { waits: flags.wait, waitSeconds: flags["wait-timeout"] };
        await startProject(work, project, { containers: created, ...waiting });
      }
      return created;
    });
    if (isDetached) return 0;
    if (compose.isDryRun) {
      print("end of 'compose up' output, interactive run is not supported in dry-run mode\n");
      return 0;
    }
    return attend({ compose, work, project, containers, flags, services: args, timeoutSeconds });
  },
});

function refuseContradictions(flags: Flags): void {
  const isDetached = flags.detach || flags.wait;
  const attended =
    flags["abort-on-container-exit"] ||
    flags["abort-on-container-failure"] ||
    flags.attach.length > 0 ||
    flags["attach-dependencies"] ||
    flags["exit-code-from"] !== "" ||
    flags.watch;
  if (isDetached && attended) {
    throw complain(
      "--detach cannot be combined with --abort-on-container-exit, --abort-on-container-failure, --attach, " +
        "--attach-dependencies, --exit-code-from or --watch",
    );
  }
  if (flags["abort-on-container-exit"] && flags["abort-on-container-failure"])
    throw complain("--abort-on-container-failure cannot be combined with --abort-on-container-exit");
  if (flags.attach.length > 0 && flags["attach-dependencies"])
    throw complain("cannot combine --attach and --attach-dependencies");
}

interface Attended {
  readonly compose: ComposeSession;
  readonly work: Work;
  readonly project: Project;
  readonly containers: readonly ObservedContainer[];
  readonly flags: Flags;
  readonly services: readonly string[];
  readonly timeoutSeconds: number | undefined;
}

async function attend({
  compose,
  work,
  project,
  containers,
  flags,
  services,
  timeoutSeconds,
}: Attended): Promise<number> {
  const { attendProject } = await import("../../../../compose/execute/attended.ts");
  const { LogPrinter } = await import("../../../../compose/logs/printer.ts");
  const { watchFiles } = await import("./watch.ts");
  const shown = shownServices(project, services, flags);
  const say = (message: string): void => printer.watching(message);
  const watcher = new WatchSwitch((signal) =>
    watchFiles({ work, project, services, signal, isQuiet: flags["quiet-build"], say }),
  );
  let detach = (): void => {};
  const menu = hasMenu(compose, flags)
    ? new Menu({
        detach: () => detach(),
        toggleWatch: () => toggleWatch(project, watcher),
        isWatching: () => watcher.isOn,
      })
    : undefined;
  compose.around = (write) => (menu === undefined ? write() : menu.around(write));
  const printer = new LogPrinter({
    hasColor: compose.hasColor && !flags["no-color"],
    hasPrefix: !flags["no-log-prefix"],
    hasTimestamps: flags.timestamps,
    write: (fd, text) => compose.around(() => writeAll(fd, text)),
  });
  if (flags.watch) watcher.toggle();
  try {
    return await attendProject(work, project, {
      containers,
      shown,
      targets: services,
      printer,
      timeoutSeconds,
      onExit: onExit(flags),
      exitCodeFrom: flags["exit-code-from"],
      onInterrupt(handler) {
        const unsubscribe = onInterrupt(() => {
          menu?.close();
          handler();
        });
        menu?.open();
        return unsubscribe;
      },
      onDetach: (handler) => void (detach = handler),
      write: (text) => compose.around(() => print(text)),
      beside: (signal) => watcher.until(signal),
    });
  } finally {
    menu?.close();
  }
}

/** A menu is for people: both ends have to be a terminal that may be drawn on. */
function hasMenu(compose: ComposeSession, flags: Flags): boolean {
  return (
    flags.menu && process.stdin.isTTY === true && process.stdout.isTTY === true && compose.ansi !== "never"
  );
}

function toggleWatch(project: Project, watcher: WatchSwitch): string | undefined {
  const isConfigured = Object.values(project.services).some(
    ({ develop }) => (develop?.watch ?? []).length > 0,
  );
  if (!isConfigured) return "no service says what to watch (develop.watch)";
  watcher.toggle();
  return undefined;
}

/** Services whose output is shown: those named, or all; services may ask to be left out. */
function shownServices(project: Project, services: readonly string[], flags: Flags): string[] {
  const all = Object.keys(project.services).sort();
  const isAll = services.length === 0 || flags["attach-dependencies"];
  const wanted = flags.attach.length > 0 ? flags.attach : isAll ? all : services;
  const from = flags["exit-code-from"];
  if (from !== "" && !all.includes(from)) throw complain(`no such service: ${from}`);
  return wanted.filter(
    (name) => !flags["no-attach"].includes(name) && project.services[name]?.attach !== false,
  );
}

function onExit(flags: Flags): AttendOptions["onExit"] {
  if (flags["abort-on-container-exit"] || flags["exit-code-from"] !== "") return "stop";
  return flags["abort-on-container-failure"] ? "stop on failure" : "ignore";
}
