import assert from "node:assert/strict";
import { test } from "node:test";
import { selectContainers } from "./list.ts";
import { type ContainerRecord, NEVER_RAN } from "./record.ts";

function container(
  name: string,
  status: ContainerRecord["state"]["status"],
  more: object = {},
): ContainerRecord {
  const port = { proto: "tcp", containerPort: 80, hostIp: "0.0.0.0", hostPort: 8080 };
  return {
    id: name.padEnd(64, "0"),
    name,
    imageId: `image-of-${name}`,
    config: { Labels: { tier: name }, ExposedPorts: { "80/tcp": {} } },
    hostConfig: { Binds: null },
    endpoints: [
      {
        networkName: "bridge",
        networkId: "n1",
        aliases: [],
        wantedIp: "",
        wantedMac: "",
        attached: { ports: [port] },
      },
    ],
    state: { ...NEVER_RAN, status, exitCode: 3 },
    ...more,
  } as unknown as ContainerRecord;
}

const all = [
  container("c3", "running"),
  container("b2", "exited", { mounts: [{ type: "bind", source: "/host", destination: "/data" }] }),
  container("a1", "created"),
];
const context = {
  find: (name: string) => all.find((r) => r.name === name) as ContainerRecord,
  isDescendant: (r: ContainerRecord, image: string) => r.imageId === image,
};
const select = (query: Partial<Parameters<typeof selectContainers>[1]>): string[] =>
  selectContainers(all, { all: false, filters: {}, ...query }, context).map((r) => r.name);

test("selectContainers shows running ones, all of them, or the newest", () => {
  assert.deepEqual(select({}), ["c3"]);
  assert.deepEqual(select({ all: true }), ["c3", "b2", "a1"]);
  assert.deepEqual(select({ limit: 2 }), ["c3", "b2"]);
});

test("selectContainers filters as Docker does", () => {
  const filtered = (filters: Record<string, string[]>): string[] => select({ all: true, filters });
  assert.deepEqual(filtered({ name: ["^/b2$"] }), ["b2"]);
  assert.deepEqual(filtered({ name: ["^b2$"] }), ["b2"]);
  assert.deepEqual(filtered({ name: ["2", "a"] }), ["b2", "a1"]);
  assert.deepEqual(filtered({ name: ["["] }), []);
  assert.deepEqual(filtered({ id: ["b2"] }), ["b2"]);
  assert.deepEqual(filtered({ id: ["2"] }), []);
  assert.deepEqual(filtered({ label: ["tier", "tier=c3"] }), ["c3"]);
  assert.deepEqual(filtered({ exited: ["3"] }), ["b2"]);
  assert.deepEqual(filtered({ exited: ["-1"] }), []);
  assert.deepEqual(select({ filters: { exited: ["3"] } }), []);
  assert.deepEqual(filtered({ "is-task": ["false"] }), ["c3", "b2", "a1"]);
  assert.deepEqual(filtered({ isolation: ["hyperv"] }), ["c3", "b2", "a1"]);
  assert.deepEqual(filtered({ before: ["b2"] }), ["a1"]);
  assert.deepEqual(filtered({ since: ["b2"] }), ["c3"]);
  assert.deepEqual(filtered({ ancestor: ["image-of-a1"] }), ["a1"]);
  assert.deepEqual(filtered({ volume: ["/data"] }), ["b2"]);
  assert.deepEqual(filtered({ volume: ["/host"] }), ["b2"]);
  assert.deepEqual(filtered({ volume: ["/dat"] }), []);
  assert.deepEqual(select({ filters: { status: ["created"] } }), ["a1"]);
});

test("selectContainers finds ports of what runs, published or exposed", () => {
  const filtered = (filters: Record<string, string[]>): string[] => select({ all: true, filters });
  assert.deepEqual(filtered({ publish: ["8000-9000"] }), ["c3"]);
  assert.deepEqual(filtered({ publish: ["8080/udp"] }), []);
  assert.deepEqual(filtered({ publish: ["80"] }), []);
  assert.deepEqual(filtered({ expose: ["80"] }), ["c3"]);
  assert.deepEqual(filtered({ expose: ["1"], publish: ["8080/tcp"] }), ["c3"]);
  assert.deepEqual(filtered({ publish: ["8080/foo"] }), []);
});

test("selectContainers refuses what Docker refuses", () => {
  const refused = (filters: Record<string, string[]>, message: RegExp): void => {
    assert.throws(() => select({ filters }), message);
  };
  refused({ colour: ["red"] }, /invalid filter 'colour'/);
  refused({ status: ["asleep"] }, /invalid filter 'status=asleep': invalid value for state \(asleep\)/);
  refused(
    { health: ["ill"] },
    /invalid filter 'health=ill': invalid value for health \(ill\): must be one of none/,
  );
  refused({ exited: ["x"] }, /invalid filter 'exited=x': strconv.Atoi: parsing "x": invalid syntax/);
  refused({ "is-task": ["x"] }, /invalid filter 'is-task=\[x\]'/);
  refused({ publish: ["9-8"] }, /error while looking up for publish 9-8: invalid port range/);
});

test("selectContainers filters by health", () => {
  const health = (status: string) => ({ state: { ...NEVER_RAN, status: "running", health: { status } } });
  const some = [
    container("sick", "running", health("unhealthy")),
    container("new", "running", health("starting")),
  ];
  const filtered = (...values: string[]): string[] =>
    selectContainers([...some, ...all], { all: false, filters: { health: values } }, context).map(
      (r) => r.name,
    );
  assert.deepEqual(filtered("unhealthy"), ["sick"]);
  assert.deepEqual(filtered("healthy"), []);
  assert.deepEqual(filtered("starting", "none"), ["new", "c3"]);
  assert.throws(() => filtered("sick"), {
    message:
      "invalid filter 'health=sick': invalid value for health (sick): must be one of none, starting, healthy, unhealthy",
  });
});
