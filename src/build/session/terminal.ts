// The terminal of the user who has opened a session, for a shell where a step has failed (`berth build --debug`).

import { terminalInput } from "../../lib/build-protocol/session.ts";
import type { ClientCall } from "../../lib/grpc/client.ts";
import type { StepTerminal } from "../solver/ports.ts";
import { callStream } from "./byte-stream.ts";

/** Waits for what the user's side says of itself; undefined when it ends the call instead. */
export async function terminalOf(call: ClientCall): Promise<StepTerminal | undefined> {
  const first = await call.messages.next();
  if (first === undefined) return undefined;
  const { isTty, rows, columns } = terminalInput.decode(first);
  const listeners: ((rows: number, columns: number) => void)[] = [];
  const stream = callStream(call);
  const read = async (): Promise<void> => {
    for await (const message of call.messages) {
      const input = terminalInput.decode(message);
      if (input.data.length > 0) stream.push(Uint8Array.from(input.data));
      if (input.isOver) stream.push(null);
      if (input.rows > 0) for (const listener of listeners) listener(input.rows, input.columns);
    }
  };
  // A client that is gone ends the shell.
  read().then(
    () => stream.destroy(),
    () => stream.destroy(),
  );
  return { isTty, rows, columns, stream, onResize: (listener) => void listeners.push(listener) };
}
