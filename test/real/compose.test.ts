// Whole applications of Debian's packages, each a Compose project of projects/: built, started, fetched over HTTP, changed and taken
// down. The same files, with the same result, by `berth compose` on Berth, by docker-compose 1.29 on Berth and by `berth compose`
// on the real Docker Engine. `make test-real` runs it: it needs a Debian mirror and takes minutes.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { cp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { run } from "../e2e/command.ts";
import { clients, TestDaemon } from "../e2e/harness.ts";
import type { NetworkNamespace } from "../e2e/namespace.ts";
import { debianTar, openOutside, OUTSIDE_DNS, OUTSIDE_LINK } from "./debian.ts";
import { DockerEngine } from "./docker-engine.ts";

const PROJECTS = join(import.meta.dirname, "projects");
const BUILD_MS = 900_000;
const berthCompose = [...(clients[0] as (typeof clients)[0]).argv, "compose"];
const CONFIG = { dns: [OUTSIDE_DNS] };

/** Where projects run. */
interface Engine {
  readonly dir: string;
  readonly network: NetworkNamespace;
  readonly environment: Record<string, string>;
  /** Takes in the base image. */
  importBase(tar: string): Promise<unknown>;
  close(): Promise<void>;
}

async function startBerth(): Promise<Engine> {
  const daemon = await TestDaemon.start({ hasImage: false, config: CONFIG, lifeMs: 3_600_000 });
  daemon.otherLinks.push(OUTSIDE_LINK);
  return Object.assign(daemon, {
    importBase: (tar: string) =>
      daemon.text(clients[0] as (typeof clients)[0], ["import", tar, "debian:bookworm"], {
        timeoutMs: 300_000,
      }),
  });
}

async function startDocker(): Promise<Engine> {
  const engine = await DockerEngine.start(CONFIG);
  return Object.assign(engine, {
    importBase: (tar: string) => engine.docker("import", tar, "debian:bookworm"),
  });
}

/** A copy of a project in an engine's directory, and the tool that drives it. */
class RealProject {
  readonly directory: string;
  readonly #engine: Engine;
  readonly #tool: readonly string[];
  readonly #name: string;

  constructor(engine: Engine, tool: readonly string[], name: string) {
    this.#engine = engine;
    this.#tool = tool;
    this.#name = name;
    this.directory = join(engine.dir, "real", name);
  }

  /** Copies the files, builds the images and starts everything. */
  async begin(): Promise<void> {
    await cp(join(PROJECTS, this.#name), this.directory, { recursive: true });
    await this.compose("build");
    await this.compose("up", "-d");
  }

  async compose(...args: string[]): Promise<string> {
    const { directory: cwd } = this;
    const env = {
      ...this.#engine.environment,
      PWD: cwd,
      DOCKER_BUILDKIT: "0",
      COMPOSE_DOCKER_CLI_BUILD: "0",
    };
    const outcome = await run([...this.#tool, ...args], { cwd, env, timeoutMs: BUILD_MS });
    if (outcome.status !== 0) {
      const logs = await run([...this.#tool, "logs"], { cwd, env });
      assert.fail(`${args.join(" ")}: ${outcome.stdout}${outcome.stderr}\n${logs.stdout}`);
    }
    return outcome.stdout.trim();
  }

  /** Runs a program beside the published ports. */
  async outside(...argv: string[]): Promise<string> {
    const outcome = await this.#engine.network.run(argv, { timeoutMs: 60_000 });
    if (outcome.status !== 0) {
      const logs = await this.compose("logs");
      assert.fail(`${argv.join(" ")}: exit status ${outcome.status} ${outcome.stderr}\n${logs}`);
    }
    return outcome.stdout.trim();
  }

  /** Fetches a page. That a server listens nobody is told: it is asked until it does. */
  fetch(...args: string[]): Promise<string> {
    const patience = ["--retry", "60", "--retry-delay", "1", "--retry-all-errors", "--max-time", "10"];
    return this.outside("curl", "-sS", "-f", ...patience, ...args);
  }

  /** The ids of a service's containers. */
  async ids(service: string): Promise<string[]> {
    return (await this.compose("ps", "-q", service)).split("\n").filter(Boolean).sort();
  }

  /** Kills a service's process from outside, as the kernel does when memory is short. */
  async kill(service: string): Promise<void> {
    const ids = await this.ids(service);
    const { environment: env } = this.#engine;
    const { stdout } = await run(["docker", "inspect", "-f", "{{.State.Pid}}", ...ids], { env });
    for (const pid of stdout.trim().split("\n")) process.kill(Number(pid), "SIGKILL");
  }

  /** Takes everything down. */
  async end(): Promise<void> {
    await this.compose("down", "-v", "-t", "5", "--remove-orphans");
    for (const kind of ["container ls -a", "volume ls", "network ls"]) {
      const filter = ["--filter", `label=com.docker.compose.project=${this.#name}`, "-q"];
      const { environment: env } = this.#engine;
      assert.equal((await run(["docker", ...kind.split(" "), ...filter], { env })).stdout, "", kind);
    }
  }
}

/** nginx and PHP-FPM over one folder: what is edited is served. */
async function php(project: RealProject): Promise<void> {
  const url = "http://127.0.0.1:8080";
  assert.equal(await project.fetch(`${url}/`), "good morning from PHP 8");
  assert.equal(await project.fetch(`${url}/note.txt`), "plain text");
  await writeFile(join(project.directory, "src/index.php"), "<?php echo 'edited';");
  await writeFile(join(project.directory, "src/new.html"), "new\n");
  assert.equal(await project.fetch(`${url}/`), "edited");
  assert.equal(await project.fetch(`${url}/new.html`), "new");
  // Another environment makes another container of the one service that reads it.
  const [web, fpm] = [await project.ids("web"), await project.ids("php")];
  await writeFile(join(project.directory, ".env"), "GREETING=good evening\n");
  await project.compose("up", "-d");
  assert.deepEqual(await project.ids("web"), web);
  assert.notDeepEqual(await project.ids("php"), fpm);
  await cp(join(PROJECTS, "php/src/index.php"), join(project.directory, "src/index.php"));
  await project.compose("restart", "-t", "5", "web"); // nginx asks for an upstream's address when it starts
  assert.equal(await project.fetch(`${url}/`), "good evening from PHP 8");
  // Nothing has changed now.
  const all = [await project.ids("web"), await project.ids("php")];
  await project.compose("up", "-d");
  assert.deepEqual([await project.ids("web"), await project.ids("php")], all);
}

/** nginx with TLS, PHP and MariaDB: volumes outlive the containers, policies bring back what ends, networks keep apart. */
async function shop(project: RealProject): Promise<void> {
  const certificate = join(project.directory, "site.pem");
  await writeFile(certificate, await project.compose("exec", "-T", "web", "cat", "/tls/site.pem"));
  const https = (path: string, ...args: string[]): Promise<string> =>
    project.fetch(
      "--cacert",
      certificate,
      "--resolve",
      "blog.test:8443:127.0.0.1",
      ...args,
      `https://blog.test:8443${path}`,
    );
  const moved = await project.outside(
    "curl",
    "-s",
    "-w",
    "%{redirect_url}",
    "-o",
    "/dev/null",
    "http://127.0.0.1:8080/x",
  );
  assert.equal(moved, "https://127.0.0.1:8443/x");
  assert.equal(await https("/"), "");
  assert.equal(await https("/", "-d", "text=first <post>"), "1: first &lt;post&gt;");
  assert.equal(await https("/note.txt", "-X", "PUT", "--data-binary", "a file"), "1: first &lt;post&gt;");
  assert.equal(await https("/uploads/note.txt"), "a file");
  // nginx does not reach the database, PHP does by either name; the password is nowhere in a configuration.
  const resolves = async (service: string, name: string): Promise<string> =>
    project.compose(
      "exec",
      "-T",
      service,
      "sh",
      "-c",
      `getent hosts ${name} >/dev/null && echo yes || echo no`,
    );
  assert.equal(await resolves("web", "db"), "no");
  assert.equal(await resolves("php", "db"), "yes");
  assert.equal(await resolves("php", "database"), "yes");
  // What is killed comes back with what it had, by a policy of either kind.
  for (const service of ["db", "php"]) await project.kill(service);
  assert.equal(await https("/", "-d", "text=second"), "1: first &lt;post&gt;\n2: second");
  // Other containers, the same volumes.
  const before = await project.ids("db");
  await project.compose("down", "-t", "20");
  await project.compose("up", "-d");
  assert.notDeepEqual(await project.ids("db"), before);
  assert.equal(await https("/"), "1: first &lt;post&gt;\n2: second");
  assert.equal(await https("/uploads/note.txt"), "a file");
}

/** Three tiers, each begun when the one below is ready. */
async function tiers(project: RealProject): Promise<void> {
  assert.match(await project.compose("logs", "--no-color", "schema"), /the schema is there/);
  const answers: string[] = [];
  for (let i = 0; i < 8; i++) answers.push(await project.fetch("http://127.0.0.1:8080/"));
  assert.deepEqual(
    answers.map((line) => Number(line.split(" ")[0])),
    [1, 2, 3, 4, 5, 6, 7, 8],
  );
  const servers = new Set(answers.map((line) => line.split(" ")[1]));
  const ids = (await project.ids("api")).map((id) => id.slice(0, 12));
  assert.deepEqual(servers, new Set(ids), "nginx asks both servers");
  // The schema's container has done its work and is not run again; the database keeps its rows through a restart.
  await project.compose("restart", "-t", "20", "db");
  await project.compose("up", "-d");
  assert.equal((await project.fetch("http://127.0.0.1:8080/")).split(" ")[0], "9");
}

const STORIES = { php, shop, tiers };

/** The copy of the base image, before the first engine asks for it. */
let base: string;
before(
  async () => {
    base = await debianTar();
  },
  { timeout: 1_500_000 },
);

const hasDocker = existsSync("/usr/sbin/dockerd");
const ENGINES = [
  {
    engine: "Berth",
    start: startBerth,
    tools: { "berth compose": berthCompose, "docker-compose 1.29": ["docker-compose"] },
  },
  ...(hasDocker
    ? [{ engine: "Docker Engine", start: startDocker, tools: { "berth compose": berthCompose } }]
    : []),
];
for (const { engine: where, start, tools } of ENGINES) {
  describe(`on ${where}`, () => {
    let engine: Engine;
    let closeOutside: (() => Promise<void>) | undefined;
    before(
      async () => {
        engine = await start();
        closeOutside = await openOutside(engine.network);
        await engine.importBase(base);
      },
      { timeout: 600_000 },
    );
    after(async () => {
      await closeOutside?.();
      await engine?.close();
    });
    for (const [tool, argv] of Object.entries(tools))
      for (const [name, story] of Object.entries(STORIES))
        test(`${name}, by ${tool}`, { timeout: 1_500_000 }, async () => {
          const project = new RealProject(engine, argv, name);
          await project.begin();
          try {
            await story(project);
          } finally {
            await project.end();
          }
        });
  });
}
