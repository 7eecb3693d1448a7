// A receiver for the tests of log drivers, as a program, because it has to be in the daemon's network namespace:
//
//   log-receiver.ts udp|tcp|tls HOST PORT [CERT KEY]
//
// It prints "ready", and then one line for each thing that comes in: base64 of a datagram; `open N`, `data N base64`, `end N` for a
// connection. It never answers. On "close\n" at its standard input it resets its connections and ends.
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";

const [kind, host = "127.0.0.1", port = "0", cert = "", key = ""] = process.argv.slice(2);
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const ready = (): void => print("ready");
const sockets = new Set<Socket>();
let count = 0;

function onConnection(socket: Socket): void {
  const n = count++;
  sockets.add(socket);
  print(`open ${n}`);
  socket.on("data", (data: Buffer) => print(`data ${n} ${data.toString("base64")}`));
  socket.on("end", () => print(`end ${n}`));
  socket.on("error", () => {}); // ignored: a client may go as it likes
}

if (kind === "udp") {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  socket.on("message", (message) => print(message.toString("base64")));
  socket.bind(Number(port), host, ready);
} else if (kind === "tls") {
  createTlsServer({ cert: readFileSync(cert), key: readFileSync(key) }, onConnection).listen(
    Number(port),
    host,
    ready,
  );
} else createServer(onConnection).listen(Number(port), host, ready);

process.stdin.on("data", () => {
  for (const socket of sockets) socket.resetAndDestroy();
  process.exit(0);
});
process.stdin.on("end", () => process.exit(0));
