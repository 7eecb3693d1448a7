import assert from "node:assert/strict";
import { test } from "node:test";
import type { PortMap } from "../../../api/schemas/host-config.ts";
import type { PublishedPort } from "../../../net/model.ts";
import { planPublishChange } from "./publish.ts";

const binding = (HostPort = "", HostIp = "") => ({ HostIp, HostPort });
const published = (containerPort: number, hostPort: number, hostIp = "0.0.0.0"): PublishedPort => ({
  proto: "tcp",
  containerPort,
  hostIp,
  hostPort,
});

function plan(
  had: { bindings?: PortMap; all?: boolean; exposed?: string[]; published?: PublishedPort[] },
  change: { add?: PortMap; remove?: PortMap },
) {
  const config = { ExposedPorts: Object.fromEntries((had.exposed ?? []).map((key) => [key, {}])) };
  const hostConfig = { PortBindings: had.bindings ?? {}, PublishAllPorts: had.all ?? false };
  const record = { name: "web", config, hostConfig } as Parameters<typeof planPublishChange>[0];
  return planPublishChange(
    record,
    { add: change.add ?? {}, remove: change.remove ?? {} },
    had.published ?? [],
  );
}

test("a port of the container goes with all its bindings, or with the one that is named", () => {
  const bindings = { "80/tcp": [binding("8080"), binding("8081", "127.0.0.1")], "81/tcp": [binding("9000")] };
  const ports = [
    published(80, 8080),
    published(80, 8080, "::"),
    published(80, 8081, "127.0.0.1"),
    published(81, 9000),
  ];
  const had = { bindings, published: ports };
  assert.deepEqual(plan(had, { remove: { "80/tcp": [binding()] } }), {
    config: { PortBindings: { "81/tcp": [binding("9000")] }, PublishAllPorts: false },
    removed: ports.slice(0, 3),
  });
  assert.deepEqual(plan(had, { remove: { "80/tcp": [binding("8080")] } }), {
    config: {
      PortBindings: { "80/tcp": [binding("8081", "127.0.0.1")], "81/tcp": [binding("9000")] },
      PublishAllPorts: false,
    },
    removed: ports.slice(0, 2),
  });
  assert.deepEqual(plan(had, { remove: { "80/tcp": [binding("", "127.0.0.1")] } }).removed, [ports[2]]);
});

test("a port that was given by chance or from a range is named by what was given", () => {
  const ports = [published(80, 32_768), published(80, 32_769), published(81, 8003)];
  const bindings = { "80/tcp": [binding(), binding()], "81/tcp": [binding("8000-8010")] };
  const had = { bindings, published: ports };
  const one = plan(had, { remove: { "80/tcp": [binding("32769")] } });
  assert.deepEqual(one.removed, [ports[1]]);
  assert.deepEqual(one.config.PortBindings?.["80/tcp"], [binding()]);
  const ranged = plan(had, { remove: { "81/tcp": [binding("8003")] } });
  assert.deepEqual([ranged.removed, ranged.config.PortBindings?.["81/tcp"]], [[ports[2]], undefined]);
});

test("-P is spelled out when one of its ports goes", () => {
  const had = {
    all: true,
    exposed: ["80/tcp", "81/tcp"],
    published: [published(80, 32_768), published(81, 32_769)],
  };
  assert.deepEqual(plan(had, { remove: { "80/tcp": [binding()] } }), {
    config: { PortBindings: { "81/tcp": [binding()] }, PublishAllPorts: false },
    removed: [had.published[0]],
  });
  assert.equal(plan(had, { add: { "82/tcp": [binding("9")] } }).config.PublishAllPorts, true);
});

test("what is not published cannot go, what is published cannot come again", () => {
  const had = { bindings: { "80/tcp": [binding("8080")] }, published: [published(80, 8080)] };
  assert.throws(() => plan(had, { remove: { "80/udp": [binding()] } }), {
    kind: "notFound",
    message: "no public port '80/udp' published for web",
  });
  assert.throws(() => plan(had, { remove: { "80/tcp": [binding("8081")] } }), { kind: "notFound" });
  assert.throws(() => plan(had, { add: { "80/tcp": [binding("8080")] } }), { kind: "conflict" });
  for (const key of ["__proto__", "constructor", "80/http"])
    assert.throws(() => plan(had, { add: JSON.parse(`{"${key}":[{}]}`) as PortMap }), {
      kind: "invalidParameter",
    });
  const moved = plan(had, { remove: { "80/tcp": [binding()] }, add: { "81/tcp": [binding("8080")] } });
  assert.deepEqual(moved.config.PortBindings, { "81/tcp": [binding("8080")] });
});
