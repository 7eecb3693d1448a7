// Registries that are dead or dying: they accept and never answer, break off, promise more or less than they send, send one byte at a time, or
// never stop. A pull fails with a reason or ends with its client, holds nobody up, and leaves nothing.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Live } from "../e2e/command.ts";
import { clients, procStatus, TestDaemon } from "../e2e/harness.ts";

const berth = clients[0] as (typeof clients)[number];
const PORT = 5099;
const MOST_GROWTH_KB = 64 << 10;

/** The repository's name says what it does with a manifest; "gone" is printed when a client has hung up. */
const SERVER = `
import socket, sys, threading, time
HEAD = "HTTP/1.1 200 OK\\r\\nContent-Type: application/vnd.oci.image.manifest.v1+json\\r\\n"
BODY = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":['

def until_gone(client, name):
    while client.recv(4096):
        pass
    print("gone", name, flush=True)

def serve(client):
    request = b""
    while b"\\r\\n\\r\\n" not in request:
        part = client.recv(4096)
        if not part or part[0] == 22:  # TLS is tried first
            return client.close()
        request += part
    name = request.split(b" ")[1].decode().split("/")[2] if request.count(b"/") > 3 else ""
    print("asked for", name, flush=True)
    send = lambda *fields: client.sendall((HEAD + "".join(f + "\\r\\n" for f in fields) + "\\r\\n").encode())
    try:
        if name == "":
            client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
        elif name == "silent":
            until_gone(client, name)
        elif name == "cut":
            send("Content-Length: 1000")
            client.sendall(BODY)
        elif name == "short":
            send("Content-Length: 20")
            client.sendall(BODY)
        elif name == "endless":
            send("Transfer-Encoding: chunked")
            while True:
                client.sendall(b"10000\\r\\n" + b" " * 65536 + b"\\r\\n")
        elif name == "drip":
            send("Content-Length: 1000")
            for byte in BODY * 10:
                client.sendall(bytes([byte]))
                client.settimeout(1)
                try:
                    if not client.recv(1):
                        break
                except socket.timeout:
                    pass
            print("gone", name, flush=True)
    except OSError:
        print("gone", name, flush=True)
    client.close()

server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
`;

let daemon: TestDaemon;
let registry: Live;
before(async () => {
  daemon = await TestDaemon.start();
  const argv = daemon.network.wrap(["python3", "-c", SERVER, String(PORT)]);
  registry = new Live(argv, { timeoutMs: 170_000 });
  await registry.prints("listening");
});
after(async () => {
  registry.kill("SIGKILL");
  await daemon.close();
});

const pull = (name: string) => daemon.live(berth, ["pull", `localhost:${PORT}/${name}:1`]);

test("what breaks off, is too short or does not end is told, and costs no memory", async () => {
  const before = Number.parseInt(await procStatus(daemon.pid, "VmRSS"), 10);
  for (const name of ["cut", "short", "endless"]) {
    const { status, stderr } = await pull(name).ended;
    assert.equal(status, 1, name);
    assert.match(stderr, /\S/, name);
    assert.doesNotMatch(stderr, /internal error|undefined|TypeError|\n\s+at /, name);
  }
  const growth = Number.parseInt(await procStatus(daemon.pid, "VmRSS"), 10) - before;
  assert.equal(growth < MOST_GROWTH_KB, true, `${growth} kB more`);
  assert.equal(await daemon.text(berth, ["images", "--format", "{{.Repository}}"]), "busybox");
});

for (const name of ["silent", "drip"])
  test(`a pull from a registry that is ${name} ends with its client, and holds nobody up`, async () => {
    const pulling = pull(name);
    await registry.prints(`asked for ${name}`);
    assert.equal(await daemon.text(berth, ["run", "--rm", "busybox", "echo", "there"]), "there");
    assert.equal(pulling.hasEnded, false);
    pulling.kill("SIGKILL");
    await registry.prints(`gone ${name}`);
  });
