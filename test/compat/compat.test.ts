// Foreign clients, each with a day's work of its own: what they do is in clients/, what they print is checked here, beside Berth and beside the
// real Docker Engine. `make compat` installs them (package.json here, Debian's python3-docker and docker-compose).
import assert from "node:assert/strict";
import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { run } from "../e2e/command.ts";
import { type Engine, startBerth, startDocker } from "./engines.ts";

const HERE = import.meta.dirname;
const PORT = "18080";

let engines: readonly Engine[] = [];
let scratch: string;
before(async () => {
  scratch = await mkdtemp(join(tmpdir(), "berth-compat-"));
  engines = [await startBerth()];
  engines = [...engines, await startDocker()];
});
afterEach(async () => {
  for (const engine of engines) await engine.clean();
});
after(async () => {
  for (const engine of engines) await engine.close();
  await rm(scratch, { recursive: true, force: true });
});
const berth = (): Engine => engines[0] as Engine;

/** Runs a client's program beside an engine; returns its output. Fails when it does. */
async function drive(
  engine: Engine,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const all = { ...engine.environment, ...env };
  const { stdout, stderr, status } = await run(engine.network.wrap(argv), { env: all, timeoutMs: 300_000 });
  assert.equal(status, 0, `${engine.name}: ${argv.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}

/** What a client's program prints beside each engine, Berth's first. */
async function driveBoth(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string[]> {
  const outputs = [];
  for (const engine of engines) outputs.push(await drive(engine, argv, env));
  return outputs;
}

/** Node runs no TypeScript before 22.18: the program is translated first, its modules stay where npm has put them. */
async function translated(name: string): Promise<string> {
  const file = join(HERE, "node_modules", `.${name}.mjs`);
  const how = ["--target=node", "--packages=external", `--outfile=${file}`];
  const built = await run([process.execPath, "build", join(HERE, "clients", `${name}.ts`), ...how]);
  assert.equal(built.status, 0, built.stderr);
  return file;
}

const stepsOf = (output: string): string[] => output.split("\n").filter((line) => line.startsWith("ok "));

test("docker", async () => {
  const outputs = [];
  for (const engine of engines) {
    const dir = join(scratch, `docker-${engines.indexOf(engine)}`);
    await mkdir(dir);
    outputs.push(await drive(engine, ["sh", join(HERE, "clients/docker.sh"), PORT, dir]));
  }
  assert.ok((outputs[0]?.split("\n").filter((line) => line.startsWith("$ ")).length ?? 0) > 60);
  assert.equal(outputs[0], outputs[1]);
});

test("a reader as ctop", async () => {
  const [ours, docker] = await driveBoth(["node", await translated("reader")]);
  assert.equal(ours, docker);
});

test("dockerode", async () => {
  for (const output of await driveBoth(["node", await translated("dockerode"), PORT]))
    assert.equal(stepsOf(output).length, 10);
});

test("testcontainers", async () => {
  // Its reaper is an image of the public registry. Debian's engine can take a start to be later than the container's first words, which
  // the client then waits for in vain after a restart.
  const env = { TESTCONTAINERS_RYUK_DISABLED: "true" };
  const output = await drive(berth(), ["node", await translated("testcontainers")], env);
  assert.equal(stepsOf(output).length, 5);
});

test("docker-py", async () => {
  for (const output of await driveBoth(["/usr/bin/python3", join(HERE, "clients/docker_py.py"), PORT]))
    assert.equal(stepsOf(output).length, 6);
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
    drive(berth(), [
      "docker-compose",
      "--project-directory",
      dir,
      "-f",
      join(dir, "docker-compose.yml"),
      ...args,
    ]);
  await compose("up", "-d", "--build");
  const fetched = await drive(berth(), [
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
  assert.equal(await drive(berth(), ["docker", "ps", "-aq"]), "");
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
    drive(berth(), [
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
