// Foreign clients, each with a day's work of its own: what they do is in clients/, what they print is checked here. `make compat`
// installs them (package.json here, Debian's python3-docker and docker-compose).
import assert from "node:assert/strict";
import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { run } from "../e2e/command.ts";
import { TestDaemon } from "../e2e/harness.ts";

const HERE = import.meta.dirname;
const PORT = "18080";

let daemon: TestDaemon;
let scratch: string;
before(async () => {
  scratch = await mkdtemp(join(tmpdir(), "berth-compat-"));
  daemon = await TestDaemon.start();
});
afterEach(async () => {
  await daemon.removeContainers();
  await daemon.berth("network", "prune", "-f");
});
after(async () => {
  await daemon.close();
  await rm(scratch, { recursive: true, force: true });
});

/** Runs a client's program beside the daemon; returns its output. Fails when it does. */
async function drive(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const all = { ...daemon.environment, ...env };
  const { stdout, stderr, status } = await run(daemon.network.wrap(argv), { env: all, timeoutMs: 120_000 });
  assert.equal(status, 0, `${argv.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}

/** Node runs no TypeScript before 22.18: the program is translated first, its modules stay where npm has put them. */
async function driveNode(name: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const file = join(HERE, "node_modules", `.${name}.mjs`);
  const how = ["--target=node", "--packages=external", `--outfile=${file}`];
  const built = await run([process.execPath, "build", join(HERE, "clients", `${name}.ts`), ...how]);
  assert.equal(built.status, 0, built.stderr);
  return drive(["node", file, ...args], env);
}

const stepsOf = (output: string): string[] => output.split("\n").filter((line) => line.startsWith("ok "));

test("dockerode", async () => {
  assert.equal(stepsOf(await driveNode("dockerode", [PORT])).length, 10);
});

test("testcontainers", async () => {
  // Its reaper is an image of the public registry.
  const output = await driveNode("testcontainers", [], { TESTCONTAINERS_RYUK_DISABLED: "true" });
  assert.equal(stepsOf(output).length, 5);
});

test("docker-py", async () => {
  assert.equal(
    stepsOf(await drive(["/usr/bin/python3", join(HERE, "clients/docker_py.py"), PORT])).length,
    6,
  );
});

test("docker-compose 1.29", async () => {
  const dir = join(scratch, "project");
  await mkdir(join(dir, "web"), { recursive: true });
  await writeFile(
    join(dir, "docker-compose.yml"),
    `version: "3.7"
services:
  web:
    build: ./web
    ports: ["${PORT}:80"]
    depends_on: [store]
    environment: {WORD: said}
  store:
    image: busybox
    command: sleep 600
    stop_grace_period: 0s
    volumes: ["data:/data"]
volumes: {data: {}}
`,
  );
  await writeFile(
    join(dir, "web/Dockerfile"),
    'FROM busybox\nRUN echo page > /index.html\nSTOPSIGNAL KILL\nCMD ["httpd", "-f", "-h", "/"]\n',
  );
  const compose = (...args: string[]) =>
    drive(["docker-compose", "--project-directory", dir, "-f", join(dir, "docker-compose.yml"), ...args]);
  await compose("up", "-d", "--build");
  const fetched = await drive([
    "curl",
    "-s",
    "--retry",
    "20",
    "--retry-connrefused",
    `http://127.0.0.1:${PORT}/`,
  ]);
  assert.equal(fetched, "page\n");
  assert.equal(
    await compose("exec", "-T", "web", "sh", "-c", "echo $WORD; ping -c1 -w5 store >/dev/null && echo there"),
    "said\nthere\n",
  );
  await compose("up", "-d", "--scale", "store=3");
  assert.equal((await compose("ps", "-q", "store")).trim().split("\n").length, 3);
  await compose("down", "-v", "--rmi", "local");
  const { body } = await daemon.request("GET", "/containers/json?all=1");
  assert.deepEqual(body, []);
});

test("VS Code's containers, by the devcontainer command", async () => {
  const dir = join(scratch, "workspace");
  await mkdir(join(dir, ".devcontainer"), { recursive: true });
  await writeFile(join(dir, "source.txt"), "source\n");
  await writeFile(join(dir, ".devcontainer/Dockerfile"), "FROM busybox\nRUN echo tool > /tool\n");
  await writeFile(
    join(dir, ".devcontainer/devcontainer.json"),
    JSON.stringify({
      build: { dockerfile: "Dockerfile" },
      workspaceFolder: "/work",
      workspaceMount: `source=${dir},target=/work,type=bind`,
      containerEnv: { WORD: "said" },
      postCreateCommand: "cp source.txt made.txt",
      forwardPorts: [8080],
      remoteUser: "dev",
      updateRemoteUserUID: false,
    }),
  );
  await run(["chmod", "777", dir]);
  const docker = join(HERE, "../../dist/berth");
  const devcontainer = (verb: string, ...args: string[]) =>
    drive([
      "node",
      join(HERE, "node_modules/@devcontainers/cli/devcontainer.js"),
      verb,
      "--docker-path",
      docker,
      "--workspace-folder",
      dir,
      ...args,
    ]);
  const up = JSON.parse((await devcontainer("up")).trim().split("\n").at(-1) ?? "") as {
    outcome: string;
    containerId: string;
  };
  assert.equal(up.outcome, "success");
  const said = await devcontainer("exec", "sh", "-c", "id -un; echo $WORD; cat /tool made.txt");
  assert.equal(said, "dev\nsaid\ntool\nsource\n");
  const again = JSON.parse((await devcontainer("up")).trim().split("\n").at(-1) ?? "") as {
    containerId: string;
  };
  assert.equal(again.containerId, up.containerId);
});
