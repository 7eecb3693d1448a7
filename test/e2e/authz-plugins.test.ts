// Authorisation plugins as an administrator sets them up: named by spec files, switched on while the daemon runs, told who the client is.
import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { TestDaemon } from "./harness.ts";
import { makeCertificates } from "./own-registry.ts";

interface Asked {
  plugin: string;
  User: string;
  UserAuthNMethod: string;
  RequestUri: string;
  RequestPeerCertificates?: string[];
  ResponseStatusCode?: number;
}

const dir = mkdtempSync(join(tmpdir(), "berth-e2e-authz-"));
const file = (name: string): string => join(dir, name);
const asked: Asked[] = [];
const plugins: Server[] = [];
let refusing = "";
let reloads = 0;
let daemon: TestDaemon;

/** A plugin that keeps what it is asked, and refuses what `refusing` names. */
async function serve(name: string): Promise<void> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      if (request.url === "/Plugin.Activate") return response.end('{"Implements":["authz"]}');
      asked.push({ ...(JSON.parse(Buffer.concat(parts).toString()) as Asked), plugin: name });
      return response.end(JSON.stringify({ Allow: refusing !== name, Msg: "no" }));
    });
  });
  plugins.push(server);
  await new Promise<void>((resolve) => {
    server.listen(file(`${name}.socket`), resolve);
  });
}

/** Has the daemon read its file again, with these plugins. */
async function reload(names: readonly string[]): Promise<void> {
  await writeFile(daemon.path("daemon.json"), JSON.stringify({ "authorization-plugins": names }));
  process.kill(daemon.pid, "SIGHUP");
  reloads++;
  await daemon.logs(new RegExp(`(configuration reloaded[^]*){${reloads}}`));
  asked.length = 0;
}

/** Asks over TCP as the client whose certificate is in `client.cert`; returns the status code and the body. */
async function ask(path: string): Promise<string> {
  const identity = ["--cacert", file("ca.crt"), "--cert", file("client.cert"), "--key", file("client.key")];
  const argv = ["curl", "-sS", ...identity, "-w", " %{http_code}", `https://localhost:2376${path}`];
  const { status, stdout, stderr } = await daemon.network.run(argv);
  assert.equal(status, 0, stderr);
  return stdout;
}

before(async () => {
  await makeCertificates(dir);
  for (const name of ["first", "second"]) await serve(name);
  // /etc/docker/plugins of this daemon alone.
  await mkdir(file("etc/docker/plugins"), { recursive: true });
  await writeFile(file("etc/docker/plugins/first.spec"), `unix://${file("first.socket")}\n`);
  await writeFile(
    file("etc/docker/plugins/second.json"),
    JSON.stringify({ Name: "second", Addr: `unix://${file("second.socket")}` }),
  );
  const script = 'mount -t overlay overlay -o "lowerdir=$0:/etc" /etc && exec "$@"';
  daemon = await TestDaemon.start({
    wrap: (argv) => ["unshare", "--mount", "sh", "-c", script, file("etc"), ...argv],
    args: [
      ...["-H", "tcp://127.0.0.1:2376", "--tlsverify", "--tlscacert", file("ca.crt")],
      ...["--tlscert", file("server.crt"), "--tlskey", file("server.key")],
    ],
    expectedErrors: /authorization/,
  });
});
after(async () => {
  await daemon.close();
  for (const plugin of plugins) {
    plugin.closeAllConnections();
    await new Promise((resolve) => plugin.close(resolve));
  }
  await rm(dir, { recursive: true });
});

test("a plugin is found by its spec file, text or JSON, and asked from the next request on", async () => {
  await ask("/containers/json");
  assert.deepEqual(asked, []);
  await reload(["first", "second"]);
  assert.equal(await ask("/containers/json"), "[]\n 200");
  assert.deepEqual(
    asked.map(({ plugin, ResponseStatusCode }) => [plugin, ResponseStatusCode]),
    [
      ["first", undefined],
      ["second", undefined],
      ["second", 200],
      ["first", 200],
    ],
    "requests in order, answers in the opposite one",
  );
});

test("the name in the client's certificate is the user, and the certificate is shown", async () => {
  await reload(["first"]);
  await ask("/containers/json");
  const [request] = asked;
  assert.deepEqual([request?.User, request?.UserAuthNMethod], ["client", "TLS"]);
  const pem = Buffer.from(request?.RequestPeerCertificates?.[0] ?? "", "base64").toString();
  assert.match(pem, /^-----BEGIN CERTIFICATE-----\n/);
  asked.length = 0;
  // Who comes by the socket has no name.
  await daemon.request("GET", "/containers/json");
  assert.deepEqual([asked[0]?.User, asked[0]?.UserAuthNMethod], ["", ""]);
});

test("one refusal is enough, and the plugins behind it are not asked", async () => {
  await reload(["first", "second"]);
  refusing = "first";
  assert.match(await ask("/containers/json"), /authorization denied by plugin first: no"}\n? 403$/);
  assert.deepEqual(
    asked.map(({ plugin }) => plugin),
    ["first"],
  );
  refusing = "";
});

test("switched off again, nobody is asked", async () => {
  await reload([]);
  assert.equal(await ask("/containers/json"), "[]\n 200");
  assert.deepEqual(asked, []);
});
