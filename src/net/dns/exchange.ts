// One question to one server: over UDP with an unpredictable number and source port, again without EDNS when the server
// does not know it, over TCP when the answer does not fit. What does not answer the question is not looked at twice.

import { randomInt } from "node:crypto";
import { buildUpstreamQuery } from "./answer.ts";
import { type Answer, parseAnswer, type Query, RCODE } from "./message.ts";
import { frameMessage, MessageAssembler } from "./stream.ts";
import type { Server, Transport } from "./transport.ts";

/** Returns the server's answer, or null when it cannot be had; pending until then, or until the signal closes everything. */
export async function exchange(
  transport: Transport,
  server: Server,
  query: Query,
  signal: AbortSignal,
): Promise<Answer | null> {
  let hasEdns = true;
  let answer = await ask(transport, server, query, { kind: "udp", hasEdns, signal });
  if (answer?.rcode === RCODE.formErr || answer?.rcode === RCODE.notImp) {
    hasEdns = false;
    answer = await ask(transport, server, query, { kind: "udp", hasEdns, signal });
  }
  if (answer?.isTruncated) return ask(transport, server, query, { kind: "tcp", hasEdns, signal });
  return answer;
}

interface Manner {
  kind: "udp" | "tcp";
  hasEdns: boolean;
  signal: AbortSignal;
}

function ask(transport: Transport, server: Server, query: Query, manner: Manner): Promise<Answer | null> {
  const { kind, signal } = manner;
  const id = randomInt(0x1_0000);
  const message = buildUpstreamQuery(query, id, manner);
  const done = Promise.withResolvers<Answer | null>();
  if (signal.aborted) return Promise.resolve(null);
  const finish = (answer: Answer | null): void => {
    signal.removeEventListener("abort", onAbort);
    connection.close();
    done.resolve(answer);
  };
  const onAbort = (): void => finish(null);
  const take = (bytes: Uint8Array): void => {
    const answer = parseAnswer(bytes, query, id);
    if (answer !== undefined) finish(answer); // others are forged, late or broken: the true one may still come
  };
  const assembler = new MessageAssembler();
  const connection = transport.connect(kind, server, {
    open: () => connection.send(kind === "udp" ? message : frameMessage(message)),
    data: (bytes) => {
      if (kind === "udp") take(bytes);
      else for (const whole of assembler.push(bytes)) take(whole);
    },
    end: () => finish(null),
  });
  signal.addEventListener("abort", onAbort);
  return done.promise;
}
