import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { Peers } from "./peer.ts";

const peer = { pid: 7, uid: 1000, gid: 100 };

/** A request on a connection with this descriptor. */
function request(fd: number | undefined, more: object = {}): Pick<IncomingMessage, "socket"> {
  const socket = { _handle: fd === undefined ? null : { fd }, destroyed: false, ...more };
  return { socket: socket as unknown as IncomingMessage["socket"] };
}

test("the kernel is asked once for each connection", async () => {
  const asked: number[] = [];
  const peers = new Peers(async (fd) => {
    asked.push(fd);
    return peer;
  });
  const one = request(5);
  assert.deepEqual(
    [await peers.of(one), await peers.of(one), await peers.of(request(6))],
    [peer, peer, peer],
  );
  assert.deepEqual(asked, [5, 6]);
});

test("nothing is said of TCP, of what the kernel does not tell, and of a number that may be another's by now", async () => {
  const found = new Peers(async () => peer);
  assert.equal(await found.of(request(5, { remoteAddress: "127.0.0.1" })), undefined);
  assert.equal(await found.of(request(undefined)), undefined);
  assert.equal(await new Peers(() => Promise.reject(new Error("EPERM"))).of(request(5)), undefined);
  const closing = request(5);
  const late = new Peers(async () => {
    Object.assign(closing.socket, { destroyed: true });
    return peer;
  });
  assert.equal(await late.of(closing), undefined);
});
