// bun: an HTTP server that is given its sockets (`emit("connection")`) reads a request's body as fast as it comes and keeps
// what nobody has taken yet: an upload of some gigabytes would be in memory (measured: 315 of 400 MB). Node stops reading by
// itself. Here the socket is paused when the body's buffer is full and goes on when somebody has read.
import type { IncomingMessage } from "node:http";

/** Makes a slow reader of the request's body slow its client down. */
export function holdBackBody(req: IncomingMessage): void {
  const { socket } = req;
  let isPaused = false;
  const push = req.push.bind(req);
  req.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
    const hasRoom = push(chunk, encoding);
    if (!hasRoom && chunk !== null && !isPaused) {
      isPaused = true;
      socket.pause();
    }
    return hasRoom;
  };
  const goOn = (): void => {
    if (!isPaused) return;
    isPaused = false;
    socket.resume();
  };
  const read = req._read.bind(req);
  req._read = (size: number): void => {
    goOn();
    read(size);
  };
  req.once("close", goOn); // a body that was given up: what follows on the connection is read
}
