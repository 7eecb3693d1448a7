import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { emptyRecord, type NetworkRecord } from "../../network/record.ts";
import type { AttachedEndpoint, ContainerRecord, NetworkEndpoint } from "../record.ts";
import { ContainerNames } from "./names.ts";

interface Place {
  network: string;
  ip: string;
  ip6?: string;
  aliases?: string[];
  links?: string[];
  isDetached?: boolean;
}

const endpoint = (p: Place): NetworkEndpoint => ({
  networkName: p.network,
  networkId: `id-${p.network}`,
  aliases: p.aliases ?? [],
  wantedIp: "",
  wantedMac: "",
  ...(p.links === undefined ? {} : { links: p.links }),
  ...(p.isDetached ? {} : { attached: { ip: p.ip, ip6: p.ip6 ?? "" } as AttachedEndpoint }),
});

/** A record with the fields that names are made of. */
const record = (
  name: string,
  places: readonly Place[],
  hostConfig: Partial<ContainerRecord["hostConfig"]> = {},
): ContainerRecord =>
  ({
    id: Buffer.from(name.padEnd(32, "-")).toString("hex"),
    name,
    config: { Hostname: `host-${name}` },
    hostConfig: { Dns: [], DnsSearch: [], DnsOptions: [], ...hostConfig },
    endpoints: places.map(endpoint),
  }) as unknown as ContainerRecord;

const network = (name: string, isInternal = false): NetworkRecord => ({
  ...emptyRecord({ id: `id-${name}`, name, driver: "bridge", createdAt: "" }),
  isInternal,
});

function namesOf(
  records: readonly ContainerRecord[],
  networks: readonly NetworkRecord[] = [],
): ContainerNames {
  const names = new ContainerNames({
    findNetwork: (id) => networks.find((n) => n.id === id),
    findContainer: (id) => records.find((r) => r.id === id),
    defaults: { servers: ["10.0.0.53"], options: [] },
  });
  for (const r of records) names.update(r);
  return names;
}

describe("names", () => {
  const web = record("Web", [{ network: "back", ip: "10.1.0.2", ip6: "fd00::2", aliases: ["Front"] }]);
  const other = record("other", [{ network: "back", ip: "10.1.0.3", aliases: ["front"] }]);
  const asker = record("asker", [
    { network: "alone", ip: "10.2.0.9" },
    { network: "back", ip: "10.1.0.9", links: ["Web:store", "other"] },
  ]);
  const stranger = record("stranger", [{ network: "alone", ip: "10.2.0.2" }]);
  const plain = record("plain", [{ network: "bridge", ip: "172.17.0.2" }]);
  const names = namesOf([web, other, asker, stranger, plain]);

  test("are container, alias, short id and host name, with or without the network's", () => {
    for (const name of ["web", "host-web", web.id.slice(0, 12), "web.back", "host-web.back"])
      assert.deepEqual(names.addressesOf(asker.id, name), ["10.1.0.2", "fd00::2"], name);
    assert.deepEqual(names.addressesOf(asker.id, "front"), ["10.1.0.2", "fd00::2", "10.1.0.3"]);
    assert.deepEqual(names.addressesOf(asker.id, "store"), ["10.1.0.2", "fd00::2"]);
    assert.deepEqual(names.addressesOf(asker.id, "asker"), ["10.2.0.9"]);
    assert.deepEqual(names.addressesOf(asker.id, "asker.back"), ["10.1.0.9"]);
  });

  test("of others are unknown, as are those of the default bridge", () => {
    for (const name of ["stranger", "plain", "store", "web.alone", "", ".", "web.", "constructor"])
      assert.equal(names.addressesOf(web.id, name), undefined, name);
    assert.equal(names.addressesOf(plain.id, "plain"), undefined);
    assert.equal(names.addressesOf("nobody", "web"), undefined);
  });

  test("are given for addresses", () => {
    assert.equal(names.nameOf(asker.id, "10.1.0.2"), "Web.back");
    assert.equal(names.nameOf(asker.id, "fd00::2"), "Web.back");
    assert.equal(names.nameOf(web.id, "10.2.0.2"), undefined);
  });
});

test("an address that has changed hands keeps its new owner's name", () => {
  const names = namesOf([]);
  const before = record("before", [{ network: "n", ip: "10.0.0.2" }]);
  const after = record("after", [{ network: "n", ip: "10.0.0.2" }]);
  names.update(before);
  names.update(after);
  names.remove(before.id);
  assert.equal(names.nameOf(after.id, "10.0.0.2"), "after.n");
});

test("the index is what the records say, whatever came before", () => {
  const place = fc.record({
    network: fc.constantFrom("n1", "n2", "bridge"),
    ip: fc.constantFrom("10.0.0.1", "10.0.0.2", "10.0.0.3"),
    aliases: fc.subarray(["x", "y"]),
    isDetached: fc.boolean(),
  });
  const places = fc.uniqueArray(place, { selector: (p) => p.network, maxLength: 3 });
  const change = fc.record({ name: fc.constantFrom("aa", "bb", "cc"), places, isGone: fc.boolean() });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
      const names = namesOf([]);
      const latest = new Map<string, ContainerRecord>();
      // What somebody remembers who forgets only what he is told to forget.
      const remembered = new Map<string, string>();
      names.observe((ids) => {
        const gone = new Set(ids);
        for (const key of remembered.keys()) if (gone.has(key.split(" ")[0] ?? "")) remembered.delete(key);
      });
      const remember = (): void => {
        for (const id of latest.keys())
          for (const name of ["aa", "x", "y.n1"]) {
            const found = names.addressesOf(id, name);
            if (found !== undefined) remembered.set(`${id} ${name}`, found.join());
          }
      };
      for (const { name, places: p, isGone } of changes) {
        remember();
        const r = record(name, p);
        latest.delete(r.id);
        if (isGone) names.remove(r.id);
        else {
          names.update(r);
          latest.set(r.id, r);
        }
      }
      const fresh = namesOf([...latest.values()]);
      const sorted = (list: readonly string[] | undefined) => list?.toSorted((a, b) => a.localeCompare(b));
      for (const id of latest.keys())
        for (const name of ["aa", "bb", "cc", "x", "y", "aa.n1", "x.n2"])
          assert.deepEqual(sorted(names.addressesOf(id, name)), sorted(fresh.addressesOf(id, name)));
      for (const [key, text] of remembered) {
        const [id = "", name = ""] = key.split(" ");
        if (latest.has(id)) assert.equal(text, names.addressesOf(id, name)?.join(), "remembered too long");
      }
    }),
  );
});

test("questions leave by a network that leads out, to the container's servers or the daemon's", () => {
  const networks = [network("in", true), network("out")];
  const inside = record("inside", [{ network: "in", ip: "10.0.0.2" }], { Dns: ["10.0.0.9"] });
  const both = record(
    "both",
    [
      { network: "in", ip: "10.0.0.3" },
      { network: "out", ip: "10.1.0.3" },
    ],
    { DnsOptions: ["ndots:2"] },
  );
  const names = namesOf([inside, both], networks);
  assert.deepEqual(names.forwardingOf(inside.id), {
    usesHost: false,
    servers: ["10.0.0.9"],
    hasNdots: false,
  });
  assert.deepEqual(names.forwardingOf(both.id), { usesHost: true, servers: ["10.0.0.53"], hasNdots: true });
  assert.deepEqual(names.forwardingOf("nobody"), { usesHost: false, servers: [], hasNdots: false });
});
