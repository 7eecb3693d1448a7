// Contexts: the command lines of docker and berth do the same with the same words, down to the files; each reads and changes what
// the other has stored; archives that are not what they should be leave nothing behind.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { tarEntry, tarHeader, tarPadding } from "../../src/lib/tar/writer.ts";
import { type Outcome, run } from "./command.ts";
import { type Client, clients } from "./harness.ts";

let dir: string;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), "berth-context-"));
  await run(
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 3650 -subj /CN=x".split(
      " ",
    ),
    { cwd: dir },
  );
});
after(() => rm(dir, { recursive: true }));

/** Runs a client on a store of contexts. */
function on(store: string, client: Client, words: readonly string[], input = ""): Promise<Outcome> {
  const env = { PATH: process.env["PATH"] ?? "", HOME: join(dir, store) };
  return run([...client.argv, "-l", "info", ...words], { cwd: dir, env, input });
}

/** Every file below a directory with its mode and content. */
async function filesBelow(path: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of (await readdir(path, { recursive: true }).catch(() => [])).sort((a, b) =>
    a < b ? -1 : 1,
  )) {
    const info = await stat(join(path, name));
    const content = info.isFile() ? await readFile(join(path, name), "utf8") : "";
    found[name] = `${(info.mode & 0o7777).toString(8)} ${content}`;
  }
  return found;
}

const lines = `create one --description first --docker host=tcp://localhost:2375
create one --docker host=tcp://localhost:2375
create x
create a/b
create default
create two --docker host=unix:///x.sock,ca=cert.pem,cert=cert.pem,key=key.pem
create three --docker host=tcp://y:2376,ca=cert.pem,cert=cert.pem,key=key.pem --docker skip-tls-verify=1
create four --docker foo=1
create four --docker host=tcp://y:2376,ca=none.pem
create four --docker host=tcp://y:2376,ca=key.pem
create four --docker host=tcp://y:2376,cert=key.pem,key=cert.pem
create four --docker host=tcp://y:2376,cert=cert.pem,key=cert.pem
create four --docker host=tcp://y:2376,skip-tls-verify=maybe
create four --docker host=foo
create four --docker host=npipe:////x
create four --docker host=ssh://u@h/?q
create four --docker host=ssh://u:p@h
create four --docker host=
create five --docker from=three
create six --docker from=none
create six10 --from one
create six9 --from one --description <other&>
create six8 --from none
create six8 --from one --docker host=tcp://x
create seven --docker host
create seven --docker "host=tcp://a:1"
update none
update default
update one --description newer --docker host=tcp://n:1,ca=cert.pem
update one --docker x=y
update one --docker host=tcp://n:2
update three --description third
inspect one two three six9
inspect none
ls -q
ls --format {{.Name}}:{{.Description}}:{{.DockerEndpoint}}:{{.Current}}
export none
export x
export three %STORE.tar
export three %STORE.tar
export three /proc/nonexistent/file
import three %STORE.tar
import other %STORE.tar
import absent absent.tar
import broken cert.pem
import empty /dev/null
use other
show
rm other
rm other five nope default
rm -f other nope
show
use none
use x
use default
--context one context rm one
inspect seven
rm seven six10`.split("\n");

describe("contexts", { skip: clients.length < 2 }, () => {
  test("the same words have the same effect on output, exit code and files", async () => {
    for (const client of clients) await mkdir(join(dir, client.name));
    for (const line of lines) {
      const told: Record<string, unknown> = {};
      for (const { name } of clients) {
        const words = line.replace("%STORE", name).split(" ");
        const client = clients.find((one) => one.name === name) as Client;
        const outcome = await on(name, client, words[0] === "--context" ? words : ["context", ...words]);
        told[name] = settled(outcome, name);
      }
      // Ours says where the archive is broken.
      if (line === "import broken cert.pem") {
        assert.match(JSON.stringify(told["berth"]), /malformed tar archive/);
        continue;
      }
      assert.deepEqual(told["berth"], told["docker"], line);
      const [ours, theirs] = await Promise.all(
        ["berth", "docker"].map((name) => filesBelow(join(dir, name, ".docker/contexts"))),
      );
      assert.deepEqual(ours, theirs, line);
    }
  });

  test("each reads, changes and removes what the other has stored, and takes in its archives", async () => {
    await mkdir(join(dir, "shared"));
    for (const [maker, taker] of [clients, [...clients].reverse()] as [Client, Client][]) {
      const ok = async (client: Client, ...words: string[]): Promise<string> => {
        const { status, stdout, stderr } = await on("shared", client, ["context", ...words]);
        assert.equal(status, 0, `${client.name} ${words.join(" ")}: ${stderr}`);
        return stdout;
      };
      const name = `of-${maker.name}`;
      await ok(maker, "create", name, "--description", "d", "--docker", "host=tcp://h:1,ca=cert.pem");
      await ok(taker, "update", name, "--description", "changed");
      const inspect = async (which: string): Promise<Record<string, unknown>> => {
        const [{ Metadata, Endpoints, TLSMaterial }] = JSON.parse(await ok(maker, "inspect", which));
        return { Metadata, Endpoints, TLSMaterial };
      };
      const changed = await inspect(name);
      assert.deepEqual(changed, {
        Metadata: { Description: "changed" },
        Endpoints: { docker: { Host: "tcp://h:1", SkipTLSVerify: false } },
        TLSMaterial: { docker: ["ca.pem"] },
      });
      await ok(maker, "export", name, `${name}.ctx`);
      await ok(taker, "import", `${name}-2`, `${name}.ctx`);
      assert.deepEqual(await inspect(`${name}-2`), changed);
      await ok(taker, "use", name);
      assert.equal(await ok(maker, "show"), `${name}\n`);
      await ok(taker, "rm", "-f", name, `${name}-2`);
      assert.equal(await ok(maker, "ls", "-q"), "default\n");
    }
  });

  /** What differs by design: the place of the store, and the daemon that is meant when none is named. */
  function settled({ status, stdout, stderr }: Outcome, store: string) {
    const settle = (text: string) =>
      text
        .replaceAll(join(dir, store), "/HOME")
        .replaceAll(`${store}.tar`, "FILE.tar")
        .replaceAll("unix:///run/berth/berth.sock", "unix:///var/run/docker.sock")
        .replaceAll(/^(docker|berth): '(docker|berth) /gm, "docker: 'docker ")
        .replaceAll(/\bberth context/g, "docker context");
    return { status, stdout: settle(stdout), stderr: settle(stderr) };
  }
});

describe("archives of contexts", () => {
  const berth = clients[0] as Client;
  const meta = JSON.stringify({ Name: "z", Endpoints: { docker: { Host: "tcp://h:1" } } });
  const tar = (...files: [string, string | Uint8Array][]): Uint8Array =>
    Buffer.concat(
      files.flatMap(([name, text]) => {
        const bytes = Buffer.from(text);
        const header = tarHeader(tarEntry({ type: "file", name, sizeBytes: bytes.length }));
        return [header, bytes, tarPadding(bytes.length)];
      }),
    );
  const link = tarHeader(tarEntry({ type: "symlink", name: "tls/docker/ca.pem", linkName: "/etc/passwd" }));
  const refused: [string, Uint8Array, RegExp][] = [
    ["a name that climbs", tar(["meta.json", meta], ["tls/../../x", "a"]), /unexpected path format/],
    ["a file name that is ..", tar(["meta.json", meta], ["tls/docker/..", "a"]), /unexpected path format/],
    [
      "a name that is too deep",
      tar(["meta.json", meta], ["tls/docker/a/b", "a"]),
      /archive format is invalid/,
    ],
    ["another file", tar(["meta.json", meta], ["/etc/x", "a"]), /\/etc\/x: unexpected context file/],
    ["a backslash", tar(["meta.json", meta], ["tls/docker/a\\b", "a"]), /unexpected '\\' in path/],
    ["a meta.json that is cut short", tar(["meta.json", "{"]), /^unexpected end of JSON input$/m],
    ["no meta.json", tar(["tls/docker/ca.pem", "a"]), /no metadata found/],
    [
      "a meta.json of another type",
      tar(["meta.json", '{"Metadata":{"Description":5}}']),
      /Description is not a string/,
    ],
    [
      "a host of another type",
      tar(["meta.json", '{"Endpoints":{"docker":{"Host":{}}}}']),
      /Host is not a string/,
    ],
    [
      "more than ten megabytes",
      tar(["meta.json", meta], ["tls/docker/x", new Uint8Array(11 << 20)]),
      /read exceeds the defined limit/,
    ],
    [
      "half a file",
      tar(["meta.json", meta], ["tls/docker/x", "a".repeat(2000)]).subarray(0, 2500),
      /truncated tar archive/,
    ],
  ];

  for (const [index, [what, bytes, why]] of refused.entries()) {
    test(`${what} is refused, and nothing is stored`, async () => {
      const store = `refused-${index}`;
      await mkdir(join(dir, store));
      const file = join(dir, `${store}.tar`);
      await writeFile(file, bytes);
      const { status, stderr } = await on(store, berth, ["context", "import", "got", file]);
      assert.equal(status, 1);
      assert.match(stderr, why);
      assert.deepEqual(await filesBelow(join(dir, store)), {});
    });
  }

  test("links and directories are passed over", async () => {
    await mkdir(join(dir, "links"));
    const file = join(dir, "links.tar");
    await writeFile(file, Buffer.concat([tar(["meta.json", meta]), link]));
    const { status } = await on("links", berth, ["context", "import", "got", file]);
    assert.equal(status, 0);
    const files = Object.keys(await filesBelow(join(dir, "links")));
    assert.deepEqual(
      files.filter((name) => name.includes("ca.pem")),
      [],
    );
  });

  test("a daemon that wants TLS is not spoken to in the clear", async () => {
    await mkdir(join(dir, "tls"));
    const listener = createServer();
    await once(listener.listen(0, "127.0.0.1"), "listening");
    const first = once(listener, "connection").then(async ([socket]) => {
      const [data] = (await once(socket as Socket, "data")) as [Buffer];
      (socket as Socket).destroy();
      return data[0];
    });
    const host = `host=tcp://127.0.0.1:${(listener.address() as AddressInfo).port}`;
    await on("tls", berth, ["context", "create", "safe", "--docker", `${host},ca=cert.pem`]);
    const { status } = await on("tls", berth, ["--context", "safe", "ps"]);
    listener.close();
    assert.equal(status, 1);
    assert.equal(await first, 0x16, "the first byte is a TLS handshake's");
  });
});
