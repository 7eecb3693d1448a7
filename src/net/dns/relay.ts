// The daemon's end of a shim's name service (native/PROTOCOL.md "Name service"): questions come in with the address that
// asked, or on the container's TCP connections, and the same connection opens sockets in the container's network namespace
// for questions to its own servers. Bytes in both directions are the container's: nothing here believes them.

import { setImmediate as nextTurn } from "node:timers/promises";
import type { FrameSocket } from "../../linux/frame-socket.ts";
import { ipBytes } from "../../linux/netlink/address.ts";
import type { Value } from "../../linux/ops.ts";
import { asBytes, asNumber, encodeFrame, type Reply as WireValue } from "../../linux/wire.ts";
import { fitAnswer } from "./answer.ts";
import { isRepeated, MAX_MESSAGE_BYTES, type Query } from "./message.ts";
import type { Reply } from "./resolver.ts";
import { frameMessage, MessageAssembler } from "./stream.ts";
import type { Connection, ConnectionEvents, Server, Transport } from "./transport.ts";

const KIND = { datagram: 1, bytes: 2, end: 3, connect: 4, keep: 5, forget: 6 } as const;
/** A message's number, which is not part of what the shim keeps. */
const ID_BYTES = 2;
/** What every client over UDP takes (RFC 1035), and what an IPv4 datagram can carry. */
const UDP_BYTES = { least: 512, most: 65_507 } as const;
/** Questions of one container that wait for servers; more are dropped, and asked again by the client. */
const MAX_WAITING = 256;
/** Frames that are handled before others get their turn. */
const FRAMES_PER_TURN = 32;
/** How long a client may keep a TCP connection without asking. */
const IDLE_MS = 10_000;

export interface RelayOptions {
  connection: FrameSocket;
  /** See Resolver.answer. */
  answer: (bytes: Uint8Array) => Reply | null | Promise<Reply>;
  /** How many answers to one question the shim can give by itself. */
  keeps: number;
}

/** A container's TCP connection to 127.0.0.11. */
interface Conversation {
  assembler: MessageAssembler;
  idle: NodeJS.Timeout;
  /** Questions without an answer yet. */
  pending: number;
  /** The client asks no more. */
  isOver: boolean;
}

/** Serves one container; also the way from its network namespace to its servers. */
export class Relay implements Transport {
  readonly #connection: FrameSocket;
  readonly #answer: RelayOptions["answer"];
  readonly #conversations = new Map<number, Conversation>();
  readonly #outward = new Map<number, ConnectionEvents>();
  #lastOutward = -1;
  #waiting = 0;
  readonly #keeps: number;
  #hasKept = false;

  constructor(options: RelayOptions) {
    this.#connection = options.connection;
    this.#answer = options.answer;
    this.#keeps = options.keeps;
  }

  /** Serves until the shim is gone or `close` is called. Rejects on malformed frames. */
  async run(): Promise<void> {
    try {
      for (let count = 1; ; count++) {
        const frame = await this.#connection.receive();
        if (frame === null) return;
        this.#take(frame);
        if (count % FRAMES_PER_TURN === 0) await nextTurn();
      }
    } finally {
      this.close();
    }
  }

  close(): void {
    this.#connection.destroy();
    for (const c of this.#conversations.values()) clearTimeout(c.idle);
    this.#conversations.clear();
    const ended = [...this.#outward.values()];
    this.#outward.clear();
    for (const on of ended) on.end();
  }

  #send(...frame: Value[]): void {
    if (this.#connection.isClosed) return;
    this.#connection.send(encodeFrame(frame))?.catch(() => undefined); // ignored: run() ends for the same reason
  }

  #take(frame: readonly WireValue[]): void {
    const kind = asNumber(frame[0]);
    if (kind === KIND.datagram) return this.#takeDatagram(asBytes(frame[1]), asBytes(frame[2]));
    const flow = asNumber(frame[1]);
    const isOutward = flow % 2 !== 0;
    if (kind === KIND.bytes && isOutward) this.#takeAnswer(flow, asBytes(frame[2]));
    else if (kind === KIND.bytes) this.#takeStream(flow, asBytes(frame[2]));
    else if (kind === KIND.end && isOutward) this.#endOutward(flow, asNumber(frame[2]));
    else if (kind === KIND.end) this.#endStream(flow, asNumber(frame[2]));
  }

  #takeDatagram(peer: Uint8Array, bytes: Uint8Array): void {
    this.#resolve(bytes, (reply) => {
      this.#send(KIND.datagram, peer, fitDatagram(reply.message, reply.query));
      this.#keep(bytes, reply);
    });
  }

  /** Lets the shim answer the same question until `forget`; the next one costs the daemon nothing. */
  #keep(bytes: Uint8Array, { query, alternatives }: Reply): void {
    if (this.#keeps === 0 || query === null || alternatives === undefined || !isRepeated(bytes, query))
      return;
    const answers = alternatives();
    if (answers.length > this.#keeps) return;
    this.#hasKept = true;
    const parts = answers.map((answer) => fitDatagram(answer, query).subarray(ID_BYTES));
    this.#send(KIND.keep, bytes.subarray(ID_BYTES), parts);
  }

  /** Takes back what the shim may answer by itself: names have changed. */
  forget(): void {
    if (this.#hasKept) this.#send(KIND.forget);
    this.#hasKept = false;
  }

  #takeStream(flow: number, bytes: Uint8Array): void {
    const conversation = this.#conversations.get(flow) ?? this.#newConversation(flow);
    conversation.idle.refresh();
    for (const message of conversation.assembler.push(bytes)) {
      conversation.pending++;
      const isTaken = this.#resolve(message, ({ query, message: answer }) => {
        conversation.pending--;
        if (this.#conversations.get(flow) !== conversation) return;
        const fitting = query === null ? answer : fitAnswer(answer, query, MAX_MESSAGE_BYTES);
        this.#send(KIND.bytes, flow, frameMessage(fitting));
        this.#closeWhenDone(flow, conversation);
      });
      if (!isTaken) conversation.pending--;
    }
  }

  #newConversation(flow: number): Conversation {
    const idle = setTimeout(() => this.#closeConversation(flow), IDLE_MS).unref();
    const conversation = { assembler: new MessageAssembler(), idle, pending: 0, isOver: false };
    this.#conversations.set(flow, conversation);
    return conversation;
  }

  /** With errno 0 the client has only shut its direction, and may wait for answers; with another the flow is gone. */
  #endStream(flow: number, errno: number): void {
    const conversation = this.#conversations.get(flow);
    if (conversation === undefined) return;
    if (errno !== 0) return this.#forgetConversation(flow);
    conversation.isOver = true;
    this.#closeWhenDone(flow, conversation);
  }

  #closeWhenDone(flow: number, { isOver, pending }: Conversation): void {
    if (isOver && pending === 0) this.#closeConversation(flow);
  }

  #closeConversation(flow: number): void {
    this.#forgetConversation(flow);
    this.#send(KIND.end, flow);
  }

  #forgetConversation(flow: number): void {
    clearTimeout(this.#conversations.get(flow)?.idle);
    this.#conversations.delete(flow);
  }

  /** Answers at once where memory knows the answer, later where servers do. False when there will be none. */
  #resolve(bytes: Uint8Array, send: (reply: Reply) => void): boolean {
    if (this.#waiting >= MAX_WAITING) return false;
    const reply = this.#answer(bytes);
    if (reply === null) return false;
    if (!(reply instanceof Promise)) {
      send(reply);
      return true;
    }
    this.#waiting++;
    void reply.then((r) => {
      this.#waiting--;
      send(r);
    });
    return true;
  }

  connect(kind: "udp" | "tcp", server: Server, on: ConnectionEvents): Connection {
    const flow = (this.#lastOutward += 2);
    this.#outward.set(flow, on);
    this.#send(KIND.connect, flow, kind === "tcp" ? 1 : 0, ipBytes(server.address), server.port);
    return {
      send: (bytes) => this.#send(KIND.bytes, flow, bytes),
      close: () => {
        if (this.#outward.delete(flow)) this.#send(KIND.end, flow);
      },
    };
  }

  /** The first, empty, piece says that the connection stands. */
  #takeAnswer(flow: number, bytes: Uint8Array): void {
    const on = this.#outward.get(flow);
    if (bytes.length === 0) on?.open();
    else on?.data(bytes);
  }

  #endOutward(flow: number, errno: number): void {
    const on = this.#outward.get(flow);
    if (!this.#outward.delete(flow)) return;
    if (errno === 0) this.#send(KIND.end, flow);
    on?.end();
  }
}

function fitDatagram(message: Uint8Array, query: Query | null): Uint8Array {
  const room = Math.min(UDP_BYTES.most, Math.max(UDP_BYTES.least, query?.edns?.udpBytes ?? 0));
  return query === null ? message : fitAnswer(message, query, room);
}
