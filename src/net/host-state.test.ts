// What is read of a host's network, on a real kernel.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { Keel } from "../linux/keel.ts";
import { inOwnNamespace, realKeel, sh } from "../linux/namespace.fake.ts";
import { prefixText } from "../linux/netlink/address.ts";
import { type HostPrefixes, readHostState, readLink, readTakenPrefixes } from "./host-state.ts";

inOwnNamespace(import.meta.filename, () => {
  let keel: Keel;
  let stop: () => Promise<void>;
  before(async () => {
    ({ keel, stop } = await realKeel());
  });
  after(() => stop());
  afterEach(async () => {
    for (const { name } of (await readHostState(keel)).links.filter((l) => !l.isLoopback))
      await sh("ip", "link", "del", name).catch(() => undefined); // ignored: it went with its other end
  });

  async function addDevice(name: string, address: string): Promise<void> {
    await sh("ip", "link", "add", name, "type", "bridge");
    await sh("ip", "addr", "add", address, "dev", name);
    await sh("ip", "link", "set", name, "up");
  }

  /** The same keel; `look` sees the answers to each request, and is waited for. */
  const observed = (look: (bytes: number) => unknown): Keel =>
    Object.assign(Object.create(keel) as Keel, {
      run: async (...args: Parameters<Keel["run"]>) => {
        const answer = await keel.run(...args);
        await look(answer.results.reduce<number>((n, r) => n + (r instanceof Uint8Array ? r.length : 0), 0));
        return answer;
      },
    });

  const take = (by: Keel, known: readonly number[] = []): Promise<HostPrefixes> =>
    readTakenPrefixes(by, new Set(known), (link) => link.alias === "own");
  const holders = (prefixes: HostPrefixes): string[] =>
    [...prefixes.addresses, ...prefixes.routes].map((t) => `${prefixText(t.prefix)} ${t.holder}`);

  test("prefixes of devices and routes are others' unless the device is known or says so", async () => {
    await addDevice("lan", "10.1.0.1/24");
    await addDevice("ours", "10.2.0.1/24");
    await sh("ip", "link", "set", "ours", "alias", "own");
    await sh("ip", "route", "add", "10.7.0.0/16", "via", "10.1.0.9", "dev", "lan", "onlink");
    await sh("ip", "-6", "route", "add", "fd07::/64", "dev", "lan");
    const lan = [
      "10.1.0.0/24 device lan",
      "10.1.0.0/24 a route by lan",
      "10.7.0.0/16 a route by lan",
      "fd07::/64 a route by lan",
    ];
    assert.deepEqual(holders(await take(keel)), lan);
    const index = (await readLink(keel, "lan"))?.index as number;
    assert.deepEqual(holders(await take(keel, [index])), []);
    assert.equal(await readLink(keel, "nobody"), undefined);
  });

  test("devices without a prefix cost nothing, however many there are", async () => {
    await addDevice("lan", "10.1.0.1/24");
    let bytes = 0;
    const counted = observed((n) => {
      bytes += n;
    });
    const alone = holders(await take(counted));
    const bytesAlone = bytes;
    for (let n = 0; n < 10; n++) {
      await sh("ip", "link", "add", `a${n}`, "type", "veth", "peer", "name", `b${n}`);
      for (const end of [`a${n}`, `b${n}`]) {
        await sh("ip", "link", "set", end, "addrgenmode", "none");
        await sh("ip", "link", "set", end, "up");
      }
    }
    bytes = 0;
    assert.deepEqual(holders(await take(counted)), alone);
    assert.equal(bytes, bytesAlone);
  });

  test("very many devices with prefixes, and one that goes meanwhile, are no error", async () => {
    const names = Array.from({ length: 102 }, (_, n) => `d${n}`);
    for (const [n, name] of names.entries()) await addDevice(name, `10.3.${n}.1/24`);
    const all = names.map((name, n) => `10.3.${n}.0/24 device ${name}`);
    const devices = async (by: Keel): Promise<string[]> =>
      holders(await take(by)).filter((h) => h.includes(" device "));
    assert.deepEqual(await devices(keel), all);
    for (const name of names.splice(2)) await sh("ip", "link", "del", name);
    let asked = 0;
    const racing = observed(async () => {
      if (asked++ === 0) await sh("ip", "link", "del", "d0");
    });
    assert.deepEqual(await devices(racing), ["10.3.1.0/24 device d1"]);
    assert.ok(asked > 1);
  });
});
