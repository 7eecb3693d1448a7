// Who may do what: a real authorisation plugin is asked of every request, sockets with a policy refuse what they do not allow, and
// the audit log tells of both.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { type CommandOptions, type Outcome, run } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { hijack } from "./raw.ts";

const berth = clients[0] as Client;
const dir = mkdtempSync(join(tmpdir(), "berth-e2e-access-"));
const pluginSocket = join(dir, "judge.sock");

interface Asked {
  RequestMethod: string;
  RequestUri: string;
  RequestBody?: string;
  RequestHeaders: Record<string, string>;
  ResponseBody?: string;
  ResponseStatusCode?: number;
}
const requests: Asked[] = [];
const answers: Asked[] = [];
let judge: (asked: Asked) => unknown = () => ({ Allow: true });
let plugin: Server;

function listen(): Promise<void> {
  plugin = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      if (request.url === "/Plugin.Activate") return response.end(JSON.stringify({ Implements: ["authz"] }));
      const asked = JSON.parse(Buffer.concat(parts).toString()) as Asked;
      (request.url === "/AuthZPlugin.AuthZReq" ? requests : answers).push(asked);
      return response.end(JSON.stringify(judge(asked)));
    });
  });
  return new Promise((resolve) => {
    plugin.listen(pluginSocket, resolve);
  });
}

let daemon: TestDaemon;
let place: string;
const at = (name: string): string => join(place, `${name}.sock`);
before(async () => {
  await listen();
  place = await mkdtemp(join(tmpdir(), "berth-e2e-sockets-"));
  const script =
    'mount -t tmpfs tmpfs /run && mkdir -p /run/docker/plugins && ln -s "$0" /run/docker/plugins/judge.sock && exec "$@"';
  daemon = await TestDaemon.start({
    wrap: (argv) => ["unshare", "--mount", "sh", "-c", script, pluginSocket, ...argv],
    config: {
      undo: false,
      "authorization-plugins": ["judge"],
      "audit-log": join(place, "audit.jsonl"),
      access: [
        { host: `unix://${at("read")}`, "read-only": true },
        { host: `unix://${at("few")}`, operations: ["ContainerList", "ContainerRestart"] },
        { host: `unix://${at("team")}`, labels: ["team=ci"] },
        { host: `unix://${at("wide")}`, labels: ["team=ci"], allow: ["images", "binds"] },
      ],
    },
    expectedErrors: /authorization|plugin judge/,
  });
  await daemon.logs(/(API listen on[^]*){5}/);
});
afterEach(async () => {
  judge = () => ({ Allow: true });
  await daemon.removeContainers();
  requests.length = 0;
  answers.length = 0;
});
after(async () => {
  await daemon.close();
  plugin.closeAllConnections();
  await new Promise((resolve) => plugin.close(resolve));
  rmSync(dir, { recursive: true });
  await rm(place, { recursive: true });
});

const text = (...args: string[]) => daemon.text(berth, args);
/** Runs a command through one of the sockets. */
const through = (socket: string, args: readonly string[], options: CommandOptions = {}): Promise<Outcome> =>
  daemon.run(berth, args, { ...options, env: { DOCKER_HOST: `unix://${at(socket)}` } });
const status = async (socket: string, method: string, path: string, body?: unknown): Promise<number> => {
  const data = body === undefined ? [] : ["-H", "Content-Type: application/json", "-d", JSON.stringify(body)];
  const argv = [
    "curl",
    "-s",
    "-g",
    "-m",
    "10",
    "-o",
    "/dev/null",
    "-w",
    "%{http_code}",
    "-X",
    method,
    ...data,
  ];
  return Number((await run([...argv, "--unix-socket", at(socket), `http://d${path}`])).stdout);
};

test("a plugin is asked of every request and its answer, with the body whole", async () => {
  await text("run", "--rm", "busybox", "echo", "hello");
  const create = requests.find((r) => /\/containers\/create/.test(r.RequestUri));
  assert.equal(create?.RequestMethod, "POST");
  assert.equal(create.RequestHeaders["Content-Type"], "application/json");
  const body = JSON.parse(Buffer.from(create.RequestBody ?? "", "base64").toString()) as { Cmd: string[] };
  assert.deepEqual(body.Cmd, ["echo", "hello"]);
  const answer = answers.find((r) => /\/containers\/create/.test(r.RequestUri));
  assert.equal(answer?.ResponseStatusCode, 201);
  assert.match(Buffer.from(answer.ResponseBody ?? "", "base64").toString(), /"Id":"[0-9a-f]{64}"/);
  assert.ok(
    requests.some((r) => /\/attach/.test(r.RequestUri)),
    "hijacked requests, too",
  );
  const info = (await daemon.request("GET", "/info")).body as { Plugins: { Authorization: string[] } };
  assert.deepEqual(info.Plugins.Authorization, ["judge"]);
});

test("what the plugin denies does not happen, by either client", async () => {
  judge = (asked) =>
    /\/containers\/create/.test(asked.RequestUri) ? { Allow: false, Msg: "not today" } : { Allow: true };
  for (const c of clients) {
    const { status: code, stderr } = await daemon.run(c, ["run", "busybox", "true"]);
    assert.equal(code, 125);
    assert.match(stderr, /authorization denied by plugin judge: not today/);
  }
  judge = () => ({ Allow: true });
  assert.equal(await text("ps", "-aq"), "");
});

test("a large body, a body in chunks and a hijacked request are judged as any other", async () => {
  judge = (asked) => {
    const body = Buffer.from(asked.RequestBody ?? "", "base64").toString();
    return body.includes('"Privileged":true') ? { Allow: false, Msg: "privileged" } : { Allow: true };
  };
  const large = { Image: "busybox", Env: [`PAD=${"x".repeat(3 << 20)}`], HostConfig: { Privileged: true } };
  const file = join(dir, "body.json");
  await writeFile(file, JSON.stringify(large));
  for (const chunked of [[], ["-H", "Transfer-Encoding: chunked"]]) {
    const argv = ["curl", "-s", "-H", "Content-Type: application/json", ...chunked, "-d", `@${file}`];
    const { stdout } = await run([...argv, "--unix-socket", daemon.socket, "http://d/containers/create"]);
    assert.match(stdout, /authorization denied by plugin judge: privileged/);
  }
  await text("run", "-d", "--name", "target", "busybox", "sleep", "1000");
  judge = (asked) => ({ Allow: !/\/(attach|start)/.test(asked.RequestUri), Msg: "no stream" });
  const attached = await hijack(daemon.socket, "/containers/target/attach?stream=1&stdin=1");
  assert.match(attached.status, /403/);
  attached.socket.destroy();
});

test("a request for two operations in one is answered by the first, so that both are judged", async () => {
  await text("run", "-d", "--name", "target", "busybox", "sleep", "1000");
  const asked = await hijack(daemon.socket, "/containers/target/exec", {
    body: { Cmd: ["touch", "/mark"] },
    headers: { Connection: "Upgrade", Upgrade: "exec" },
  });
  assert.equal(asked.status, "HTTP/1.1 201 Created");
  asked.socket.destroy();
  const created = await hijack(daemon.socket, "/containers/create?name=unstarted", {
    body: { Image: "busybox", Cmd: ["true"], AttachStdout: true },
    headers: { Connection: "Upgrade", Upgrade: "run" },
  });
  assert.equal(created.status, "HTTP/1.1 201 Created");
  created.socket.destroy();
  assert.equal((await daemon.inspect("unstarted")).State.Status, "created");
  requests.length = 0;
  judge = ({ RequestUri }) => ({ Allow: !/\/exec\/[0-9a-f]+\/start$/.test(RequestUri), Msg: "no start" });
  const { status: code, stderr } = await daemon.run(berth, ["exec", "target", "touch", "/mark"]);
  assert.notEqual(code, 0);
  assert.match(stderr, /no start/);
  assert.ok(requests.some((r) => r.RequestUri.endsWith("/containers/target/exec")));
  judge = () => ({ Allow: true });
  assert.equal((await daemon.run(berth, ["exec", "target", "ls", "/mark"])).status, 1);
});

test("an answer that the plugin denies is not told", async () => {
  judge = (asked) => ({
    Allow: asked.ResponseStatusCode === undefined || !/\/info/.test(asked.RequestUri),
    Msg: "secret",
  });
  const { status: code, body } = await daemon.request("GET", "/info");
  assert.equal(code, 403);
  assert.deepEqual(body, { message: "authorization denied by plugin judge: secret" });
});

test("a plugin that fails, says nonsense or is gone lets nothing through, and may come back", async () => {
  for (const said of [{}, { Allow: "true" }, { Err: "broken" }]) {
    judge = () => said;
    const { status: code } = await daemon.request("GET", "/info");
    assert.ok(code === 403 || code === 500, JSON.stringify(said));
  }
  judge = () => ({ Allow: true });
  plugin.closeAllConnections();
  await new Promise((resolve) => plugin.close(resolve));
  const { status: code, body } = await daemon.request("GET", "/containers/json");
  assert.equal(code, 500);
  assert.match(JSON.stringify(body), /plugin judge failed with error/);
  await listen();
  assert.equal((await daemon.request("GET", "/containers/json")).status, 200);
});

test("a read-only socket shows, and does nothing else", async () => {
  await text("run", "-d", "--name", "seen", "busybox", "sh", "-c", "echo said; exec sleep 1000");
  assert.match((await through("read", ["ps"])).stdout, /seen/);
  for (const args of [
    ["logs", "seen"],
    ["inspect", "seen"],
    ["images"],
    ["version"],
    ["system", "df"],
    ["cp", "seen:/etc/passwd", "-"],
  ])
    assert.equal((await through("read", args)).status, 0, args.join(" "));
  const exec = (await daemon.request("POST", "/containers/seen/exec", { Cmd: ["true"] })).body as {
    Id: string;
  };
  for (const [method, path, body] of [
    ["POST", "/containers/create", { Image: "busybox" }],
    ["POST", "/containers/seen/stop"],
    ["POST", "/containers/seen/exec", { Cmd: ["id"] }],
    ["POST", `/exec/${exec.Id}/start`, { Detach: true }],
    ["POST", "/containers/seen/attach?stream=1&stdin=1"],
    ["GET", "/containers/seen/attach/ws?stream=1&stdin=1"],
    ["PUT", "/containers/seen/archive?path=/"],
    ["POST", "/containers/seen/resize?h=1&w=1"],
    ["POST", "/containers/prune"],
    ["POST", "/build"],
    ["POST", "/session"],
    ["POST", "/grpc"],
    ["POST", "/images/create?fromImage=x"],
    ["POST", "/images/load"],
    ["DELETE", "/images/busybox"],
    ["POST", "/volumes/create", {}],
    ["POST", "/networks/create", { Name: "n" }],
    ["POST", "/auth", {}],
    ["POST", "/commit?container=seen"],
    ["POST", "/berth/kept/prune"],
    ["POST", "/v1.41/containers/seen/kill"],
  ] as const)
    assert.equal(await status("read", method, path, body), 403, `${method} ${path}`);
  const upgraded = await hijack(at("read"), `/exec/${exec.Id}/start`, { body: {} });
  assert.match(upgraded.status, /403/);
  upgraded.socket.destroy();
  assert.equal((await daemon.inspect("seen")).State.Running, true);
});

test("a socket with a list of operations does these and no other", async () => {
  await text("run", "-d", "--name", "app", "busybox", "sleep", "1000");
  assert.equal((await through("few", ["restart", "-t", "0", "app"])).status, 0);
  assert.match((await through("few", ["ps"])).stdout, /app/);
  const { stderr } = await through("few", ["rm", "-f", "app"]);
  assert.match(stderr, /ContainerDelete is not allowed here: it is not among the operations of this socket/);
});

test("a scope of labels sees and touches its own, and what it makes has the labels", async () => {
  await daemon.run(berth, ["build", "-q", "-t", "own", "--label", "team=ci", "-"], {
    input: "FROM busybox\n",
  });
  await text("run", "-d", "--name", "foreign", "busybox", "sleep", "1000");
  await text("volume", "create", "foreign-data");
  assert.equal((await through("team", ["run", "-d", "--name", "mine", "own", "sleep", "1000"])).status, 0);
  const ours = await daemon.inspect("mine");
  assert.equal((ours.Config["Labels"] as Record<string, string>)["team"], "ci");
  const listed = await through("team", ["ps", "-a", "--format", "{{.Names}}"]);
  assert.equal(listed.stdout, "mine\n");
  assert.equal((await through("team", ["images", "--format", "{{.Repository}}"])).stdout, "own\n");
  for (const args of [
    ["inspect", "foreign"],
    ["logs", "foreign"],
    ["rm", "foreign"],
    ["exec", "foreign", "id"],
    ["cp", "foreign:/etc/passwd", "-"],
    ["kill", "foreign"],
    ["rename", "foreign", "x"],
    ["volume", "inspect", "foreign-data"],
    ["volume", "rm", "foreign-data"],
    ["rmi", "busybox"],
    ["tag", "own", "busybox"],
    ["run", "busybox", "true"],
    ["run", "-v", "foreign-data:/d", "own", "true"],
    ["run", "--volumes-from", "foreign", "own", "true"],
    ["run", "--network", "container:foreign", "own", "true"],
    ["commit", "foreign"],
    ["commit", "mine", "busybox"],
    ["system", "df"],
    ["pull", "nonesuch"],
  ])
    assert.notEqual((await through("team", args)).status, 0, args.join(" "));
  assert.equal((await through("team", ["exec", "mine", "echo", "hi"])).stdout, "hi\n");
  assert.equal((await through("team", ["volume", "create", "mine-data"])).status, 0);
  assert.equal((await through("team", ["run", "--rm", "-v", "mine-data:/d", "own", "true"])).status, 0);
  assert.equal((await through("team", ["volume", "prune", "-af"])).status, 0);
  assert.equal(await text("volume", "ls", "-q"), "foreign-data");
  assert.equal((await through("team", ["container", "prune", "-f"])).status, 0);
  assert.equal((await daemon.inspect("foreign")).State.Running, true);
  assert.equal((await through("team", ["rm", "-f", "mine"])).status, 0);
  await text("rm", "-f", "foreign");
  await text("volume", "rm", "foreign-data");
  await text("rmi", "own");
});

test("a scope of labels gives no way to the host unless that is allowed", async () => {
  await daemon.run(berth, ["build", "-q", "-t", "own", "--label", "team=ci", "-"], {
    input: "FROM busybox\n",
  });
  for (const flags of [
    ["-v", "/:/host"],
    ["--mount", "type=bind,source=/,target=/host"],
    ["--mount", "type=volume,target=/h,volume-opt=type=none,volume-opt=o=bind,volume-opt=device=/"],
    ["--privileged"],
    ["--cap-add", "SYS_ADMIN"],
    ["--device", "/dev/null"],
    ["--pid", "host"],
    ["--network", "host"],
    ["--ipc", "host"],
    ["--uts", "host"],
    ["--userns", "host"],
    ["--cgroupns", "host"],
    ["--security-opt", "seccomp=unconfined"],
    ["--security-opt", "systempaths=unconfined"],
    ["--sysctl", "net.core.somaxconn=1"],
    ["--cgroup-parent", "/"],
    ["--log-driver", "syslog"],
  ]) {
    const { status: code, stderr } = await through("team", ["create", ...flags, "own", "true"]);
    assert.notEqual(code, 0, flags.join(" "));
    assert.match(stderr, /not allowed|No such|no such/, flags.join(" "));
  }
  const volume = ["volume", "create", "-o", "type=none", "-o", "o=bind", "-o", "device=/", "trick"];
  assert.match((await through("team", volume)).stderr, /not allowed/);
  const network = ["network", "create", "-d", "macvlan", "-o", "parent=lo", "trick"];
  assert.match((await through("team", network)).stderr, /not allowed/);
  assert.equal(await text("ps", "-aq"), "");
  assert.equal(
    (await through("wide", ["run", "--rm", "-v", "/etc:/host:ro", "busybox", "ls", "/host/passwd"])).status,
    0,
  );
  assert.match(
    (await through("wide", ["create", "--privileged", "busybox", "true"])).stderr,
    /HostConfig.Privileged is not allowed/,
  );
  assert.match((await through("wide", ["rmi", "-f", "busybox"])).stderr, /not allowed/);
  await text("rmi", "own");
});

test("the audit log tells who asked for what and how it was judged", async () => {
  const log = join(place, "audit.jsonl");
  const before = (await readFile(log, "utf8")).length;
  await through("read", ["rm", "nothing"]);
  await text("create", "--name", "noted", "busybox", "true");
  const lines = (await readFile(log, "utf8"))
    .slice(before)
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, string> & { peer?: Record<string, number> });
  const denied = lines.find((l) => l["operation"] === "ContainerDelete");
  assert.deepEqual([denied?.["decision"], denied?.["socket"]], ["deny", `unix://${at("read")}`]);
  assert.match(denied?.["reason"] ?? "", /read-only/);
  const created = lines.find((l) => l["operation"] === "ContainerCreate");
  assert.equal(created?.["decision"], "allow");
  assert.match(created?.["uri"] ?? "", /name=noted/);
  assert.deepEqual(
    [created?.peer?.["uid"], created?.peer?.["gid"]],
    [process.getuid?.(), process.getgid?.()],
  );
  assert.ok((created?.peer?.["pid"] ?? 0) > 1);
  assert.equal(statSync(log).mode & 0o777, 0o600);
});

test("a policy that is none, and an audit log that cannot be written, keep the daemon from starting", async () => {
  const other = await TestDaemon.start({ hasImage: false });
  await other.terminate();
  for (const [config, words] of [
    [{ access: [{ host: "unix:///x" }] }, /has no policy/],
    [{ access: [{ host: "unix:///x", operations: ["Nonsense"] }] }, /there are no operations Nonsense/],
    [{ access: [{ host: "unix:///x", labels: ["a=b"], allow: ["all"] }] }, /must be a list of binds/],
    [{ "audit-log": "/nonexistent/dir/log" }, /cannot open the audit log/],
  ] as const) {
    await writeFile(other.path("daemon.json"), JSON.stringify(config));
    const refused = other.launch();
    const { status: code } = await refused.ended;
    assert.equal(code, 1);
    assert.match(refused.errors, words);
  }
  await writeFile(other.path("daemon.json"), "{}");
  await other.up();
  await other.close();
});
