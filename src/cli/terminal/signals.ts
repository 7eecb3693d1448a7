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

/** Starts passing signals on; returns what stops it. */
export function forwardSignals(client: Client, id: string): () => void {
  const handlers = passed.map((signal) => {
    const handler = (): void => {
      client.call(containerKill, { id, signal: signal.slice(3) }).catch(() => {
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
