// The shim as the daemon's hands in the container's network: what is asked at 127.0.0.11 comes out as frames, what the daemon
// sends goes back to who asked, and sockets are opened from there for the daemon. No DNS anywhere: the bytes are the test's.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { SysError } from "../../lib/errors.ts";
import type { FrameSocket } from "../../linux/frame-socket.ts";
import { inner, type Value } from "../../linux/ops.ts";
import { encodeFrame, type Reply } from "../../linux/wire.ts";
import { Bed, demultiplex, readAll, type Run, skip } from "./_bed.ts";
import { openDns } from "./client.ts";

const KIND = { datagram: 1, bytes: 2, end: 3, connect: 4 } as const;
const PORT = 50_123;
const SIGKILL = 9;
const ECONNREFUSED = 111;
const LOCALHOST = Uint8Array.of(127, 0, 0, 1);
const NOTHING = Buffer.alloc(0);

const send = (connection: FrameSocket, ...frame: Value[]): void => void connection.send(encodeFrame(frame));

/** Sends a datagram to the service from the container's network and prints the first one that comes back. */
const ASK = `
  const socket = require("node:dgram").createSocket("udp4");
  socket.on("message", (bytes) => { process.stdout.write(bytes); socket.close(); });
  socket.send(process.argv.at(-1), ${PORT}, "127.0.0.11");`;

/** Takes the service's port until its input ends. */
const HOLD = `
  const server = require("node:net").createServer();
  server.listen(${PORT}, "127.0.0.11", () => process.stdout.write("holding"));
  process.stdin.on("end", () => server.close()).resume();`;

async function ask(run: Run, text: string): Promise<string> {
  const argv = ["-t", String(run.pid), "-n", process.execPath, "-e", ASK, text];
  return (await promisify(execFile)("nsenter", argv, { timeout: 20_000 })).stdout;
}

async function receive(connection: FrameSocket): Promise<Reply[]> {
  const frame = await connection.receive();
  assert.ok(frame !== null, "the shim has closed the connection");
  return frame;
}

describe("the shim's name service", { skip }, () => {
  let bed: Bed;
  before(async () => {
    bed = await Bed.open();
  });
  after(async () => {
    await bed.close();
  });

  const start = async (): Promise<Run> => {
    const run = await bed.create({ argv: ["sleep", "1000"], settings: [inner.loopbackUp()] });
    await run.shim.start();
    return run;
  };
  /** Runs a script in the container and returns what it says. */
  const sh = async (run: Run, script: string): Promise<string> => {
    const { stream } = await bed.exec(run, ["sh", "-c", script], { stdout: true, stderr: true });
    assert.ok(stream !== null);
    const { stdout, stderr } = demultiplex(await readAll(stream));
    return `${stdout}${stderr}`;
  };
  const end = async (run: Run): Promise<void> => {
    await run.shim.signal(SIGKILL);
    await run.exit;
  };

  test("carries datagrams to the daemon and answers back to who asked", async () => {
    const run = await start();
    const { port, connection } = await openDns(run.socketPath, PORT);
    assert.equal(port, PORT);
    const said = Promise.all(["one", "two"].map((text) => ask(run, text)));
    const asked = [await receive(connection), await receive(connection)];
    assert.notDeepEqual(asked[0]?.[1], asked[1]?.[1]);
    for (const [kind, peer, bytes] of asked) {
      assert.equal(kind, KIND.datagram);
      send(connection, KIND.datagram, peer as Buffer, `to ${String(bytes)}`);
    }
    assert.deepEqual(await said, ["to one", "to two"]);
    connection.destroy();
    await end(run);
  });

  test("carries TCP connections, each under a number of its own", async () => {
    const run = await start();
    const { connection } = await openDns(run.socketPath, PORT);
    const said = sh(run, `echo hello | nc 127.0.0.11 ${PORT} | head -n 1`);
    const [kind, flow, bytes] = await receive(connection);
    assert.deepEqual([kind, bytes], [KIND.bytes, NOTHING]);
    assert.equal((flow as number) % 2, 0);
    assert.deepEqual(await receive(connection), [KIND.bytes, flow, Buffer.from("hello\n")]);
    send(connection, KIND.bytes, flow as number, "good day\n");
    assert.deepEqual(await receive(connection), [KIND.end, flow, 0]); // nc has sent what it has, and waits
    send(connection, KIND.end, flow as number);
    assert.equal(await said, "good day\n");
    connection.destroy();
    await end(run);
  });

  test("opens sockets in the container's network", async () => {
    const run = await start();
    const { connection } = await openDns(run.socketPath, PORT);
    send(connection, KIND.connect, 1, 1, LOCALHOST, 7000);
    assert.deepEqual(await receive(connection), [KIND.end, 1, ECONNREFUSED]);
    send(connection, KIND.connect, 3, 0, LOCALHOST, 7000);
    assert.deepEqual(await receive(connection), [KIND.bytes, 3, NOTHING]);
    send(connection, KIND.bytes, 3, "anybody there?");
    assert.deepEqual(await receive(connection), [KIND.end, 3, ECONNREFUSED]);
    // The shim itself listens there over TCP: one flow in each direction.
    send(connection, KIND.connect, 5, 1, Uint8Array.of(127, 0, 0, 11), PORT);
    const stands = [await receive(connection), await receive(connection)].map(([, flow]) => flow);
    assert.deepEqual(new Set(stands), new Set([2, 5]));
    send(connection, KIND.bytes, 5, "question");
    assert.deepEqual(await receive(connection), [KIND.bytes, 2, Buffer.from("question")]);
    send(connection, KIND.bytes, 2, "answer");
    assert.deepEqual(await receive(connection), [KIND.bytes, 5, Buffer.from("answer")]);
    send(connection, KIND.end, 5);
    assert.deepEqual(await receive(connection), [KIND.end, 2, 0]);
    send(connection, KIND.end, 2);
    connection.destroy();
    await end(run);
  });

  test("a host that is not to be reached ends the flow", async () => {
    const run = await start(); // has a loopback and nothing else
    const { connection } = await openDns(run.socketPath, PORT);
    for (const [flow, address] of [
      [1, Uint8Array.of(192, 0, 2, 1)],
      [3, Uint8Array.from([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])],
    ] as const) {
      send(connection, KIND.connect, flow, 0, address, 53);
      const [kind, number, errno] = await receive(connection);
      assert.deepEqual([kind, number], [KIND.end, flow]);
      assert.ok((errno as number) > 0);
    }
    connection.destroy();
    await end(run);
  });

  test("keeps questions while no daemon is there, and hands them to the next", async () => {
    const run = await start();
    const first = await openDns(run.socketPath, PORT);
    const second = await openDns(run.socketPath, PORT + 1);
    assert.equal(second.port, PORT); // listens already
    assert.equal(await first.connection.receive(), null);
    second.connection.destroy();
    for (let i = 0; i < 2; i++) await run.shim.state(); // the shim has been through its loop, and knows
    const said = ask(run, "late");
    const waiting = `0B00007F:${PORT.toString(16).toUpperCase()} 00000000:0000 07 00000000:0*[1-9A-F]`;
    await sh(run, `while ! grep -q '${waiting}' /proc/net/udp; do :; done`);
    const third = await openDns(run.socketPath, PORT);
    const [, peer, bytes] = await receive(third.connection);
    assert.equal(String(bytes), "late");
    send(third.connection, KIND.datagram, peer as Buffer, "but served");
    assert.equal(await said, "but served");
    third.connection.destroy();
    await end(run);
  });

  test("refuses a taken port, and works at another", async () => {
    const run = await start();
    const holder = spawn("nsenter", ["-t", String(run.pid), "-n", process.execPath, "-e", HOLD]);
    await once(holder.stdout, "data");
    await assert.rejects(openDns(run.socketPath, PORT), (e) => e instanceof SysError && e.errno === 98);
    const { port, connection } = await openDns(run.socketPath, PORT + 1);
    assert.equal(port, PORT + 1);
    connection.destroy();
    holder.stdin.end();
    await once(holder, "exit");
    await end(run);
  });

  test("malformed frames end the connection, not the shim", async () => {
    const run = await start();
    const malformed: Value[][] = [
      [],
      [9],
      [KIND.datagram, "short", "x"],
      [KIND.datagram, Buffer.alloc(7), "x"],
      [KIND.bytes, "1", "x"],
      [KIND.bytes, 1],
      [KIND.end, 1, 2],
      [KIND.connect, 1, 1, Buffer.alloc(5), 53],
      [KIND.connect, 1, 1, LOCALHOST, 0],
      [KIND.connect, 1, 1, LOCALHOST, 65_536],
      [KIND.connect, 2, 1, LOCALHOST, 53],
    ];
    for (const frame of malformed) {
      const { connection } = await openDns(run.socketPath, PORT);
      send(connection, ...frame);
      assert.equal(await connection.receive(), null, JSON.stringify(frame));
    }
    assert.equal((await run.shim.state()).status, "running");
    await end(run);
  });

  test("ends with the container, whose network namespace it does not hold", async () => {
    const run = await start();
    const { connection } = await openDns(run.socketPath, PORT);
    // A process of an exec that outlives the first one would keep the shim: the sockets must go before.
    await end(run);
    assert.equal(await connection.receive(), null);
    await assert.rejects(openDns(run.socketPath, PORT));
  });

  test("more connections and bytes than it serves cost it nothing", async () => {
    const run = await start();
    const { connection } = await openDns(run.socketPath, PORT);
    const script = `i=0; while [ $i -lt 80 ]; do nc 127.0.0.11 ${PORT} </dev/zero >/dev/null & i=$((i+1)); done; wait`;
    const flood = sh(run, script);
    const flows = new Set<unknown>();
    while (flows.size < 64) flows.add((await receive(connection))[1]);
    const dirty = /Private_Dirty:\s+(\d+)/.exec(
      readFileSync(`/proc/${run.shimPid}/smaps_rollup`, "utf8"),
    )?.[1];
    assert.ok(Number(dirty) < 1024, `${dirty} kB`);
    connection.destroy();
    assert.equal((await run.shim.state()).status, "running");
    await end(run);
    await flood;
  });
});
