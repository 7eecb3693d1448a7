// Questions from the daemon's own network namespace, where the host's resolvers are reachable, those on its loopback included.

import { createSocket } from "node:dgram";
import { createConnection } from "node:net";
import type { Connection, ConnectionEvents, Server, Transport } from "./transport.ts";

/** The host's way to its name servers. */
export const hostTransport: Transport = {
  connect: (kind, server, on) => (kind === "udp" ? connectUdp(server, on) : connectTcp(server, on)),
};

/** A connected socket takes datagrams of this server only, and learns at once when nobody listens there. */
function connectUdp(server: Server, on: ConnectionEvents): Connection {
  const socket = createSocket(server.address.includes(":") ? "udp6" : "udp4");
  let isOver = false;
  const end = (): void => {
    if (isOver) return;
    close();
    on.end();
  };
  const close = (): void => {
    if (isOver) return;
    isOver = true;
    socket.close();
  };
  socket.on("error", end);
  socket.on("message", (bytes) => {
    if (!isOver) on.data(bytes);
  });
  // Without a route, or for a zone that is no device, the callback has an error, whatever its type says.
  socket.connect(server.port, server.address, (error?: unknown) => {
    if (error !== undefined && error !== null) end();
    else if (!isOver) on.open();
  });
  return {
    send: (bytes) => {
      if (isOver) return;
      socket.send(bytes, (error) => {
        if (error !== null) end();
      });
    },
    close,
  };
}

function connectTcp(server: Server, on: ConnectionEvents): Connection {
  const socket = createConnection({ host: server.address, port: server.port, noDelay: true });
  let isOver = false;
  const end = (): void => {
    if (isOver) return;
    close();
    on.end();
  };
  const close = (): void => {
    isOver = true;
    socket.destroy();
  };
  socket.on("connect", () => {
    if (!isOver) on.open();
  });
  socket.on("data", (bytes: Buffer) => {
    if (!isOver) on.data(bytes);
  });
  for (const event of ["error", "end", "close"]) socket.on(event, end);
  return { send: (bytes) => void socket.write(bytes), close };
}
