import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { existsSync } from "node:fs";
import { createFakePorts } from "./fake-ports.ts";
import { createServer, type Server } from "./server.ts";

// The server under the clients that users have: curl and the real docker command line, where they are installed.

const folder = mkdtempSync(join(tmpdir(), "berth-clients-"));
const path = join(folder, "api.sock");
const ports = createFakePorts();
let server: Server;

before(async () => {
  server = createServer({ ports, productVersion: "0.1.0" });
  await server.listen(`unix://${path}`);
});
after(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(command: string, args: readonly string[], stdin = ""): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, DOCKER_CONFIG: folder, DOCKER_CLI_HINTS: "false" };
    const child = spawn(command, args, { env, stdio: ["pipe", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk) => (stdout += String(chunk)));
    child.stderr.on("data", (chunk) => (stderr += String(chunk)));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
    child.stdin.on("error", () => {}); // ignored: a command that ends early needs no input
    child.stdin.end(stdin);
  });
}

const isInstalled = (command: string) =>
  (process.env["PATH"] ?? "").split(delimiter).some((entry) => existsSync(join(entry, command)));
const docker = (...args: string[]) => run("docker", ["-H", `unix://${path}`, ...args]);

describe("curl", { skip: !isInstalled("curl") }, () => {
  const curl = (...args: string[]) =>
    run("curl", ["-s", "-i", "--max-time", "5", "--unix-socket", path, ...args]);

  test("GET, HEAD and POST are answered", async () => {
    assert.match((await curl("http://d/_ping")).stdout, /^HTTP\/1.1 200 OK[\s\S]*\r\n\r\nOK$/);
    assert.match((await curl("-I", "http://d/_ping")).stdout, /Content-Length: 0/i);
    const created = await curl(
      "-H",
      "Content-Type: application/json",
      "-d",
      '{"Image":"x"}',
      "http://d/v1.41/containers/create",
    );
    assert.match(created.stdout, /^HTTP\/1.1 201 Created/);
  });

  test("100-continue is answered for large uploads", async () => {
    const sent = await run(
      "curl",
      [
        "-s",
        "-i",
        "--unix-socket",
        path,
        "-T",
        "-",
        "-H",
        "Expect: 100-continue",
        "http://d/containers/web/archive?path=/",
      ],
      "x".repeat(300_000),
    );
    assert.match(sent.stdout, /HTTP\/1.1 100 Continue[\s\S]*HTTP\/1.1 200 OK/);
    assert.deepEqual(ports.calls.at(-1), ["putArchive", 300_000]);
  });

  test("a stream is flushed line by line", async () => {
    const { stdout } = await curl("--max-time", "1", "http://d/events");
    assert.match(stdout, /"Action":"start"[\s\S]*\n\{[\s\S]*"Action":"die"/);
  });
});

describe("the docker command line", { skip: !isInstalled("docker") }, () => {
  test("version, info and ps print the engine's answers", async () => {
    const version = await docker("version", "--format", "{{.Server.Version}} {{.Server.MinAPIVersion}}");
    assert.deepEqual(version, { code: 0, stdout: "0.1.0 1.24\n", stderr: "" });
    const info = await docker(
      "info",
      "--format",
      "{{.Name}} {{.Containers}} {{.Driver}} {{.Swarm.LocalNodeState}}",
    );
    assert.equal(info.stdout, "fake-host 3 overlay2 inactive\n");
    const ps = await docker(
      "ps",
      "--no-trunc",
      "--format",
      "{{.Names}}|{{.Image}}|{{.Ports}}|{{.Status}}|{{.Labels}}",
    );
    assert.equal(ps.stdout, "web|nginx|0.0.0.0:8080->80/tcp|Up 2 minutes|tier=front\n");
  });

  test("errors are printed as the daemon's", async () => {
    const missing = await docker("inspect", "--type", "container", "nope");
    assert.equal(missing.code, 1);
    const start = await docker("start", "nope");
    assert.match(start.stderr, /Error response from daemon: No such container: nope/);
    const df = await docker("system", "df");
    assert.match(df.stderr, /Error response from daemon: SystemDataUsage is not supported by this version/);
  });

  test("a wait returns the exit code, a pull that fails midway fails", async () => {
    assert.equal((await docker("wait", "web")).stdout, "7\n");
    const pull = await docker("pull", "broken");
    assert.equal(pull.code, 1);
    assert.match(pull.stdout + pull.stderr, /connection reset/);
    assert.match((await docker("pull", "nope")).stderr, /Error response from daemon: manifest unknown/);
  });

  test("logs keeps stdout and stderr apart", async () => {
    assert.deepEqual(await docker("logs", "web"), { code: 0, stdout: "oooooooooo", stderr: "ee" });
    assert.deepEqual(await docker("logs", "tty"), { code: 0, stdout: "oooooeoooooe", stderr: "" });
  });

  test("attach carries stdin, its end, stdout and stderr", async () => {
    const attached = await run("docker", ["-H", `unix://${path}`, "attach", "web"], "typed\n".repeat(20_000));
    assert.equal(attached.stdout.length, 120_000);
    assert.equal(attached.stderr, "bye");
    assert.equal(attached.code, 7);
  });
});
