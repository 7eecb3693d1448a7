import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { Fault } from "../errors.ts";
import { DbusConnection } from "./connection.ts";
import { decodeMessage, encodeMessage, MESSAGE } from "./message.ts";
import { parseSignature } from "./signature.ts";
import { decodeValues, encodeValues, Variant } from "./value.ts";

const dir = mkdtempSync(join(tmpdir(), "dbus-"));
after(() => rmSync(dir, { recursive: true, force: true }));

test("values have the specification's bytes: aligned, texts with length and NUL, arrays with their own length", () => {
  assert.deepEqual([...encodeValues("yu", [1, 2])], [1, 0, 0, 0, 2, 0, 0, 0]);
  assert.deepEqual([...encodeValues("s", ["ab"])], [2, 0, 0, 0, 97, 98, 0]);
  assert.deepEqual([...encodeValues("g", ["as"])], [2, 97, 115, 0]);
  // the padding before an array's first element does not count
  assert.deepEqual([...encodeValues("at", [[7n]])], [8, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual([...encodeValues("at", [[]])], [0, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual([...encodeValues("v", [new Variant("b", true)])], [1, 98, 0, 0, 1, 0, 0, 0]);
});

const basic: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  y: fc.integer({ min: 0, max: 255 }),
  b: fc.boolean(),
  n: fc.integer({ min: -(2 ** 15), max: 2 ** 15 - 1 }),
  q: fc.integer({ min: 0, max: 2 ** 16 - 1 }),
  i: fc.integer(),
  u: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  x: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  t: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  d: fc.double({ noNaN: true }),
  s: fc.string({ unit: "grapheme" }).map((s) => s.replaceAll("\0", "")),
};

/** A signature and a value of it, nested. */
const typed: fc.Arbitrary<{ signature: string; value: any }> = fc.letrec((tie) => ({
  leaf: fc.oneof(
    ...Object.entries(basic).map(([signature, of]) => of.map((value) => ({ signature, value }))),
  ),
  any: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    tie("leaf"),
    fc.array(tie("any") as fc.Arbitrary<any>, { minLength: 1, maxLength: 3 }).map((fields) => ({
      signature: `(${fields.map((f) => f.signature).join("")})`,
      value: fields.map((f) => f.value),
    })),
    (tie("any") as fc.Arbitrary<any>).map((one) => ({
      signature: `a${one.signature}`,
      value: [one.value, one.value],
    })),
    (tie("any") as fc.Arbitrary<any>).map((one) => ({
      signature: "v",
      value: new Variant(one.signature, one.value),
    })),
  ),
})).any as fc.Arbitrary<any>;

test("what is encoded is decoded", () => {
  fc.assert(
    fc.property(fc.array(typed, { maxLength: 4 }), (all) => {
      const signature = all.map((one) => one.signature).join("");
      const bytes = encodeValues(
        signature,
        all.map((one) => one.value),
      );
      const { values, end } = decodeValues(signature, bytes);
      assert.deepEqual(
        values,
        all.map((one) => one.value),
      );
      assert.equal(end, bytes.length);
    }),
  );
});

test("no bytes and no signature do more than be refused", () => {
  const refuses = (body: () => unknown) => {
    try {
      body();
    } catch (error) {
      assert.ok(error instanceof Fault && error.code === "dbus.malformed", String(error));
    }
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.string({ maxLength: 20 }), (bytes, signature) => {
      refuses(() => parseSignature(signature));
      refuses(() => decodeValues("a(sv)avgsx", Buffer.from(bytes)));
      refuses(() => decodeMessage(Buffer.from([0x6c, 4, 0, 1, ...bytes])));
    }),
  );
  refuses(() => decodeValues("v", encodeValues("v", [nested(200)])));
  assert.throws(() => parseSignature("a".repeat(100)), { code: "dbus.malformed" });
  for (const [signature, value] of [
    ["y", 256],
    ["t", -1n],
    ["t", 1],
    ["s", 1],
    ["s", "a\0b"],
    ["v", 1],
    ["(ii)", [1]],
  ] as const)
    assert.throws(() => encodeValues(signature, [value]), { code: "dbus.malformed" }, signature);
});

const nested = (depth: number): Variant =>
  new Variant(depth === 0 ? "y" : "v", depth === 0 ? 1 : nested(depth - 1));

test("messages come out of a stream one by one, however it is cut", () => {
  const message = {
    type: MESSAGE.call,
    serial: 3,
    path: "/a",
    interface: "a.b",
    member: "Do",
    destination: "c.d",
    signature: "sa(sv)",
    body: ["x", [["p", new Variant("t", 5n)]]],
  };
  const bytes = encodeMessage(message);
  for (let size = 0; size < bytes.length; size++)
    assert.equal(decodeMessage(bytes.subarray(0, size)), undefined);
  const read = decodeMessage(Buffer.concat([bytes, bytes]));
  assert.deepEqual(read, { message, size: bytes.length });
});

/** A bus of its own (dbus-daemon), with no services. */
async function startBus(): Promise<{ path: string; end(): Promise<void> }> {
  const path = join(dir, "bus");
  const config = join(dir, "bus.conf");
  writeFileSync(
    config,
    `<busconfig><listen>unix:path=${path}</listen><auth>EXTERNAL</auth><policy context="default">
<allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
</policy></busconfig>`,
  );
  const daemon = spawn("dbus-daemon", ["--config-file", config, "--nofork", "--print-address"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(daemon.stdout, "data");
  return {
    path,
    async end() {
      if (daemon.exitCode !== null || !daemon.kill()) return;
      await once(daemon, "exit");
    },
  };
}

const toBus = {
  destination: "org.freedesktop.DBus",
  path: "/org/freedesktop/DBus",
  interface: "org.freedesktop.DBus",
};

test("a real bus lets us in, answers, refuses by name, sends signals, and its end is told", async () => {
  const bus = await startBus();
  try {
    using connection = await DbusConnection.open(bus.path);
    await connection.hello();
    const [names] = await connection.call({ ...toBus, member: "ListNames" });
    assert.ok((names as string[]).includes("org.freedesktop.DBus"));
    await assert.rejects(connection.call({ ...toBus, member: "Nothing" }), {
      code: "org.freedesktop.DBus.Error.UnknownMethod",
    });
    const rule = "type='signal',member='NameOwnerChanged',arg0='berth.test'";
    await connection.call({ ...toBus, member: "AddMatch", signature: "s", body: [rule] });
    const owned = await connection.call({
      ...toBus,
      member: "RequestName",
      signature: "su",
      body: ["berth.test", 4],
    });
    assert.deepEqual(owned, [1]);
    const changed = await connection.signal((m) => m.member === "NameOwnerChanged");
    assert.equal(changed[0], "berth.test");
    const told = assert.rejects(
      connection.signal(() => false),
      { code: "dbus.unreachable" },
    );
    await bus.end();
    await told;
    await assert.rejects(connection.call({ ...toBus, member: "ListNames" }), { code: "dbus.unreachable" });
  } finally {
    await bus.end();
  }
});

test("who does not let us in, or speaks something else, is a fault", async () => {
  const said = async (text: string | Buffer) => {
    const path = join(dir, `peer${Math.abs(Buffer.from(text).readInt8())}`);
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.write(text);
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    try {
      await DbusConnection.open(path).then((connection) => connection.hello());
    } finally {
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  };
  await assert.rejects(said("REJECTED EXTERNAL\r\n"), /does not let us in: REJECTED EXTERNAL/);
  await assert.rejects(said(`OK 1\r\n${"x".repeat(20)}`), { code: "dbus.malformed" });
  await assert.rejects(DbusConnection.open(join(dir, "nobody")), { code: "dbus.unreachable" });
});
