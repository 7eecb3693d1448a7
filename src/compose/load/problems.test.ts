// What is said of a bad file: where it is wrong, what is wrong, what was probably meant; all of it at once.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Project } from "../model/project.ts";
import { ProjectDirectory } from "./project.fake.ts";

const home = new ProjectDirectory();
const directory = home.path;

function written(...texts: string[]): string[] {
  return texts.map((text, index) => {
    const name = `${index}.yaml`;
    writeFileSync(join(directory, name), text);
    return name;
  });
}

const load = (files: readonly string[]): Promise<Project> => home.loadFiles(files);

/** Loads files and returns the complaint, with the directory left out. */
async function complaint(...texts: string[]): Promise<string> {
  try {
    await load(written(...texts));
  } catch (error) {
    return (error as Error).message.replaceAll(`${directory}/`, "");
  }
  return "";
}

const table: readonly (readonly [name: string, text: string, expected: string])[] = [
  [
    "an unknown attribute",
    "services:\n  web:\n    image: x\n    prots: [80]\n",
    `0.yaml:4:5: services.web: additional properties 'prots' not allowed (did you mean "ports"?)`,
  ],
  [
    "another spelling of an attribute",
    "services:\n  web: {image: x, containerName: y}\n",
    `0.yaml:2:19: services.web: additional properties 'containerName' not allowed (did you mean "container_name"?)`,
  ],
  [
    "an attribute that resembles none",
    "services:\n  web: {image: x, qwertyuiop: y}\n",
    "0.yaml:2:19: services.web: additional properties 'qwertyuiop' not allowed",
  ],
  [
    "a wrong type",
    "services:\n  web:\n    image: x\n    environment: 5\n",
    "0.yaml:4:18: services.web.environment: must be a mapping or a list of KEY=value, not the number 5",
  ],
  [
    "a number where a text is wanted",
    "services:\n  web:\n    image: x\n    command: [sleep, 5]\n",
    '0.yaml:4:22: services.web.command.1: must be a string (write "5"), not the number 5',
  ],
  [
    "a word that is none of the known ones",
    "services:\n  a: {image: x, depends_on: {b: {condition: service_helthy}}}\n  b: {image: x}\n",
    `0.yaml:2:45: services.a.depends_on.b.condition: must be one of "service_started", "service_healthy", "service_completed_successfully", not "service_helthy" (did you mean "service_healthy"?)`,
  ],
  [
    "an undefined network",
    "services:\n  web:\n    image: x\n    networks:\n      - backnd\nnetworks: {backend: {}}\n",
    `0.yaml:5:9: services.web.networks.backnd: refers to undefined network backnd (did you mean "backend"?)`,
  ],
  [
    "an undefined volume",
    "services:\n  web:\n    image: x\n    volumes:\n      - ./a:/a\n      - dta:/data\nvolumes: {data: {}}\n",
    `0.yaml:6:9: services.web.volumes.1: refers to undefined volume dta (did you mean "data"?)`,
  ],
  [
    "a dependency on nothing",
    "services:\n  web: {image: x, depends_on: [bd]}\n  db: {image: x}\n",
    `0.yaml:2:32: services.web.depends_on.bd: depends on undefined service "bd" (did you mean "db"?)`,
  ],
  [
    "a dependency on a disabled service",
    "services:\n  web: {image: x, depends_on: [db]}\n  db: {image: x, profiles: [data]}\n",
    `0.yaml:2:32: services.web.depends_on.db: depends on service "db", which is disabled (enable it with --profile data)`,
  ],
  [
    "a cycle",
    "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [c]}\n  c: {image: x, depends_on: [a]}\n",
    "0.yaml:2:30: services.a.depends_on.b: dependency cycle detected: a -> b -> c -> a",
  ],
  [
    "a required variable",
    "services:\n  web:\n    image: ${TAG:?which one}\n",
    "0.yaml:3:12: services.web.image: required variable TAG is missing a value: which one",
  ],
  [
    "a malformed variable",
    "services:\n  web:\n    image: x\n    command: echo ${\n",
    "0.yaml:4:14: services.web.command: invalid interpolation format, you may need to escape any $ with another $: echo ${",
  ],
  [
    "a malformed port",
    "services:\n  web:\n    image: x\n    ports:\n      - 80:http\n",
    "0.yaml:5:9: services.web.ports.0: invalid containerPort: http",
  ],
  [
    "a namespace of nobody's",
    "services:\n  web:\n    image: x\n    network_mode: service:wbe\n",
    '0.yaml:4:5: services.web.network_mode: depends on undefined service "wbe" (did you mean "web"?)',
  ],
  [
    "a link to nobody",
    "services:\n  web:\n    image: x\n    links: [db:store]\n",
    '0.yaml:4:13: services.web.links.0: depends on undefined service "db"',
  ],
  ["a tab", "services:\n\tweb: {}\n", "0.yaml:2:1: yaml: tabs are not allowed as indentation"],
  [
    "a key twice",
    "services:\n  web: {image: x}\n  web: {image: y}\n",
    "0.yaml:3:3: yaml: map keys must be unique",
  ],
  [
    "several things at once, in their order",
    "services:\n  web:\n    imge: x\n    privileged: maybe\n",
    `0.yaml:3:5: services.web: additional properties 'imge' not allowed (did you mean "image"?)\n0.yaml:4:17: services.web.privileged: must be true or false, not "maybe"`,
  ],
];

for (const [name, text, expected] of table) {
  test(`${name} is shown in its place`, async () => {
    assert.equal(await complaint(text), expected);
  });
}

test("what an override file makes wrong is shown in that file", async () => {
  const base = "services:\n  web: {image: x}\n";
  const over =
    "services:\n  web:\n    network_mode: host\n    networks: [default]\nnetworks: {default: {}}\n";
  assert.equal(
    await complaint(base, over),
    "1.yaml:3:5: services.web.network_mode: declares mutually exclusive `network_mode` and `networks`",
  );
});

test("what two files add to a set is in it once", async () => {
  const first = "services:\n  web: {image: x, security_opt: [no-new-privileges], group_add: [a]}\n";
  const second = "services:\n  web: {security_opt: [no-new-privileges, label=disable], group_add: [a, b]}\n";
  const files = written(first, second);
  const { web } = (await load(files)).services;
  assert.deepEqual(web?.security_opt, ["no-new-privileges", "label=disable"]);
  assert.deepEqual(web?.group_add, ["a", "b"]);
});

test("aliases that unfold without end are refused", async () => {
  const levels = Array.from({ length: 9 }, (_, n) =>
    n === 0
      ? "x-0: &a0 [1,1,1,1,1,1,1,1,1,1]"
      : `x-${n}: &a${n} [${Array(10)
          .fill(`*a${n - 1}`)
          .join(",")}]`,
  );
  assert.match(
    await complaint(`${levels.join("\n")}\nservices: {a: {image: x}}\n`),
    /unfolds to too many nodes/,
  );
});
