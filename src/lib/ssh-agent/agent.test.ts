// The agent as OpenSSH's own programs see it: they list its keys, and check what it has signed.
import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { agentFrame, agentMessages, agentOf, readOnly } from "./agent.ts";
import { parsePrivateKey } from "./private-key.ts";
import { SshReader, sshString, sshUint32 } from "./wire.ts";

/** Options of ssh-keygen by the name of the file. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  ed25519: ["-t", "ed25519"],
  rsa: ["-t", "rsa", "-b", "2048"],
  "rsa-pem": ["-t", "rsa", "-b", "2048", "-m", "PEM"],
  "rsa-pkcs8": ["-t", "rsa", "-b", "2048", "-m", "PKCS8"],
  ecdsa256: ["-t", "ecdsa", "-b", "256"],
  ecdsa384: ["-t", "ecdsa", "-b", "384"],
  ecdsa521: ["-t", "ecdsa", "-b", "521"],
  "ecdsa-pem": ["-t", "ecdsa", "-b", "256", "-m", "PEM"],
};
const names = Object.keys(KINDS);

let dir = "";
const file = (name: string): string => join(dir, name);
const read = (name: string): string => readFileSync(file(name), "latin1");

let server: Server;
before(async () => {
  dir = mkdtempSync(join(tmpdir(), "berth-agent-"));
  for (const name of names)
    execFileSync("ssh-keygen", ["-q", "-N", "", "-C", "me@here", ...(KINDS[name] ?? []), "-f", file(name)]);
  const agent = agentOf(names.map((name) => parsePrivateKey(read(name))));
  const answer = async (socket: Socket): Promise<void> => {
    for await (const request of agentMessages(socket)) socket.write(agentFrame(await agent(request)));
  };
  server = createServer((socket) => void answer(socket).catch(() => undefined)); // ignored: the client has seen enough
  await new Promise<void>((resolve) => server.listen(file("sock"), resolve));
});
after(() => {
  server.close();
  rmSync(dir, { recursive: true });
});

const withAgent = async (command: string, ...args: string[]): Promise<string> => {
  const env = { PATH: process.env["PATH"], SSH_AUTH_SOCK: file("sock") };
  return (await promisify(execFile)(command, args, { env })).stdout;
};
/** The type and the public key of a line as in `id_ed25519.pub`, without who made it. */
const withoutComment = (line: string): string => line.split(" ").slice(0, 2).join(" ");

describe("an agent of keys", () => {
  test("its keys are those of the files, whatever their format, without the comments", async () => {
    const listed = (await withAgent("ssh-add", "-L")).trimEnd().split("\n");
    assert.deepEqual(
      listed.map((line) => line.trimEnd()),
      names.map((name) => withoutComment(read(`${name}.pub`))),
    );
  });

  for (const name of names)
    test(`what it signs with ${name} is what ssh-keygen accepts`, async () => {
      writeFileSync(file(`${name}.text`), "a text\n");
      await withAgent(
        "ssh-keygen",
        "-Y",
        "sign",
        "-f",
        file(`${name}.pub`),
        "-n",
        "test",
        file(`${name}.text`),
      );
      writeFileSync(file(`${name}.allowed`), `me ${read(`${name}.pub`)}`);
      const verify = [
        "-Y",
        "verify",
        "-f",
        file(`${name}.allowed`),
        "-I",
        "me",
        "-n",
        "test",
        "-s",
        file(`${name}.text.sig`),
      ];
      const child = spawn("ssh-keygen", verify, { stdio: ["pipe", "ignore", "ignore"] });
      child.stdin.end("a text\n");
      const status = await new Promise((resolve) => child.once("close", resolve));
      assert.equal(status, 0);
    });

  test("an RSA key signs by the flags, others refuse flags", async () => {
    const algorithm = async (name: string, flags: number): Promise<string> => {
      const key = parsePrivateKey(read(name));
      const request = [Buffer.of(13), sshString(key.publicBlob), sshString("x"), sshUint32(flags)];
      const answer = await agentOf([key])(Buffer.concat(request));
      return answer[0] === 14
        ? new SshReader(new SshReader(answer.subarray(1)).string()).text()
        : `${answer[0]}`;
    };
    assert.equal(await algorithm("rsa", 0), "ssh-rsa");
    assert.equal(await algorithm("rsa", 2), "rsa-sha2-256");
    assert.equal(await algorithm("rsa", 4), "rsa-sha2-512");
    assert.equal(await algorithm("rsa", 6), "5");
    assert.equal(await algorithm("ed25519", 2), "5");
  });

  test("keys are neither added nor removed, it is not locked, and what is no message is refused", async () => {
    await assert.rejects(withAgent("ssh-add", file("ed25519")), /refused operation/);
    await assert.rejects(withAgent("ssh-add", "-D"), /Failed to remove all identities/);
    const agent = agentOf([parsePrivateKey(read("ed25519"))]);
    const answers = [[13], [13, 0xff, 0xff, 0xff, 0xff], [22, 0, 0, 0, 0], [27, 0, 0, 0, 0], []];
    const codes = await Promise.all(answers.map(async (bytes) => (await agent(Buffer.from(bytes)))[0]));
    assert.deepEqual(codes, [5, 5, 5, 28, 5]);
  });

  test("a key that it does not hold signs nothing", async () => {
    const other = parsePrivateKey(read("rsa")).publicBlob;
    const request = Buffer.concat([Buffer.of(13), sshString(other), sshString("x"), sshUint32(0)]);
    assert.deepEqual(await agentOf([parsePrivateKey(read("ed25519"))])(request), Buffer.of(5));
  });
});

test("readOnly passes on questions for keys and signatures, nothing else", async () => {
  const asked: number[] = [];
  const agent = readOnly(async (request) => Buffer.of(asked.push(request[0] ?? 0)));
  for (const type of [11, 13, 17, 18, 19, 20, 22, 23, 25, 27]) await agent(Buffer.of(type));
  assert.deepEqual(asked, [11, 13]);
});

test("agentMessages puts together what comes in pieces, and refuses lengths that nobody means", async () => {
  const bytes = Buffer.concat([sshString("one"), sshString("second")]);
  const messages = async (...chunks: Uint8Array[]): Promise<string[]> => {
    const found: string[] = [];
    const all = (async function* () {
      yield* chunks;
    })();
    for await (const message of agentMessages(all)) found.push(Buffer.from(message).toString());
    return found;
  };
  assert.deepEqual(await messages(bytes), ["one", "second"]);
  assert.deepEqual(await messages(...[...bytes].map((byte) => Buffer.of(byte))), ["one", "second"]);
  await assert.rejects(messages(Buffer.from([0, 4, 0, 1])), /message of 262145 bytes/);
  await assert.rejects(messages(Buffer.alloc(4)), /message of 0 bytes/);
});

describe("parsePrivateKey refuses", () => {
  test("keys that want a passphrase", () => {
    for (const name of names) {
      const locked = file(`${name}-locked`);
      copyFileSync(file(name), locked);
      const format = (KINDS[name] ?? []).slice(-2);
      const options = format[0] === "-m" ? format : [];
      execFileSync("ssh-keygen", ["-q", "-p", "-P", "", "-N", "a passphrase", ...options, "-f", locked]);
      assert.throws(() => parsePrivateKey(read(`${name}-locked`)), { code: "ssh.encrypted" }, name);
    }
  });

  test("what is no private key, or a broken one", () => {
    assert.throws(() => parsePrivateKey("hello"), { code: "ssh.no-key" });
    assert.throws(() => parsePrivateKey(read("ed25519.pub")), { code: "ssh.no-key" });
    for (const name of names) {
      const lines = read(name).split("\n");
      const broken = [lines[0], ...lines.slice(2)].join("\n");
      assert.throws(() => parsePrivateKey(broken), { code: /^ssh\.(?:bad-key|short|key-type)$/ }, name);
    }
  });
});
