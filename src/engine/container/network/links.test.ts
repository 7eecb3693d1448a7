import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostConfig } from "../../../api/schemas/host-config.ts";
import { Fault } from "../../../lib/errors.ts";
import { type ContainerRecord, NEVER_RAN } from "../record.ts";
import {
  currentEnvironment,
  linkedEnvironment,
  linkedHosts,
  linkNames,
  linksOf,
  shownLinks,
} from "./links.ts";

const IP = "172.17.0.2";
const record = (name: string, over: Partial<ContainerRecord> = {}): ContainerRecord =>
  ({
    id: `${name}-id`,
    name,
    config: { Hostname: `${name}-host`, Env: ["FOO=bar", "PATH=/bin", "BARE"], ExposedPorts: {} },
    endpoints: [
      {
        networkName: "bridge",
        networkId: "b",
        aliases: [],
        wantedIp: "",
        wantedMac: "",
        attached: { ip: IP },
      },
    ],
    state: { ...NEVER_RAN, status: "running" },
    ...over,
  }) as unknown as ContainerRecord;

function tableOf(...records: ContainerRecord[]) {
  return {
    linkersOf: (id: string) => records.filter((r) => r.links?.some((l) => l.containerId === id)),
    get: (id: string) => records.find((r) => r.id === id),
    find(reference: string): ContainerRecord {
      const found = records.find((r) => r.name === reference);
      if (found === undefined) throw new Fault("notFound", `No such container: ${reference}`);
      return found;
    },
  };
}

const ports = (...keys: string[]) => ({ ExposedPorts: Object.fromEntries(keys.map((k) => [k, {}])) });
const db = record("db", {
  config: {
    Hostname: "db-host",
    Env: ["FOO=bar", "PATH=/bin", "BARE"],
    ...ports("80/tcp", "5432/tcp", "5433/tcp", "53/udp"),
  },
} as never);
const web = record("web", { links: [{ containerId: "db-id", alias: "my-db" }] });

test("linkedEnvironment has Docker's variables: the lowest port first, ranges, the other's environment", () => {
  assert.deepEqual(linkedEnvironment(tableOf(db, web), web), [
    `MY_DB_PORT=udp://${IP}:53`,
    `MY_DB_PORT_5432_TCP_START=tcp://${IP}:5432`,
    "MY_DB_PORT_5432_TCP_PORT_START=5432",
    `MY_DB_PORT_5432_TCP_END=tcp://${IP}:5433`,
    "MY_DB_PORT_5432_TCP_PORT_END=5433",
    ...[
      ["53", "udp"],
      ["80", "tcp"],
      ["5432", "tcp"],
      ["5433", "tcp"],
    ].flatMap(([port = "", proto = ""]) => {
      const key = `MY_DB_PORT_${port}_${proto.toUpperCase()}`;
      return [
        `${key}=${proto}://${IP}:${port}`,
        `${key}_ADDR=${IP}`,
        `${key}_PORT=${port}`,
        `${key}_PROTO=${proto}`,
      ];
    }),
    "MY_DB_NAME=/web/my-db",
    "MY_DB_ENV_FOO=bar",
  ]);
});

test("linkedHosts names the other by alias, host name and name, which is not said twice", () => {
  assert.deepEqual(linkedHosts(tableOf(db, web), web), [{ ip: IP, names: ["my-db", "db-host", "db"] }]);
  const same = record("api", { links: [{ containerId: "db-id", alias: "db" }] });
  assert.deepEqual(linkedHosts(tableOf(db, same), same), [{ ip: IP, names: ["db", "db-host"] }]);
});

test("a container that does not run, or is not on the default bridge, cannot be linked to at a start", () => {
  const idle = { ...db, state: NEVER_RAN };
  assert.throws(() => linkedHosts(tableOf(idle, web), web), {
    message: "Cannot link to a non running container: /db AS /web/my-db",
  });
  assert.throws(() => linkedHosts(tableOf({ ...db, endpoints: [] }, web), web), {
    message: "Cannot link to /db, as it does not belong to the default network",
  });
  assert.deepEqual(currentEnvironment(tableOf(idle, web), web), []);
});

test("linksOf finds containers, and refuses links where a network of its own is missing", () => {
  const of = (NetworkMode: string, ...Links: string[]) =>
    linksOf(tableOf(db), { NetworkMode, Links } as HostConfig);
  assert.deepEqual(of("bridge", "db:x", "db"), [
    { containerId: "db-id", alias: "x" },
    { containerId: "db-id", alias: "db" },
  ]);
  assert.deepEqual([of("bridge"), of("web", "nosuch:x")], [[], []]);
  for (const [mode, message] of [
    ["host", /host type networking can't be used with links/],
    ["container:x", /container type network can't be used with links/],
  ] as const)
    assert.throws(() => of(mode, "db:x"), { kind: "invalidParameter", message });
  assert.throws(() => of("bridge", "nosuch:x"), {
    kind: "invalidParameter",
    message: /could not get container for nosuch/,
  });
});

test("links are shown on both sides", () => {
  const table = tableOf(db, web);
  assert.deepEqual(linkNames(table, "db-id"), ["/web/my-db"]);
  assert.deepEqual([shownLinks(table, web), shownLinks(table, db)], [["/db:/web/my-db"], null]);
});
