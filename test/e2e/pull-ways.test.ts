// Ways to a registry other than straight to it: mirrors of any registry, proxies.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { Live } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";
import { startOwnRegistry, stopRegistry } from "./own-registry.ts";

/** A proxy that knows one host whatever it is asked for, and says what it is asked for. */
const PROXY = `
import sys, http.client
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass
    def do_CONNECT(self):
        self.send_error(502)
    def do_GET(self):
        print(self.path, flush=True)
        path = "/" + self.path.split("/", 3)[3]
        ahead = http.client.HTTPConnection("127.0.0.1", 5000)
        ahead.request("GET", path, headers={k: v for k, v in self.headers.items() if k.lower() in ("accept", "range")})
        answer = ahead.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for name in ("Content-Type", "Docker-Content-Digest", "Content-Range"):
            if answer.headers[name]:
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = ThreadingHTTPServer(("127.0.0.1", 3128), Handler)
print("listening", flush=True)
server.serve_forever()
`;

describe("ways to a registry", { skip: !existsSync("/usr/bin/python3") }, () => {
  let daemon: TestDaemon;
  let registry: Live;
  let proxy: Live;
  const client = clients[0] as Client;
  const text = (...args: string[]): Promise<string> => daemon.text(client, args);

  before(async () => {
    daemon = await TestDaemon.start({
      config: {
        "registry-mirrors": ["quay.test=http://localhost:5001", "quay.test=http://localhost:5000"],
        "insecure-registries": ["far.test:5000"],
        proxies: { "http-proxy": "http://127.0.0.1:3128", "no-proxy": "localhost" },
      },
    });
    registry = await startOwnRegistry(daemon.path("registry"), daemon.network, { port: 5000 });
    proxy = new Live(daemon.network.wrap(["python3", "-c", PROXY]), { timeoutMs: 170_000 });
    await proxy.prints("listening");
    await text("tag", "busybox", "localhost:5000/team/app:1");
    await text("push", "localhost:5000/team/app:1");
  });
  after(async () => {
    proxy.kill("SIGKILL");
    await proxy.ended;
    await stopRegistry(registry);
    await daemon.close();
  });

  test("another registry than Docker Hub has its mirrors; one that does not answer is passed over", async () => {
    assert.match(
      await text("pull", "quay.test/team/app:1"),
      /Status: Downloaded newer image for quay.test\/team\/app:1/,
    );
    assert.match(
      await text("image", "inspect", "-f", "{{.RepoDigests}}", "quay.test/team/app:1"),
      /quay.test\/team\/app@sha256:/,
    );
    assert.equal(
      (await daemon.run(client, ["pull", "ghcr.test/team/app:1"])).status,
      1,
      "the mirror is not everybody's",
    );
  });

  test("what is not on this host is asked through the proxy, the rest is not", async () => {
    assert.match(await text("pull", "far.test:5000/team/app:1"), /Digest: sha256:/);
    assert.match(proxy.output, /^http:\/\/far.test:5000\/v2\/team\/app\/manifests\/1$/m);
    assert.doesNotMatch(proxy.output, /localhost/);
    await text("rmi", "far.test:5000/team/app:1", "quay.test/team/app:1", "localhost:5000/team/app:1");
  });
});
