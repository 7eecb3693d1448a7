// A repository as a build's context, fetched from a git server.
import assert from "node:assert/strict";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createClient } from "../../src/api/client.ts";
import { buildControl } from "../../src/api/operations/build.ts";
import {
  BUILD_ID_KEY,
  CONTROL_METHODS,
  empty,
  GATEWAY_METHODS,
  gatewaySolveRequest,
  gatewaySolveResponse,
  readFileRequest,
  readFileResponse,
  returnRequest,
  solveRequest,
  solveResponse,
  statFileRequest,
  statFileResponse,
} from "../../src/lib/build-protocol/control.ts";
import { definition, operation } from "../../src/lib/build-protocol/definition.ts";
import { GrpcClient } from "../../src/lib/grpc/client.ts";
import { Live, run } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";

const [berth] = clients as readonly [Client];
const SERVER = "127.0.0.1:9418";
let daemon: TestDaemon;
let server: Live;
let first = "";

async function git(...args: string[]): Promise<string> {
  const identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"];
  const { status, stdout, stderr } = await run(["git", ...identity, ...args], {
    cwd: daemon.path("served/app"),
    env: daemon.environment,
  });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

async function commit(files: Readonly<Record<string, string>>): Promise<string> {
  for (const [path, text] of Object.entries(files)) {
    const target = daemon.path("served/app", path);
    await mkdir(join(target, ".."), { recursive: true });
    await writeFile(target, text);
  }
  await git("add", "-A");
  await git("commit", "-q", "-m", "x");
  return git("rev-parse", "HEAD");
}

before(async () => {
  daemon = await TestDaemon.start();
  await mkdir(daemon.path("served/app"), { recursive: true });
  await git("init", "-q", "-b", "main");
  first = await commit({
    Dockerfile: "FROM busybox\nCOPY . /app/\nCMD cat /app/which\n",
    which: "first\n",
    "part/Dockerfile": "FROM busybox\nCOPY which /which\nCMD cat /which\n",
    "part/which": "a part\n",
  });
  await git("tag", "-a", "v1", "-m", "x");
  await git("checkout", "-q", "-b", "next");
  await commit({ which: "next\n" });
  await git("checkout", "-q", "main");
  await commit({ which: "second\n" });
  const argv = ["git", "daemon", "--verbose", "--export-all", "--reuseaddr", "--informative-errors"];
  const where = ["--listen=127.0.0.1", `--base-path=${daemon.path("served")}`, daemon.path("served")];
  server = new Live(daemon.network.wrap([...argv, ...where]), { timeoutMs: 170_000 });
  await server.prints(/Ready to rumble/);
});
after(async () => {
  server.kill("SIGTERM");
  await server.ended;
  await daemon.close();
});

const build = (context: string, env: Record<string, string> = {}) =>
  daemon.run(berth, ["build", "-t", "built", "--progress=plain", context], { env });

for (const DOCKER_BUILDKIT of ["1", "0"])
  test(`a branch, a tag, a commit and a directory of a repository are built (DOCKER_BUILDKIT=${DOCKER_BUILDKIT})`, async () => {
    for (const [fragment, said] of [
      ["", "second"],
      ["#main", "second"],
      ["#next", "next"],
      ["#v1", "first"],
      [`#${first}`, "first"],
      ["#next:part", "a part"],
      ["#:part", "a part"],
    ] as const) {
      const { status, stderr } = await build(`git://${SERVER}/app${fragment}`, { DOCKER_BUILDKIT });
      assert.equal(status, 0, `${fragment}: ${stderr}`);
      assert.equal(await daemon.text(berth, ["run", "--rm", "built"]), said, fragment);
    }
    await build(`git://${SERVER}/app`, { DOCKER_BUILDKIT });
    const { stdout } = await daemon.run(berth, ["run", "--rm", "built", "ls", "-A", "/app"]);
    assert.doesNotMatch(stdout, /^\.git$/m, "the repository's own directory stays out");
  });

test("what is not there is told, with the repository and the name", async () => {
  const branch = await build(`git://${SERVER}/app#nowhere`);
  assert.equal(branch.status, 1);
  assert.match(branch.stderr, /nowhere/);
  const repository = await build(`git://${SERVER}/none`);
  assert.equal(repository.status, 1);
  assert.match(repository.stderr, /none/);
  const directory = await build(`git://${SERVER}/app#main:none`);
  assert.equal(directory.status, 1);
  assert.match(directory.stderr, /none/);
});

test("a directory of a repository is in it, wherever its links lead", async () => {
  const dockerfile = "FROM busybox\nCMD echo outside\n";
  for (const dir of ["outside", "served"]) {
    await mkdir(daemon.path(dir), { recursive: true });
    await writeFile(daemon.path(dir, "Dockerfile"), dockerfile);
  }
  await git("checkout", "-q", "-b", "hostile");
  await symlink(daemon.path("outside"), daemon.path("served/app/absolute"));
  await symlink("../../outside", daemon.path("served/app/relative"));
  await commit({});
  await git("checkout", "-q", "main");
  for (const part of ["absolute", "relative", "..", "../../outside", "part/../.."]) {
    const { status } = await build(`git://${SERVER}/app#hostile:${part}`);
    if (status === 0) assert.notEqual(await daemon.text(berth, ["run", "--rm", "built"]), "outside", part);
  }
});

test("a client looks into a repository before it builds, as buildx does", async () => {
  const { socket } = await createClient({ host: `unix://${daemon.socket}` }).hijack(buildControl, {});
  const grpc = new GrpcClient(socket);
  try {
    const call = { metadata: { [BUILD_ID_KEY]: "look" } };
    const solving = { request: solveRequest, response: solveResponse };
    const solved = grpc.unary(CONTROL_METHODS.solve, solving, { ref: "look" });
    const attrs = { "git.fullurl": `git://${SERVER}/app` };
    const source = operation.encode({ source: { identifier: `git://${SERVER}/app#next`, attrs } });
    const looking = { request: gatewaySolveRequest, response: gatewaySolveResponse };
    const wanted = { definition: definition.encode({ operations: [source, operation.encode({})] }) };
    const { result } = await grpc.unary(GATEWAY_METHODS.solve, looking, wanted, call);
    const ref = result?.ref?.id ?? "";
    const stating = { request: statFileRequest, response: statFileResponse };
    const { stat } = await grpc.unary(GATEWAY_METHODS.statFile, stating, { ref, path: "which" }, call);
    assert.equal(stat?.size, "next\n".length);
    const reading = { request: readFileRequest, response: readFileResponse };
    const { data } = await grpc.unary(GATEWAY_METHODS.readFile, reading, { ref, path: "which" }, call);
    assert.equal(Buffer.from(data).toString(), "next\n");
    const missing = { ref, path: "Dockerfile.rego" };
    await assert.rejects(grpc.unary(GATEWAY_METHODS.statFile, stating, missing, call), /no such file/);
    const returning = { request: returnRequest, response: empty };
    await grpc.unary(GATEWAY_METHODS.return, returning, { result: {} }, call);
    await solved;
  } finally {
    grpc.close();
  }
});
