// Plans as text: what is done, in what order, and why.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerSummary } from "../../api/schemas/container.ts";
import { ProjectDirectory } from "../load/project.fake.ts";
import { networkHash, serviceHash, volumeHash } from "../model/hash.ts";
import type { Project } from "../model/project.ts";
import { label } from "../observe/labels.ts";
import type { Observed, ObservedContainer } from "../observe/observe.ts";
import { type ReconcileOptions, changedVolumes, reconcile } from "./reconcile.ts";

const directory = new ProjectDirectory();

const project = (text: string): Promise<Project> => directory.load(text);

const nothing: Observed = { containers: [], networks: new Map(), volumes: new Map() };

/** The state in which a project is after `up`. */
function running(of: Project, scale: Readonly<Record<string, number>> = {}): Observed {
  const containers = Object.values(of.services).flatMap((service) =>
    Array.from({ length: scale[service.name] ?? 1 }, (_, index) => container(of, service.name, index + 1)),
  );
  const networks = Object.entries(of.networks).map(
    ([key, network]) =>
      [key, { id: `net-${key}`, name: network.name, project: "p", hash: networkHash(network) }] as const,
  );
  const volumes = Object.entries(of.volumes).map(
    ([key, volume]) => [key, { name: volume.name, project: "p", hash: volumeHash(volume) }] as const,
  );
  return { containers, networks: new Map(networks), volumes: new Map(volumes) };
}

function container(of: Project, name: string, number: number): ObservedContainer {
  const service = of.services[name];
  assert.ok(service);
  const networks = Object.keys(service.networks ?? {}).map((key) => [key, { NetworkID: `net-${key}` }]);
  const summary = {
    Labels: { [label.configHash]: serviceHash(service), [label.image]: "sha256:1" },
    NetworkSettings: { Networks: Object.fromEntries(networks) },
    Mounts: (service.volumes ?? []).map(({ source = "" }) => ({ Name: of.volumes[source]?.name })),
  } as unknown as ContainerSummary;
  const id = `${name}${number}`.padEnd(64, "0");
  return {
    id,
    name: `p-${name}-${number}`,
    service: name,
    number,
    isOneOff: false,
    state: "running",
    summary,
  };
}

const usual: ReconcileOptions = {
  targets: [],
  recreation: "changed",
  dependencyRecreation: "changed",
  inherits: true,
  removesOrphans: false,
  images: new Map([["x", "sha256:1"]]),
};

function planOf(desired: Project, observed: Observed, options: Partial<ReconcileOptions> = {}): string {
  return reconcile(desired, observed, { ...usual, ...options }).plan.toString();
}

const three = `services:
  web: {image: x, depends_on: [api], networks: [front]}
  api: {image: x, depends_on: [db], networks: [front, back]}
  db: {image: x, networks: [back], volumes: ["data:/data"]}
networks: {front: {}, back: {}}
volumes: {data: {}}
`;

test("a new project is made in the order of its dependencies, what is independent beside each other", async () => {
  assert.equal(
    planOf(await project(three), nothing),
    `[] -> #1 create network p_back (not there)
[] -> #2 create network p_front (not there)
[] -> #3 create volume p_data (not there)
[1,3] -> #4 create container p-db-1 (no container yet)
[1,2,4] -> #5 create container p-api-1 (no container yet)
[2,5] -> #6 create container p-web-1 (no container yet)
`,
  );
});

test("what is as it should be needs nothing", async () => {
  const desired = await project(three);
  const { plan, kept } = reconcile(desired, running(desired), usual);
  assert.equal(plan.toString(), "");
  assert.deepEqual(kept.map(({ name }) => name).sort(), ["p-api-1", "p-db-1", "p-web-1"]);
});

test("only a changed service is replaced, and the new container is there before the old one goes", async () => {
  const before = running(await project(three));
  const desired = await project(three.replace("depends_on: [db],", "depends_on: [db], environment: {A: 1},"));
  assert.equal(
    planOf(desired, before),
    `[] -> #1 create container api100000000_p-api-1 (configuration changed)
[1] -> #2 stop container p-api-1 (replaced by #1)
[1,2] -> #3 remove container p-api-1 (replaced by #1)
[3] -> #4 rename container #1 to p-api-1 (replacement done)
`,
  );
});

test("a service that wants to be restarted with its dependency is stopped while that is replaced", async () => {
  const text = `services:
  web: {image: x, depends_on: {db: {condition: service_started, restart: true}}}
  db: {image: x}
`;
  const desired = await project(text.replace("db: {image: x}", "db: {image: x, hostname: h}"));
  assert.equal(
    planOf(desired, running(await project(text))),
    `[] -> #1 stop container p-web-1 (db is replaced)
[1] -> #2 create container db1000000000_p-db-1 (configuration changed)
[2] -> #3 stop container p-db-1 (replaced by #2)
[2,3] -> #4 remove container p-db-1 (replaced by #2)
[4] -> #5 rename container #2 to p-db-1 (replacement done)
`,
  );
});

test("rolling starts the new container and gives it the ports before the old one goes, one after the other", async () => {
  const text = "services:\n  a: {image: x, scale: 2}\n";
  const desired = await project(text.replace("image: x,", "image: x, hostname: h,"));
  assert.equal(
    planOf(desired, running(await project(text), { a: 2 }), { isRolling: true }),
    `[] -> #1 create container a10000000000_p-a-1 (configuration changed)
[1] -> #2 roll over a10000000000_p-a-1 (rolling)
[2] -> #3 stop container p-a-1 (replaced by #1)
[2,3] -> #4 remove container p-a-1 (replaced by #1)
[4] -> #5 rename container #1 to p-a-1 (replacement done)
[5] -> #6 create container a20000000000_p-a-2 (configuration changed)
[6] -> #7 roll over a20000000000_p-a-2 (rolling)
[7] -> #8 stop container p-a-2 (replaced by #6)
[7,8] -> #9 remove container p-a-2 (replaced by #6)
[9] -> #10 rename container #6 to p-a-2 (replacement done)
`,
  );
});

test("what cannot run twice at once is replaced with an interruption, and that is said", async () => {
  const text = `services:
  fixed: {image: x, networks: {default: {ipv4_address: 10.0.0.5}}}
  ported: {image: x, ports: ["80:80"]}
`;
  const before = running(await project(text));
  const desired = await project(text.replaceAll("image: x,", "image: x, hostname: h,"));
  const { plan, interrupted } = reconcile(desired, before, { ...usual, isRolling: true });
  assert.doesNotMatch(plan.toString(), /roll over/);
  assert.deepEqual(interrupted, [
    'service "fixed" has a fixed address',
    'service "ported" has published ports, which this daemon cannot move to another container',
  ]);
});

test("another image replaces the containers of its services", async () => {
  const desired = await project("services:\n  a: {image: x}\n  b: {image: y}\n");
  const images = new Map([
    ["x", "sha256:1"],
    ["y", "sha256:2"],
  ]);
  assert.match(
    planOf(desired, running(desired), { images }),
    /^\[\] -> #1 create container b10{10}_p-b-1 \(image changed\)\n/,
  );
  assert.doesNotMatch(planOf(desired, running(desired), { images }), /p-a-1/);
});

test("the mode of recreation holds for named services, the other one for what they need", async () => {
  const desired = await project("services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x}\n");
  const observed = running(desired);
  const created = (options: Partial<ReconcileOptions>): string[] =>
    [...planOf(desired, observed, options).matchAll(/create container \S+_(\S+)/g)].map(
      ([, name]) => name as string,
    );
  assert.deepEqual(created({ recreation: "always", targets: ["a"] }), ["p-a-1"]);
  assert.deepEqual(created({ recreation: "always" }), ["p-b-1", "p-a-1"]);
  assert.deepEqual(created({ dependencyRecreation: "always", targets: ["a"] }), ["p-b-1"]);
  const changed = await project("services:\n  a: {image: x, depends_on: [b], tty: true}\n  b: {image: x}\n");
  assert.equal(planOf(changed, observed, { recreation: "never" }), "");
});

test("scaling takes the highest numbers away and adds behind the highest", async () => {
  const desired = await project("services:\n  a: {image: x, scale: 2}\n");
  assert.equal(
    planOf(desired, running(desired, { a: 4 })),
    `[] -> #1 stop container p-a-3 (scaled down)
[1] -> #2 remove container p-a-3 (scaled down)
[] -> #3 stop container p-a-4 (scaled down)
[3] -> #4 remove container p-a-4 (scaled down)
`,
  );
  assert.equal(
    planOf(await project("services:\n  a: {image: x, scale: 3}\n"), running(desired)),
    "[] -> #1 create container p-a-2 (no container yet)\n[] -> #2 create container p-a-3 (no container yet)\n",
  );
});

test("what differs goes first when there are too many", async () => {
  const old = running(await project("services:\n  a: {image: x, hostname: old}\n"));
  const desired = await project("services:\n  a: {image: x, hostname: new}\n");
  const current = container(desired, "a", 2);
  const observed = { ...old, containers: [...old.containers, current] };
  assert.equal(
    planOf(desired, observed),
    "[] -> #1 stop container p-a-1 (scaled down)\n[1] -> #2 remove container p-a-1 (scaled down)\n",
  );
});

test("orphans are found, and removed when that is wanted", async () => {
  const before = running(await project("services:\n  a: {image: x}\n  gone: {image: x}\n"));
  const desired = await project("services:\n  a: {image: x}\n");
  const { plan, orphans } = reconcile(desired, before, usual);
  assert.equal(plan.toString(), "");
  assert.deepEqual(
    orphans.map(({ name }) => name),
    ["p-gone-1"],
  );
  assert.equal(
    planOf(desired, before, { removesOrphans: true }),
    "[] -> #1 stop container p-gone-1 (orphan)\n[1] -> #2 remove container p-gone-1 (orphan)\n",
  );
});

test("a changed network is made anew, and the containers on it as well", async () => {
  const text = "services:\n  a: {image: x, networks: [n]}\nnetworks: {n: {}}\n";
  const desired = await project(text.replace("n: {}", "n: {internal: true}"));
  assert.equal(
    planOf(desired, running(await project(text))),
    `[] -> #1 stop container p-a-1 (its network changed)
[1] -> #2 disconnect p-a-1 from p_n (network changed)
[2] -> #3 remove network p_n (changed)
[3] -> #4 create network p_n (changed)
[4] -> #5 create container a10000000000_p-a-1 (not on its networks)
[1,5] -> #6 remove container p-a-1 (replaced by #5)
[6] -> #7 rename container #5 to p-a-1 (replacement done)
`,
  );
});

test("a changed volume keeps its data unless the user wants it anew", async () => {
  const text = "services:\n  a: {image: x, volumes: ['vol:/v']}\nvolumes: {vol: {}}\n";
  const before = running(await project(text));
  const desired = await project(text.replace("vol: {}", "vol: {labels: {a: b}}"));
  assert.deepEqual(changedVolumes(desired, before), ["vol"]);
  assert.equal(planOf(desired, before), "");
  assert.equal(
    planOf(desired, before, { renewedVolumes: new Set(["vol"]) }),
    `[] -> #1 stop container p-a-1 (its volume changed)
[1] -> #2 remove container p-a-1 (its volume changed)
[2] -> #3 remove volume p_vol (changed)
[3] -> #4 create volume p_vol (changed)
[4] -> #5 create container p-a-1 (no container yet)
`,
  );
});

test("a service that shares another's network is replaced together with it", async () => {
  const text = "services:\n  a: {image: x, network_mode: 'service:b'}\n  b: {image: x}\n";
  const desired = await project(text.replace("b: {image: x}", "b: {image: x, hostname: h}"));
  const plan = planOf(desired, running(await project(text)));
  assert.match(plan, /create container a10{10}_p-a-1 \(shares with b, which is replaced\)/);
});
