// Runs a plugin in the place of this program: its arguments, terminal and exit code are its own.

import { type ChildProcess, spawn } from "node:child_process";
import { createServer, type Socket } from "node:net";
import { constants } from "node:os";
import { randomHex } from "../../lib/id.ts";
import { exitWith } from "../failure.ts";
import { printError } from "../output.ts";
import type { Session } from "../session.ts";
import { findPlugin, pluginDirs } from "./plugins.ts";

/** So many signals end a plugin that does not end by itself. */
const PATIENCE = 3;

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
  const lifeline = await openLifeline();
  const child = spawn(plugin.Path, argv, {
    stdio: "inherit",
    env: { ...(await environment(session)), DOCKER_CLI_PLUGIN_SOCKET: lifeline.address },
  });
  try {
    return await new Promise((resolve, reject) => {
      passSignals(child, lifeline, () => resolve(1));
      child.once("error", (error) =>
        reject(exitWith(1, `cannot run plugin ${plugin.Path}: ${error.message}`)),
      );
      child.once("close", (status, signal) =>
        resolve(status ?? 128 + (signal === null ? 0 : constants.signals[signal])),
      );
    });
  } finally {
    lifeline.close();
  }
}

/** A socket whose end tells the plugin to end, too. */
interface Lifeline {
  /** Abstract address; @ stands for its leading NUL. */
  readonly address: string;
  close(): void;
}

async function openLifeline(): Promise<Lifeline> {
  const name = `docker_cli_${randomHex(16)}`;
  const connections = new Set<Socket>();
  const server = createServer((connection) => {
    connections.add(connection);
    connection.on("error", () => {}); // ignored: it is only there to be closed
    connection.on("close", () => connections.delete(connection));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(`\0${name}`, resolve);
  });
  return {
    address: `@${name}`,
    close() {
      server.close();
      for (const connection of connections) connection.destroy();
    },
  };
}

/**
 * A terminal's signals reach the plugin by themselves. Others do not: the plugin is told through its lifeline, and killed when it does
 * not listen.
 */
function passSignals(child: ChildProcess, lifeline: Lifeline, onGiveUp: () => void): void {
  let count = 0;
  const take = (): void => {
    if (process.stdout.isTTY) return;
    lifeline.close();
    if (++count < PATIENCE) return;
    child.kill("SIGKILL");
    printError(`got ${PATIENCE} SIGTERM/SIGINTs, forcefully exiting\n`);
    onGiveUp();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, take);
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
