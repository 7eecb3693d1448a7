// `build --debug`: when a step has failed, the daemon asks for the user's terminal and connects it with a shell where the step was.

import { Duplex } from "node:stream";
import { bytesMessage, SESSION_KEYS, terminalInput } from "../../lib/build-protocol/session.ts";
import type { Method, ServerCall } from "../../lib/grpc/server.ts";
import { channelOf } from "../../lib/http1/channel.ts";
import { printError } from "../output.ts";
import { attachTerminal } from "../terminal/attach.ts";
import { followTerminalSize } from "../terminal/resize.ts";
import { isTerminal, terminalSize } from "../terminal/tty.ts";
import { metadataTexts } from "./session/directories.ts";

export interface DebugShell {
  readonly method: Method;
  /** Whether the daemon has asked for it. */
  readonly isOpened: boolean;
}

/** The call as the connection of a container's terminal. */
function connectionOf({ messages }: ServerCall): Duplex {
  const send = (input: Parameters<typeof terminalInput.encode>[0], done: (error?: Error) => void): void => {
    messages.send(terminalInput.encode(input)).then(() => done(), done);
  };
  const socket = new Duplex({
    allowHalfOpen: true,
    read: () => undefined,
    write: (data: Uint8Array, _, done) => send({ data }, done),
    final: (done) => send({ isOver: true }, done),
  });
  const read = async (): Promise<void> => {
    for await (const message of messages) socket.push(Uint8Array.from(bytesMessage.decode(message).data));
    socket.push(null);
  };
  read().catch(() => socket.push(null)); // ignored: the shell is over
  return socket;
}

/** Returns the service that gives the terminal away. `begin` settles when everything before the failure has been shown. */
export function debugShell(begin: () => Promise<void>): DebugShell {
  let isOpened = false;
  const method: Method = async (call) => {
    isOpened = true;
    await begin();
    const [failure = ""] = metadataTexts(call.metadata, SESSION_KEYS.failure);
    printError(`${failure}\nA shell in the state before this step; leave it with "exit".\n`);
    const isTty = isTerminal(0) && isTerminal(1);
    const { height: rows, width: columns } = isTty ? terminalSize() : { height: 0, width: 0 };
    await call.messages.send(terminalInput.encode({ isTty, rows, columns }));
    const stop = isTty
      ? await followTerminalSize(({ height, width }) =>
          call.messages.send(terminalInput.encode({ rows: height, columns: width })),
        )
      : () => undefined;
    try {
      const options = { isTty, stdin: true, stdout: true, stderr: true, detachKeys: "" };
      await attachTerminal({ channel: channelOf(connectionOf(call)), isMultiplexed: undefined }, options);
    } finally {
      stop();
    }
  };
  return {
    method,
    get isOpened() {
      return isOpened;
    },
  };
}
