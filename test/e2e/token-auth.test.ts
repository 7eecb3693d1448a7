// Debian's registry behind TLS with a token service, as Docker Hub has one: logins, scopes, mounts that need two of them, refusals.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { Live } from "./command.ts";
import { clients, TestDaemon } from "./harness.ts";
import { makeCertificates } from "./own-registry.ts";

const ADDRESS = "localhost:5443";

/**
 * Grants what is asked for to `me` and `bob` with `secret`, and nobody anything but reading below public/. Bob's client gets an identity
 * token, and he has to show that from then on. Prints each question.
 */
const TOKEN_SERVICE = `
import { createServer } from "node:http";
import { createPrivateKey, sign, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
const [dir] = process.argv.slice(-1);
const key = createPrivateKey(readFileSync(dir + "/server.key"));
const x5c = [new X509Certificate(readFileSync(dir + "/server.crt")).raw.toString("base64")];
const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
createServer(async (request, response) => {
  const url = new URL(request.url, "http://localhost");
  const form = new URLSearchParams(await new Response(request).text());
  const isRefresh = request.method === "POST" && form.get("grant_type") === "refresh_token";
  const basic = Buffer.from((request.headers.authorization ?? "").replace(/^Basic /, ""), "base64").toString();
  const who = isRefresh && form.get("refresh_token") === "identity of bob" ? "bob:identity" : basic;
  const scopes = (isRefresh ? form : url.searchParams).getAll("scope").flatMap((s) => s.split(" ")).filter((s) => s !== "");
  console.log("question", who === "" ? "nobody" : who.split(":")[0], scopes.join(" "));
  const isLogin = url.searchParams.get("offline_token") === "true";
  const known = ["", "me:secret", isLogin ? "bob:secret" : "bob:identity"];
  if (!known.includes(who)) return response.writeHead(401).end("{}");
  const access = scopes.map((scope) => {
    const [type, name, actions] = scope.split(":");
    const wanted = actions.split(",");
    const granted = who !== "" ? wanted : wanted.filter((a) => a === "pull" && name.startsWith("public/"));
    return { type, name, actions: granted };
  });
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: "issuer", sub: who.split(":")[0], aud: "test", exp: now + 300, nbf: now - 10, iat: now, jti: String(Math.random()), access };
  const text = part({ typ: "JWT", alg: "ES256", x5c }) + "." + part(claims);
  const signature = sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" }).toString("base64url");
  const token = text + "." + signature;
  const identity = who === "bob:secret" ? { refresh_token: "identity of bob" } : {};
  response.end(JSON.stringify({ [isRefresh ? "access_token" : "token"]: token, expires_in: 300, ...identity }));
}).listen(5050, "127.0.0.1", () => console.log("ready"));
`;

describe("token service", { skip: !existsSync("/usr/bin/docker-registry") }, () => {
  let daemon: TestDaemon;
  let service: Live;
  let registry: Live;

  before(async () => {
    daemon = await TestDaemon.start();
    const tls = daemon.path("tls");
    await makeCertificates(tls);
    await mkdir(daemon.path("certs.d", ADDRESS), { recursive: true });
    await copyFile(`${tls}/ca.crt`, daemon.path("certs.d", ADDRESS, "ca.crt"));
    await writeFile(daemon.path("service.mjs"), TOKEN_SERVICE);
    await writeFile(
      daemon.path("registry.yml"),
      JSON.stringify({
        version: 0.1,
        log: { level: "error" },
        storage: { filesystem: { rootdirectory: daemon.path("files") } },
        auth: {
          token: {
            realm: "http://localhost:5050/token",
            service: "test",
            issuer: "issuer",
            rootcertbundle: `${tls}/ca.crt`,
          },
        },
        http: {
          addr: "127.0.0.1:5443",
          tls: { certificate: `${tls}/server.crt`, key: `${tls}/server.key` },
        },
      }),
    );
    const start = (...argv: string[]): Live => new Live(daemon.network.wrap(argv), { timeoutMs: 600_000 });
    service = start(process.execPath, daemon.path("service.mjs"), tls);
    await service.prints("ready");
    registry = start("docker-registry", "serve", daemon.path("registry.yml"));
    await daemon.network.run([
      "curl",
      "-sk",
      "--retry",
      "50",
      "--retry-delay",
      "1",
      "--retry-connrefused",
      `https://${ADDRESS}/v2/`,
    ]);
  });
  after(async () => {
    for (const server of [service, registry]) {
      server.kill("SIGKILL");
      await server.ended;
    }
    await daemon.close();
  });

  for (const client of clients) {
    test(`${client.name}: what the login allows is done, and nothing else`, async () => {
      const [open, hidden] = [`${ADDRESS}/public/${client.name}:1`, `${ADDRESS}/team/${client.name}:1`];
      const text = (...args: string[]): Promise<string> => daemon.text(client, args);
      const refused = async (...args: string[]): Promise<string> => {
        const { status, stderr } = await daemon.run(client, args);
        assert.equal(status, 1, args.join(" "));
        return stderr;
      };
      const login = (password: string) =>
        daemon.run(client, ["login", "-u", "me", "--password-stdin", ADDRESS], { input: password });
      await text("tag", "busybox", open);
      await text("tag", "busybox", hidden);
      assert.match(await refused("push", open), /denied|unauthorized/);
      assert.equal((await login("wrong")).status, 1);
      assert.equal((await login("secret")).status, 0);
      assert.match(await text("push", open), /digest: sha256:/);
      assert.match(await text("push", hidden), /Mounted from public\/|Layer already exists/);
      assert.match(service.output, new RegExp(`question me repository:team/${client.name}:pull,push`));
      await text("logout", ADDRESS);
      await text("rmi", open, hidden);
      assert.match(await refused("pull", hidden), /pull access denied for .*\/team\//);
      assert.match(await text("pull", open), /Downloaded newer image/);
      assert.match(service.output, new RegExp(`question nobody repository:public/${client.name}:pull`));
      await text("rmi", open);
    });

    test(`${client.name}: an identity token takes the place of the password`, async () => {
      const hidden = `${ADDRESS}/bob/${client.name}:1`;
      const text = (...args: string[]): Promise<string> => daemon.text(client, args);
      const argv = ["login", "-u", "bob", "--password-stdin", ADDRESS];
      const login = await daemon.run(client, argv, { input: "secret" });
      assert.equal(login.status, 0, login.stderr);
      const kept = JSON.parse(await readFile(daemon.path("config/config.json"), "utf8")) as {
        auths: Record<string, { auth?: string; identitytoken?: string }>;
      };
      assert.equal(kept.auths[ADDRESS]?.identitytoken, "identity of bob");
      const pair = Buffer.from(kept.auths[ADDRESS]?.auth ?? "", "base64").toString();
      assert.equal(pair, "bob:", "the password is kept nowhere");
      await text("tag", "busybox", hidden);
      assert.match(await text("push", hidden), /digest: sha256:/);
      assert.match(service.output, new RegExp(`question bob repository:bob/${client.name}:pull,push`));
      await text("rmi", hidden);
      assert.match(await text("pull", hidden), /Downloaded newer image/);
      await text("logout", ADDRESS);
      await text("rmi", hidden);
      assert.equal((await daemon.run(client, ["pull", hidden])).status, 1);
    });
  }
});
