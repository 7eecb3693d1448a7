import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { findSocketOwners } from "./socket-owners.ts";
import { parseSockets, readListeners } from "./sockets.ts";

const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000 100 0 0 10 0
   1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000 20 4 30 10 -1
   2: nonsense
`;
const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 99 1 0 100 0 0 10 0
`;

test("only sockets that wait are listed, with address, port and inode", () => {
  assert.deepEqual(parseSockets(TCP, "tcp"), [
    { protocol: "tcp", address: "127.0.0.1", port: 8080, inode: "4711" },
  ]);
  assert.deepEqual(parseSockets(TCP6, "tcp"), [{ protocol: "tcp", address: "::1", port: 80, inode: "99" }]);
  assert.deepEqual(parseSockets("", "udp"), []);
});

test("a socket of this process is found with its owner", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const mine = readListeners("self")?.find((s) => s.port === port && s.protocol === "tcp");
  assert.equal(mine?.address, "127.0.0.1");
  assert.equal((await findSocketOwners(new Set([mine?.inode ?? ""]))).get(mine?.inode ?? ""), process.pid);
  server.close();
});

test("a process that is gone has no sockets", () => {
  assert.equal(readListeners(2 ** 22 + 1), undefined);
});
