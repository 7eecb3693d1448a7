// The rules under the real kernel: this file runs once more in a network namespace of its own, in which a server at
// another port stands for the shim.
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createConnection, createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { inOwnNamespace, realKeel, sh } from "../../linux/namespace.fake.ts";
import { HOST_NS } from "../../linux/ops.ts";
import { planRedirect, SERVICE_ADDRESS } from "./redirect.ts";

const PORT = 61_053;
const DNS = 53;

/** Sends a datagram to the service's port 53 from a connected socket, which takes answers from nowhere else. */
async function askUdp(text: string): Promise<string> {
  const socket = createSocket("udp4");
  try {
    socket.connect(DNS, SERVICE_ADDRESS);
    await once(socket, "connect");
    socket.send(text);
    const [bytes] = (await once(socket, "message", { signal: AbortSignal.timeout(5000) })) as [Buffer];
    return String(bytes);
  } finally {
    socket.close();
  }
}

async function askTcp(text: string): Promise<string> {
  const socket = createConnection(DNS, SERVICE_ADDRESS);
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(5000) });
    socket.write(text);
    const [bytes] = (await once(socket, "data", { signal: AbortSignal.timeout(5000) })) as [Buffer];
    return String(bytes);
  } finally {
    socket.destroy();
  }
}

inOwnNamespace(import.meta.filename, () => {
  describe("the redirection", () => {
    let bed: Awaited<ReturnType<typeof realKeel>>;
    const udp = createSocket("udp4");
    const tcp = createServer((socket) => {
      socket.on("error", () => undefined); // ignored: a client may go at any time
      socket.on("data", (bytes) => socket.write(`tcp ${String(bytes)}`));
    });
    before(async () => {
      bed = await realKeel();
      udp.on("message", (bytes, from) => udp.send(`udp ${String(bytes)}`, from.port, from.address));
      udp.bind(PORT, SERVICE_ADDRESS);
      tcp.listen(PORT, SERVICE_ADDRESS);
      await Promise.all([once(udp, "listening"), once(tcp, "listening")]);
      await bed.keel.run(planRedirect(HOST_NS, PORT));
    });
    after(async () => {
      udp.close();
      tcp.close();
      await bed.stop();
    });

    test("leads port 53 of the address to another port, both ways", async () => {
      assert.equal(await askUdp("one"), "udp one");
      assert.equal(await askUdp("x".repeat(8000)), `udp ${"x".repeat(8000)}`);
      assert.equal(await askTcp("two"), "tcp two");
    });

    test("leaves port 53 to a program that takes it everywhere", async () => {
      const own = createSocket("udp4");
      own.bind(DNS);
      await once(own, "listening");
      assert.equal(await askUdp("still here"), "udp still here");
      const asker = createSocket("udp4");
      asker.send("to you", DNS, "127.0.0.1");
      const [bytes] = (await once(own, "message")) as [Buffer];
      assert.equal(String(bytes), "to you");
      own.close();
      asker.close();
    });

    test("is invisible to the firewall of a container, which sees port 53", async () => {
      await sh(
        "nft",
        `table ip own {
        chain out { type filter hook output priority filter; policy drop;
          ip daddr 127.0.0.11 udp dport 53 accept
          ip saddr 127.0.0.11 udp sport 53 ct state established accept
          tcp dport 53 ct state new,established accept
          tcp sport 53 ct state established accept
        }
      }`,
      );
      assert.equal(await askUdp("through"), "udp through");
      assert.equal(await askTcp("through"), "tcp through");
      await sh("nft", "delete table ip own");
    });

    test("tracks no connections of its own", async () => {
      await askUdp("untracked");
      assert.doesNotMatch(await sh("nft", "list", "ruleset"), /nat|ct /);
    });

    test("is replaced as a whole", async () => {
      await bed.keel.run(planRedirect(HOST_NS, PORT + 1, { replaces: true }));
      const rules = await sh("nft", "list", "ruleset");
      assert.equal(rules.match(/set 61054/g)?.length, 2);
      assert.doesNotMatch(rules, /61053/);
      await bed.keel.run(planRedirect(HOST_NS, PORT, { replaces: true }));
      assert.equal(await askUdp("back"), "udp back");
    });
  });
});
