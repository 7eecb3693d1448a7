// A name server on loopback for tests: UDP and TCP at one free port, answering what the test says.

import { createSocket, type Socket } from "node:dgram";
import { createServer, type Server as TcpServer } from "node:net";
import { once } from "node:events";
import dnsPacket, { type DecodedPacket, type Packet } from "dns-packet";
import { frameMessage, MessageAssembler } from "./stream.ts";
import type { Server } from "./transport.ts";

/** A question that came in. */
export interface Asked {
  via: "udp" | "tcp";
  port: number;
  packet: DecodedPacket;
}

/** What to say: parts of an answer, whole messages as they are, or nothing. */
export type Script = (
  asked: Asked,
) => Partial<Packet> | Uint8Array[] | null | Promise<Partial<Packet> | null>;

export interface Upstream extends AsyncDisposable {
  server: Server;
  asked: Asked[];
}

const OK = 0x180;

/** Returns the answer to a question with what the script adds to it. */
export function replyTo(packet: DecodedPacket, more: Partial<Packet>): Uint8Array {
  return dnsPacket.encode({
    type: "response",
    id: packet.id ?? 0,
    flags: OK,
    questions: packet.questions ?? [],
    ...more,
  });
}

export async function openUpstream(script: Script): Promise<Upstream> {
  const asked: Asked[] = [];
  const answer = async (via: "udp" | "tcp", port: number, bytes: Buffer): Promise<Uint8Array[]> => {
    const question: Asked = { via, port, packet: dnsPacket.decode(bytes) };
    asked.push(question);
    const said = await script(question);
    if (said === null || isClosed) return [];
    return Array.isArray(said) ? said : [replyTo(question.packet, said)];
  };
  const { udp, tcp, port } = await listen();
  let isClosed = false;
  udp.on("message", (bytes, from) => {
    void answer("udp", from.port, bytes).then((all) =>
      all.forEach((m) => udp.send(m, from.port, from.address)),
    );
  });
  tcp.on("connection", (socket) => {
    const assembler = new MessageAssembler();
    socket.on("error", () => undefined); // ignored: the client may go at any time
    socket.on("data", (piece: Buffer) => {
      for (const message of assembler.push(piece))
        void answer("tcp", socket.remotePort ?? 0, Buffer.from(message)).then((all) =>
          all.forEach((m) => socket.write(frameMessage(m))),
        );
    });
  });
  return {
    server: { address: "127.0.0.1", port },
    asked,
    [Symbol.asyncDispose]: async () => {
      if (isClosed) return;
      isClosed = true;
      udp.close();
      await new Promise((resolve) => tcp.close(resolve));
    },
  };
}

/** A port that is free for both, as name servers have it. */
async function listen(): Promise<{ udp: Socket; tcp: TcpServer; port: number }> {
  for (;;) {
    const tcp = createServer();
    tcp.listen(0, "127.0.0.1");
    await once(tcp, "listening");
    const { port } = tcp.address() as { port: number };
    const udp = createSocket("udp4");
    const isBound = await new Promise<boolean>((resolve) => {
      udp.once("error", () => resolve(false));
      udp.bind(port, "127.0.0.1", () => resolve(true));
    });
    if (isBound) return { udp, tcp, port };
    tcp.close();
  }
}
