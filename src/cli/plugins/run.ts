// Runs a plugin in the place of this program: its arguments, terminal and exit code are its own.

import { spawn } from "node:child_process";
import { constants } from "node:os";
import { exitWith } from "../failure.ts";
import type { Session } from "../session.ts";
import { findPlugin, pluginDirs } from "./plugins.ts";

/** Signals that the terminal sends to the whole process group: the plugin decides what they mean. */
const OF_TERMINAL = ["SIGINT", "SIGQUIT"] as const;
const PASSED_ON = ["SIGTERM", "SIGHUP"] as const;

/**
 * Runs the plugin `name` with everything that stands behind the program's name. Returns its exit code, undefined when there is no such plugin.
 */
export async function runPlugin(
  session: Session,
  name: string,
  argv: readonly string[],
): Promise<number | undefined> {
  const plugin = await findPlugin(pluginDirs(session.globals.config, await session.config()), name);
  if (plugin === undefined) return undefined;
  const child = spawn(plugin.Path, argv, { stdio: "inherit", env: await environment(session) });
  for (const signal of OF_TERMINAL) process.on(signal, () => {});
  for (const signal of PASSED_ON) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once("error", (error) => reject(exitWith(1, `cannot run plugin ${plugin.Path}: ${error.message}`)));
    child.once("close", (status, signal) =>
      resolve(status ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    );
  });
}

/** A plugin has to find the daemon that this program would talk to: it knows Docker's own socket only. */
async function environment(session: Session): Promise<NodeJS.ProcessEnv> {
  const { host, isOwnDefault } = await session.endpoint();
  const own = process.env["BERTH_HOST"] ?? (isOwnDefault ? host : undefined);
  return {
    ...process.env,
    ...(own === undefined || own === "" ? {} : { DOCKER_HOST: own }),
    DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND: process.argv0,
  };
}
