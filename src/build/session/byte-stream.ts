// A call of byte messages as a two-way stream of bytes.

import { Duplex } from "node:stream";
import { bytesMessage } from "../../lib/build-protocol/session.ts";
import type { MessageStream } from "../../lib/grpc/stream.ts";

/** A call of either side. */
export interface ByteCall {
  readonly messages: MessageStream;
  /** Says that no more messages will be sent. */
  end(): void;
  cancel(): void;
}

export function byteStream(call: ByteCall): Duplex {
  const read = async (stream: Duplex): Promise<void> => {
    try {
      for await (const message of call.messages) stream.push(bytesMessage.decode(message).data);
      stream.push(null);
    } catch (error) {
      stream.destroy(error as Error);
    }
  };
  const stream = callStream(call);
  void read(stream);
  return stream;
}

/** The writing side of a call as a stream; what comes is to be pushed into it. Its end ends our side, its destruction cancels the call. */
export function callStream(call: ByteCall): Duplex {
  return new Duplex({
    read: () => undefined,
    write: (data: Uint8Array, _, done) => {
      call.messages.send(bytesMessage.encode({ data })).then(() => done(), done);
    },
    final: (done) => {
      call.end();
      done();
    },
    destroy: (error, done) => {
      call.cancel();
      done(error);
    },
  });
}
