// A program as a connection: what is written goes to its stdin, what is read comes from its stdout (ssh to a host's daemon).

import { spawn } from "node:child_process";
import { Duplex } from "node:stream";
import { Fault } from "../errors.ts";

/** What is kept of the program's complaints. */
const MAX_STDERR_BYTES = 4096;

/**
 * Starts the program in a process group of its own, so that Ctrl-C does not cut the connection under a command that still has
 * to clean up. It is ended with the connection. Its failure is the connection's `error`, a Fault(unavailable, "http.command").
 */
export function openCommand(argv: readonly string[]): Duplex {
  const [file = "", ...args] = argv;
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"], detached: true });
  let complaint = "";
  child.stderr.on("data", (chunk: Buffer) => {
    if (complaint.length < MAX_STDERR_BYTES) complaint += chunk.toString();
  });
  const failed = (why: string) =>
    new Fault("unavailable", `command ${JSON.stringify(argv.join(" "))} ${why}`, { code: "http.command" });
  const connection = new Duplex({
    allowHalfOpen: true,
    read() {
      child.stdout.resume();
    },
    write(chunk: Buffer, _encoding, done) {
      // `done` is called when the program takes more, so that whoever writes waits for it.
      child.stdin.write(chunk, (error) => done(error && isLate(error) ? null : error));
    },
    final(done) {
      child.stdin.end(() => done());
    },
    destroy(error, done) {
      child.kill("SIGTERM");
      child.stdout.destroy();
      child.stdin.destroy();
      done(error);
    },
  });
  child.stdout.on("data", (chunk: Buffer) => {
    if (!connection.push(chunk)) child.stdout.pause();
  });
  child.stdin.on("error", () => {}); // ignored: how the program ended says more
  child.once("error", (error: NodeJS.ErrnoException) =>
    connection.destroy(failed(`did not start: ${error.message}`)),
  );
  child.once("close", (status, signal) => {
    if (status === 0 || connection.destroyed) connection.push(null);
    else {
      const how = signal === null ? `has exited with exit status ${status}` : `was ended by ${signal}`;
      connection.destroy(
        failed(
          `${how}, make sure the URL is valid, and the remote host can be reached: stderr=${complaint.trim()}`,
        ),
      );
    }
  });
  return connection;
}

/** The program has ended: `close` tells how. */
function isLate(error: Error): boolean {
  return ["EPIPE", "ERR_STREAM_DESTROYED"].includes((error as NodeJS.ErrnoException).code ?? "");
}
