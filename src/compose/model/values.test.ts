// Values of no use are told in their places, all at once; useful ones are not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ProjectDirectory } from "../load/project.fake.ts";
import { uselessValues } from "./values.ts";

const directory = new ProjectDirectory();

/** Each problem as `line path: message`. */
async function problems(text: string): Promise<string[]> {
  const project = await directory.load(text);
  return uselessValues(project).map(({ at, path: where, message }) => `${at.line} ${where}: ${message}`);
}

test("each value of no use is told in its place", async () => {
  const text = `services:
  a:
    image: "Upper Case"
    restart: allways
    mac_address: "02:00"
    dns: [one.one]
    extra_hosts: ["h=somewhere"]
    working_dir: here
    ulimits: {nofile: {soft: 5, hard: 2}}
    volumes: ["vol:relative"]
    networks: {n: {ipv4_address: 10.0.0.999, ipv6_address: 10.0.0.9}}
  b: {image: x, restart: "always:3"}
networks: {n: {ipam: {config: [{subnet: 10.0.0.0/99, gateway: ten, ip_range: 10.0.0.0}]}}}
volumes: {vol: {}}
`;
  assert.deepEqual(await problems(text), [
    "3 services.a.image: invalid reference format: repository name (library/Upper Case) must be lowercase",
    '4 services.a.restart: must be no, always, on-failure[:<retries>] or unless-stopped, not "allways" (did you mean "always"?)',
    '11 services.a.networks.n.ipv4_address: must be an IPv4 address, not "10.0.0.999"',
    '11 services.a.networks.n.ipv6_address: must be an IPv6 address, not "10.0.0.9"',
    '5 services.a.mac_address: must be an address such as 02:42:ac:11:00:02, not "02:00"',
    '6 services.a.dns.0: must be an IP address, not "one.one"',
    '7 services.a.extra_hosts.h: must be an IP address, not "somewhere"',
    '10 services.a.volumes.0: the path in the container must be absolute, not "relative"',
    '8 services.a.working_dir: must be absolute, not "here"',
    "9 services.a.ulimits.nofile: the soft limit 5 is above the hard limit 2",
    '12 services.b.restart: only on-failure has a number of retries, as in "on-failure:3", not "always:3"',
    '13 networks.n.ipam.config.0.subnet: must be a subnet such as 172.28.0.0/16, not "10.0.0.0/99"',
    '13 networks.n.ipam.config.0.ip_range: must be a range such as 172.28.5.0/24, not "10.0.0.0"',
    '13 networks.n.ipam.config.0.gateway: must be an IP address, not "ten"',
  ]);
});

test("useful values are left alone", async () => {
  const text = `services:
  a:
    image: registry.example:5000/a/b:1@sha256:${"0".repeat(64)}
    restart: on-failure:3
    mac_address: 02-42-ac-11-00-02
    dns: [1.1.1.1, "2001:4860:4860::8888"]
    extra_hosts: ["h=[::1]", "g=host-gateway", "i=10.0.0.1"]
    working_dir: /srv
    ulimits: {nofile: {soft: 2, hard: -1}, core: {soft: -1, hard: -1}, nproc: 5}
    volumes: ["vol:/v", "/anonymous", {type: tmpfs, target: /t}]
    networks: {n: {ipv4_address: 10.0.0.9, ipv6_address: "fd00::9"}}
  b: {build: ., restart: "no"}
networks: {n: {ipam: {config: [{subnet: 10.0.0.0/8, gateway: 10.0.0.1}, {subnet: "fd00::/64"}]}}}
volumes: {vol: {}}
`;
  assert.deepEqual(await problems(text), []);
});
