import assert from "node:assert/strict";
import { test } from "node:test";
import { EgressBook, type EgressEndpoint } from "./book.ts";
import { sourceElements } from "./elements.ts";
import { parseEgressPolicy } from "./policy.ts";

const endpoint = (policy?: string, over: Partial<EgressEndpoint> = {}): EgressEndpoint => ({
  endpointId: "e1",
  containerId: "c1",
  networkId: "n1",
  ip: "172.18.0.2",
  ip6: "",
  policy: policy === undefined ? undefined : parseEgressPolicy(policy),
  ...over,
});
const answer =
  (...ips: string[]) =>
  () =>
    ips.map((ip) => ({ ip, ttlSeconds: 30 }));

test("address rules are elements without overlaps, by bridge or by address", () => {
  const policy = parseEgressPolicy("10.0.0.0/8:443/tcp 10.1.0.0/16:443/tcp");
  const key = (from: string, ip: string) => [from, 6, ip, 443];
  assert.deepEqual(sourceElements({ bridgeName: "br-1" }, policy), {
    egressNetworks: [{ key: ["br-1"] }],
    egressNetworkAllowed: [{ key: key("br-1", "10.0.0.0"), keyEnd: key("br-1", "10.255.255.255") }],
  });
  assert.deepEqual(sourceElements({ ip: "172.18.0.2", ip6: "fd00::2" }, policy), {
    egressContainers: [{ key: ["172.18.0.2"] }],
    egressContainerAllowed: [
      { key: key("172.18.0.2", "10.0.0.0"), keyEnd: key("172.18.0.2", "10.255.255.255") },
    ],
    egressContainers6: [{ key: ["fd00::2"] }],
  });
});

test("a name may be asked for when the container and one of its networks allow it", () => {
  const book = new EgressBook();
  assert.equal(book.mayAsk("c1", "other.net"), true);
  book.enterNetwork("n1", "br-1", parseEgressPolicy("*.example.org"));
  book.enter(endpoint("a.example.org"));
  assert.deepEqual(
    ["a.example.org", "b.example.org", "other.net"].map((name) => book.mayAsk("c1", name)),
    [true, false, false],
  );
  book.enter(endpoint("a.example.org other.net", { endpointId: "e2", networkId: "n2" }));
  book.leave(endpoint());
  assert.deepEqual(
    ["a.example.org", "other.net"].map((name) => book.mayAsk("c1", name)),
    [true, true],
  );
});

test("addresses are learned for every policy that names the name, once for as long as they are good", () => {
  let now = 0;
  const book = new EgressBook(() => now);
  book.enterNetwork("n1", "br-1", parseEgressPolicy("*.example.org:443/tcp example.org"));
  book.enter(endpoint("*.example.org"));
  assert.equal(book.learn("c1", "other.net", answer("192.0.2.1")), undefined);
  const lesson = book.learn(
    "c1",
    "a.example.org",
    answer("192.0.2.1", "127.0.0.1", "169.254.169.254", "::1"),
  );
  assert.deepEqual(lesson?.elements, {
    egressNetworkNamedPorts: [{ key: ["br-1", 6, "192.0.2.1", 443], timeoutMs: 90_000 }],
    egressContainerNamed: [{ key: ["172.18.0.2", "192.0.2.1"], timeoutMs: 90_000 }],
  });
  // Not known before it is in the kernel.
  assert.notEqual(book.learn("c1", "a.example.org", answer("192.0.2.1")), undefined);
  lesson?.confirm();
  now = 50_000;
  assert.equal(book.learn("c1", "a.example.org", answer("192.0.2.1")), undefined);
  now = 70_000;
  const elements = book.elements().flatMap((e) => e.egressContainerNamed ?? []);
  assert.deepEqual(elements, [{ key: ["172.18.0.2", "192.0.2.1"], timeoutMs: 20_000 }]);
  assert.notEqual(book.learn("c1", "a.example.org", answer("192.0.2.1")), undefined);
  now = 90_000;
  assert.deepEqual(
    book.elements().flatMap((e) => e.egressContainerNamed ?? []),
    [],
  );
  assert.deepEqual(Object.keys(book.leave(endpoint()).named), ["egressContainerNamed"]);
  assert.deepEqual(Object.keys(book.leaveNetwork("n1").named), ["egressNetworkNamedPorts"]);
  assert.deepEqual(book.elements(), [{}]);
});

test("a policy learns a bounded number of addresses, and more when they have gone", () => {
  let now = 0;
  const book = new EgressBook(() => now);
  book.enter(endpoint("*.example.org"));
  const many = (from: number, count: number) =>
    answer(...Array.from({ length: count }, (_, i) => `198.51.${(from + i) >> 8}.${(from + i) & 255}`));
  const full = book.learn("c1", "a.example.org", many(0, 5000));
  assert.equal(full?.left, 5000 - 4096);
  full?.confirm();
  assert.equal(book.learn("c1", "b.example.org", many(5000, 1))?.left, 1);
  now = 90_001;
  assert.equal(book.learn("c1", "b.example.org", many(5000, 1))?.left, 0);
});
