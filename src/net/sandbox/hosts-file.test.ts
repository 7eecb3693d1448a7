import assert from "node:assert/strict";
import { test } from "node:test";
import { hostnameFile, hostsFile } from "./hosts-file.ts";

const DEFAULT = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

test("/etc/hosts lists defaults, added hosts, then the container", () => {
  assert.equal(hostsFile({ hostname: "web", addresses: [] }), DEFAULT);
  assert.equal(
    hostsFile({ hostname: "web", addresses: ["172.17.0.2"], extra: [{ ip: "10.0.0.9", names: ["db"] }] }),
    `${DEFAULT}10.0.0.9\tdb\n172.17.0.2\tweb\n`,
  );
  assert.equal(
    hostsFile({ hostname: "web", addresses: ["172.17.0.2"], hasIpv6Loopback: false }),
    "127.0.0.1\tlocalhost\n172.17.0.2\tweb\n",
  );
});

test("a domain gives the full name and its first part", () => {
  for (const name of [{ hostname: "web", domainname: "a.example" }, { hostname: "web.a.example" }])
    assert.ok(
      hostsFile({ ...name, addresses: ["172.17.0.2"] }).endsWith("\n172.17.0.2\tweb.a.example web\n"),
    );
});

test("/etc/hostname is one line", () => assert.equal(hostnameFile("web"), "web\n"));
