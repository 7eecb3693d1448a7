// Where logins are kept: config.json, a store for all of them, a helper for one registry; the store is a small program of this file's. And a
// registry whose token service gives identity tokens: the password is kept nowhere. The same files serve both clients.
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import type { Live } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { startOwnRegistry, stopRegistry, writeHtpasswd } from "./own-registry.ts";

const [FIRST, SECOND] = ["localhost:5000", "localhost:5001"] as const;

/** docker-credential-NAME of the helpers' protocol: keeps each login in a file of $STORE, and its calls in $STORE/calls. */
const HELPER = `#!/bin/sh
cd "$STORE" || exit 1
input=$(cat)
echo "$(basename "$0") $1" >>calls
name() { printf %s "$1" | tr /: __; }
case $1 in
store)
  server=$(printf %s "$input" | sed 's/.*"ServerURL": *"\\([^"]*\\)".*/\\1/')
  printf %s "$input" >"$(name "$server").json" ;;
get)
  [ -e "$(name "$input").json" ] || { echo "credentials not found in native keychain"; exit 1; }
  cat "$(name "$input").json" ;;
erase) rm -f "$(name "$input").json" ;;
*) exit 1 ;;
esac
`;

describe("logins", () => {
  let daemon: TestDaemon;
  const registries: Live[] = [];

  before(async () => {
    daemon = await TestDaemon.start();
    await mkdir(daemon.path("bin"));
    for (const name of ["all", "one"])
      await writeFile(daemon.path("bin", `docker-credential-${name}`), HELPER, { mode: 0o755 });
    const htpasswd = await writeHtpasswd(daemon.path("htpasswd"));
    for (const port of [5000, 5001]) {
      const options = { port, args: ["--htpasswd", htpasswd] };
      registries.push(await startOwnRegistry(daemon.path(`registry-${port}`), daemon.network, options));
    }
  });
  after(async () => {
    await Promise.all(registries.map(stopRegistry));
    await daemon.close();
  });

  /** A user with a home of his own. */
  async function user(client: Client, name: string, config: object) {
    const home = daemon.path(`${name}-${client.name}`);
    await mkdir(`${home}/store`, { recursive: true });
    const file = `${home}/config.json`;
    await writeFile(file, JSON.stringify(config));
    const PATH = `${daemon.path("bin")}:${daemon.environment["PATH"]}`;
    const env = { HOME: home, DOCKER_CONFIG: home, STORE: `${home}/store`, PATH };
    const outcome = (args: string[], input = "") => daemon.run(client, args, { env, input });
    return {
      outcome,
      ok: async (args: string[], input = ""): Promise<string> => {
        const { status, stdout, stderr } = await outcome(args, input);
        assert.equal(status, 0, `${args.join(" ")}: ${stdout}${stderr}`);
        return stdout + stderr;
      },
      login: (server: string) => outcome(["login", "-u", "me", "--password-stdin", server], "secret"),
      config: async () => JSON.parse(await readFile(file, "utf8")) as Record<string, object>,
      stored: (server: string) => readFile(`${home}/store/${server.replace(/[/:]/g, "_")}.json`, "utf8"),
      calls: async () => [...new Set((await readFile(`${home}/store/calls`, "utf8")).trim().split("\n"))],
    };
  }

  for (const client of clients) {
    test(`${client.name}: credsStore keeps all of them, and config.json none`, async () => {
      const { outcome, ok, login, config, stored, calls } = await user(client, "all", { credsStore: "all" });
      const image = `${FIRST}/all-${client.name}:1`;
      await ok(["tag", "busybox", image]);
      assert.match((await outcome(["push", image])).stderr, /no basic auth credentials/);
      const said = await login(FIRST);
      assert.equal(said.status, 0, said.stderr);
      assert.match(said.stdout, /Login Succeeded/);
      assert.doesNotMatch(said.stderr, /unencrypted/);
      assert.deepEqual(JSON.parse(await stored(FIRST)), {
        ServerURL: FIRST,
        Username: "me",
        Secret: "secret",
      });
      assert.deepEqual(await config(), { auths: { [FIRST]: {} }, credsStore: "all" });
      await ok(["push", image]);
      await ok(["rmi", image]);
      await ok(["pull", image]);
      await ok(["logout", FIRST]);
      await assert.rejects(stored(FIRST), { code: "ENOENT" });
      assert.deepEqual((await config())["auths"] ?? {}, {});
      assert.equal((await outcome(["pull", image])).status, 1);
      const verbs = ["get", "store", "erase"].map((verb) => `docker-credential-all ${verb}`);
      for (const verb of verbs) assert.ok((await calls()).includes(verb), verb);
      await ok(["rmi", image]);
    });

    test(`${client.name}: credHelpers is for its registry only, the others stay in the file`, async () => {
      const settings = { credHelpers: { [SECOND]: "one" } };
      const { ok, login, config, stored, outcome } = await user(client, "one", settings);
      for (const server of [FIRST, SECOND]) assert.equal((await login(server)).status, 0);
      const auth = Buffer.from("me:secret").toString("base64");
      const { auths } = await config();
      assert.deepEqual((auths as Record<string, object>)[FIRST], { auth });
      assert.doesNotMatch(JSON.stringify((auths as Record<string, object>)[SECOND] ?? {}), /auth|secret/);
      assert.match(await stored(SECOND), /"Secret":"secret"/);
      await assert.rejects(stored(FIRST), { code: "ENOENT" });
      for (const server of [FIRST, SECOND]) {
        const image = `${server}/one-${client.name}:1`;
        await ok(["tag", "busybox", image]);
        await ok(["push", image]);
        await ok(["logout", server]);
        assert.equal((await outcome(["push", image])).status, 1, "after the logout");
        await ok(["rmi", image]);
      }
    });

    test(`${client.name}: without the store nothing can be kept, but what needs no login goes on`, async () => {
      const { outcome, login } = await user(client, "none", { credsStore: "nowhere" });
      const kept = await login(FIRST);
      assert.equal(kept.status, 1);
      assert.match(kept.stderr, /docker-credential-nowhere": executable file not found in \$PATH/);
      const pulled = await outcome(["pull", `${FIRST}/x`]);
      assert.match(pulled.stderr, /pull access denied .* no basic auth credentials/);
      if (client.name === "berth")
        assert.match(pulled.stderr, /^WARNING: going on without a login: .*nowhere/);
    });
  }
});
