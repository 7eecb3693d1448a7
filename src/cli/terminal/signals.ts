// Passes the signals this program gets on to the container (sig-proxy). While it does, they do not end the program.

import type { Client } from "../../api/client.ts";
import { containerKill } from "../../api/operations/container.ts";

/** Not among them: SIGCHLD, SIGPIPE and SIGWINCH, which are about this program; SIGKILL and SIGSTOP cannot be caught. */
const passed: readonly NodeJS.Signals[] = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGABRT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGTERM",
  "SIGCONT",
  "SIGTSTP",
  "SIGTTIN",
  "SIGTTOU",
];

/** Starts passing signals on, those that come before the container has an id when it has one; returns what stops it. */
export function forwardSignals(client: Client, container: string | Promise<string>): () => void {
  const handlers = passed.map((signal) => {
    const handler = (): void => {
      const pass = async (): Promise<void> => {
        await client.call(containerKill, { id: await container, signal: signal.slice(3) });
      };
      pass().catch(() => {
        // ignored: the container may be gone already
      });
    };
    process.on(signal, handler);
    return [signal, handler] as const;
  });
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };
}
