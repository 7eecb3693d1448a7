import assert from "node:assert/strict";
import { test } from "node:test";
import { dnsConfigOf } from "./dns-config.ts";

const NOTHING = { dns: [], "dns-opt": [], "dns-search": [] };

test("name servers, options and search domains come from flags or daemon.json", () => {
  assert.deepEqual(dnsConfigOf(NOTHING, {}), { servers: [], search: [], options: [] });
  assert.deepEqual(
    dnsConfigOf(
      { dns: ["10.0.0.1", "fd00::1"], "dns-opt": ["ndots:2"], "dns-search": ["a.example", "."] },
      {},
    ),
    { servers: ["10.0.0.1", "fd00::1"], search: ["a.example", "."], options: ["ndots:2"] },
  );
  assert.deepEqual(
    dnsConfigOf(NOTHING, { dns: ["10.0.0.2"], "dns-opts": ["timeout:1"], "dns-search": ["b.example"] }),
    { servers: ["10.0.0.2"], search: ["b.example"], options: ["timeout:1"] },
  );
});

test("what is no address, no domain or no list is refused", () => {
  const refused: [Record<string, unknown>, RegExp][] = [
    [{ dns: ["dns.example"] }, /IP address is not correctly formatted: dns\.example/],
    [{ dns: "10.0.0.1" }, /"dns" in the configuration file must be a list of strings/],
    [{ "dns-search": ["a b"] }, /a b is not a valid domain/],
    [{ "dns-search": ["-x"] }, /-x is not a valid domain/],
    [{ "dns-opts": [1] }, /"dns-opts" in the configuration file must be a list of strings/],
  ];
  for (const [file, message] of refused) assert.throws(() => dnsConfigOf(NOTHING, file), message);
});
