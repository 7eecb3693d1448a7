import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../lib/errors.ts";
import { containerResolvConf, formatResolvConf, loadHostResolvConf, parseResolvConf } from "./resolv-conf.ts";

const HOST = `# made by something
; and commented
nameserver 192.168.1.1
nameserver 127.0.0.1
nameserver fe80::1
nameserver not-an-address
domain old.example
search a.example b.example
options ndots:2
options edns0
sortlist 10.0.0.0
`;

test("the host's file is read as the resolver reads it", () => {
  assert.deepEqual(parseResolvConf(HOST), {
    nameservers: ["192.168.1.1", "127.0.0.1", "fe80::1"],
    search: ["a.example", "b.example"],
    options: ["ndots:2", "edns0"],
    other: ["sortlist 10.0.0.0"],
  });
});

test("a container gets the servers that it can reach", () => {
  assert.equal(
    containerResolvConf(parseResolvConf(HOST), {}),
    "nameserver 192.168.1.1\nsearch a.example b.example\noptions ndots:2 edns0\nsortlist 10.0.0.0\n",
  );
  assert.match(containerResolvConf(parseResolvConf(HOST), {}, { hasIpv6: true }), /nameserver fe80::1/);
});

test("public servers stand in when none is left", () => {
  for (const server of ["127.0.0.53", "127.1.2.3", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "fe80::1"])
    assert.equal(
      containerResolvConf(parseResolvConf(`nameserver ${server}`), {}),
      "nameserver 8.8.8.8\nnameserver 8.8.4.4\n",
    );
  assert.match(containerResolvConf(parseResolvConf(""), {}, { hasIpv6: true }), /2001:4860:4860::8844\n$/);
});

test("what the user asks for replaces, part by part, and is not filtered", () => {
  const conf = parseResolvConf(HOST);
  assert.equal(
    containerResolvConf(conf, { servers: ["127.0.0.11", "1.1.1.1"] }),
    "nameserver 127.0.0.11\nnameserver 1.1.1.1\nsearch a.example b.example\noptions ndots:2 edns0\nsortlist 10.0.0.0\n",
  );
  assert.equal(
    containerResolvConf(conf, { search: ["."], options: ["timeout:1"] }),
    "nameserver 192.168.1.1\noptions timeout:1\nsortlist 10.0.0.0\n",
  );
  assert.throws(() => containerResolvConf(conf, { servers: ["dns.example"] }), { code: "dns.invalid" });
});

test("systemd-resolved's own file is used behind its stub only", async () => {
  const dir = await mkdtemp(join(tmpdir(), "berth-dns-"));
  try {
    const files = { resolvConf: join(dir, "resolv.conf"), resolvedConf: join(dir, "resolved.conf") };
    assert.equal((await loadHostResolvConf(files)).content, "");
    await writeFile(files.resolvConf, "nameserver 127.0.0.53\noptions edns0\n");
    assert.equal((await loadHostResolvConf(files)).path, files.resolvConf);
    await writeFile(files.resolvedConf, "nameserver 10.0.0.2\n");
    assert.deepEqual((await loadHostResolvConf(files)).conf.nameservers, ["10.0.0.2"]);
    await writeFile(files.resolvConf, "nameserver 127.0.0.53\nnameserver 10.0.0.3\n");
    assert.equal((await loadHostResolvConf(files)).path, files.resolvConf);
  } finally {
    await rm(dir, { recursive: true });
  }
});

test("any text is parsed, and what is written is read back the same", () => {
  fc.assert(
    fc.property(fc.string(), (content) => {
      const conf = parseResolvConf(content);
      const again = parseResolvConf(formatResolvConf(conf));
      assert.deepEqual(
        [again.nameservers, again.search, again.options],
        [conf.nameservers, conf.search, conf.options],
      );
      assert.ok(containerResolvConf(conf, {}).startsWith("nameserver "));
    }),
  );
  assert.throws(() => containerResolvConf(parseResolvConf(""), { servers: [""] }), Fault);
});
