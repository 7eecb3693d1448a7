import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePortKey, portMapOf, portRequests, portSummaries } from "./ports.ts";

test("portRequests reads bindings, ranges and -P", () => {
  const PortBindings = {
    "80/tcp": [{ HostIp: "", HostPort: "8080" }],
    "53/udp": [{ HostIp: "127.0.0.1", HostPort: "53-60" }],
  };
  assert.deepEqual(portRequests({ PortBindings, PublishAllPorts: true }, ["80/tcp", "443/tcp"]), [
    { proto: "tcp", containerPort: 80, hostIp: "", hostPort: 8080 },
    { proto: "udp", containerPort: 53, hostIp: "127.0.0.1", hostPort: 53, hostPortEnd: 60 },
    { proto: "tcp", containerPort: 443, hostIp: "", hostPort: 0 },
  ]);
  assert.deepEqual(portRequests({ PortBindings: null, PublishAllPorts: false }, ["80/tcp"]), []);
});

test("ports that are none are refused", () => {
  for (const bad of ["x", "70000", "80/icmp", "1-2"])
    assert.throws(() => parsePortKey(bad), /invalid port specification/);
  for (const PortBindings of [
    { "80/tcp": [{ HostIp: "", HostPort: "9-8" }] },
    { "0/tcp": null },
    { "0": [] },
  ])
    assert.throws(
      () => portRequests({ PortBindings, PublishAllPorts: false }, []),
      /invalid port specification: "(9-8|0|0\/tcp)"/,
    );
});

test("portMapOf and portSummaries show granted and merely exposed ports", () => {
  const published = [{ proto: "tcp" as const, containerPort: 80, hostIp: "0.0.0.0", hostPort: 8080 }];
  assert.deepEqual(portMapOf(published, ["80/tcp", "81/tcp"]), {
    "80/tcp": [{ HostIp: "0.0.0.0", HostPort: "8080" }],
    "81/tcp": null,
  });
  assert.deepEqual(portSummaries(portMapOf(published, ["81/tcp"])), [
    { PrivatePort: 81, Type: "tcp" },
    { IP: "0.0.0.0", PrivatePort: 80, PublicPort: 8080, Type: "tcp" },
  ]);
  const opened = { proto: "tcp" as const, containerPort: 80, hostIp: "0.0.0.0", hostPort: 0 };
  assert.deepEqual(portSummaries(portMapOf([opened], ["80/tcp"])), [], "open by the container's own address");
  assert.equal(portSummaries(portMapOf([...published, opened], [])).length, 1);
});
