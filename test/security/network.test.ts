// What comes to a daemon over the network, and what goes out: web pages, registries that send their clients elsewhere, names as a way out.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { Live } from "../e2e/command.ts";
import { attacks } from "./attack.ts";
import type { Bed } from "./bed.ts";

const API = "127.0.0.1:18375";
const LOGIN = Buffer.from("me:the-password").toString("base64");

/**
 * A registry (18376) that wants a login, and one that wants none (18378): both send everybody to an address that only the host reaches (18377), which has
 * a secret for whoever asks. All tell what they are shown.
 */
const REGISTRY = `
import sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Shown(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args):
        pass
    def do_HEAD(self):
        self.do_GET()
    def do_GET(self):
        sent = self.headers.get("Authorization", "nothing")
        print(self.server.server_port, "was shown", sent, flush=True)
        body = b""
        if self.server.server_port == 18377:
            body = b"the-internal-secret"
            self.send_response(404)
        elif sent == "nothing" and self.server.server_port == 18376:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="r"')
        else:
            self.send_response(307)
            self.send_header("Location", "http://127.0.0.1:18377" + self.path)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
servers = [ThreadingHTTPServer(("127.0.0.1", port), Shown) for port in (18376, 18377, 18378)]
for server in servers:
    threading.Thread(target=server.serve_forever).start()
print("listening", flush=True)
`;

/**
 * A registry (18381) that wants a login and sends everybody with one elsewhere (18382), uploads too; there a login is asked for, to be shown to a
 * token service (18383). Another (18384) has an image whose configuration is where it sends its client to: at an address that only the host
 * reaches (18385), which has an answer for everything. All tell what they are shown.
 */
const SENDING = `
import json, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:" + "0" * 64, "size": 10}
INTERNAL = {"architecture": "amd64", "os": "linux", "config": {"Labels": {"found": "the-internal-secret"}}, "rootfs": {"type": "layers", "diff_ids": []}}
class Sending(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args):
        pass
    def tell(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.close_connection = True
    def do(self):
        port = self.server.server_port
        sent = self.headers.get("Authorization", "nothing")
        print(port, "was shown", sent, "for", self.command, self.path, flush=True)
        if port == 18381:
            if sent == "nothing":
                self.tell(401, WWW_Authenticate='Basic realm="r"')
            elif self.command == "POST":
                self.tell(202, Location="http://127.0.0.1:18382/upload")
            elif self.command == "HEAD" and "/blobs/" in self.path:
                self.tell(404)
            else:
                self.tell(307, Location="http://127.0.0.1:18382" + self.path)
        elif port == 18382:
            self.tell(401, b"the-internal-secret", WWW_Authenticate='Bearer realm="http://127.0.0.1:18383/token",service="s"')
        elif port == 18383:
            self.tell(200, b'{"token":"t"}')
        elif port == 18384 and "/blobs/" in self.path:
            self.tell(307, Location="http://127.0.0.1:18385/latest/meta-data")
        elif port == 18384:
            manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": CONFIG, "layers": []}
            self.tell(200, json.dumps(manifest).encode(), Content_Type=MANIFEST)
        else:
            self.tell(200, json.dumps(INTERNAL).encode(), Content_Type="application/json")
    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = do
servers = [ThreadingHTTPServer(("127.0.0.1", port), Sending) for port in range(18381, 18386)]
for server in servers:
    threading.Thread(target=server.serve_forever).start()
print("listening", flush=True)
`;

async function logIn(bed: Bed, registry: string): Promise<void> {
  await mkdir(bed.daemon.path("config"), { recursive: true });
  await writeFile(
    bed.daemon.path("config", "config.json"),
    JSON.stringify({ auths: { [registry]: { auth: LOGIN } } }),
  );
}

/** A name server at the address that the machine's own has, which tells what it is asked and answers nothing. */
const NAMES = `
import socket, sys
server = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], 53))
print("listening", flush=True)
while True:
    print("asked", server.recvfrom(4096)[0], flush=True)
`;

/** Runs a program of python's in the daemon's network while `use` does. */
async function withServer<T>(
  bed: Bed,
  argv: readonly string[],
  use: (server: Live) => Promise<T>,
): Promise<T> {
  const server = new Live(bed.daemon.network.wrap(["python3", "-c", ...argv]), { timeoutMs: 170_000 });
  try {
    await server.prints("listening");
    return await use(server);
  } finally {
    server.kill("SIGKILL");
    await server.ended;
  }
}

/** The first name server of the machine, which the daemon's network has as an address of its own. */
async function hostServer(bed: Bed): Promise<string> {
  const text = await readFile("/etc/resolv.conf", "utf8").catch(() => "");
  const [, named = ""] = /^nameserver\s+(\S+)/m.exec(text) ?? [];
  const address = isIP(named) === 0 ? "127.0.0.1" : named;
  await bed.daemon.network.run(["ip", "addr", "add", address, "dev", "lo"]); // fine when it is there
  return address;
}

attacks(
  "the network",
  [
    {
      claim: "a web page that somebody looks at changes nothing and reads nothing, whatever name it has",
      cves: [],
      weakened: [
        [
          "src/server/browser.ts",
          "  if (origin === undefined && !(BROWSER.test(agent) && isForeignName(host))) return;",
          "  if (origin !== null) return;",
        ],
      ],
      async run(bed) {
        const page = ["-A", "Mozilla/5.0", "-H"];
        const requests = {
          "a form": [
            ...page,
            "Origin: http://evil.example",
            "-H",
            "Content-Type: text/plain",
            "-d",
            "{}",
            "/volumes/create",
          ],
          "a script": [
            ...page,
            "Origin: null",
            "-H",
            "Content-Type: application/json",
            "-d",
            "{}",
            "/volumes/create",
          ],
          "a name for this host": [...page, "Host: evil.example:18375", "/containers/json"],
        };
        const got: string[] = [];
        for (const [what, args] of Object.entries(requests)) {
          const target = `http://${API}${args.pop()}`;
          const curl = ["curl", "-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}", ...args, target];
          const { stdout } = await bed.daemon.network.run(curl);
          if (Number(stdout) < 400) got.push(`${what}: ${stdout}`);
        }
        return got;
      },
    },
    {
      claim: "a login is for its registry: whoever the registry sends its client to is not shown it",
      cves: [],
      weakened: [
        [
          "src/registry/transport.ts",
          "      return await fetch(url, { ...init, tls } as RequestInit);",
          `      const first = await fetch(url, { ...init, tls, redirect: "manual" } as RequestInit);
      const to = first.headers.get("location");
      return to === null ? first : await fetch(new URL(to, url), { ...init, tls } as RequestInit);`,
        ],
      ],
      run: (bed) =>
        withServer(bed, [REGISTRY], async (server) => {
          await logIn(bed, "127.0.0.1:18376");
          await bed.berth("pull", "127.0.0.1:18376/any");
          await server.prints(/^18376 was shown Basic/m);
          await server.prints(/^18377 was shown/m);
          return server.output.split("\n").filter((line) => /^18377 was shown .*(Basic|Bearer)/.test(line));
        }),
    },
    {
      claim:
        "a login is for its registry: whoever asks for it where the registry sends its client to is not shown it",
      cves: ["CVE-2020-15157"],
      weakened: [
        [
          "src/registry/transport.ts",
          'const answerer = this.#isOwn(new URL(response.url)) ? "registry" : "other";',
          'const answerer = response.url === "" ? "other" : "registry";',
        ],
      ],
      run: (bed) =>
        withServer(bed, [SENDING], async (server) => {
          await logIn(bed, "127.0.0.1:18381");
          const pulled = await bed.berth("pull", "127.0.0.1:18381/any");
          await bed.text(["tag", "busybox", "127.0.0.1:18381/any"]);
          const pushed = await bed.berth("push", "127.0.0.1:18381/any");
          await bed.text(["rmi", "127.0.0.1:18381/any"]);
          for (const method of ["GET", "PATCH"])
            await server.prints(new RegExp(`^18382 was shown .* for ${method} `, "m"));
          const told = [pulled, pushed].flatMap(({ stdout, stderr }) => [stdout, stderr]);
          return [
            ...server.output.split("\n").filter((line) => /^1838[23] was shown (Basic|Bearer)/.test(line)),
            ...told.filter((text) => text.includes("the-internal-secret")),
          ];
        }),
    },
    {
      claim:
        "what an internal address answers, to which a registry sends the daemon, is not taken for what was asked for",
      cves: [],
      weakened: [
        [
          "src/registry/repository.ts",
          "    if (digestOf(bytes) !== descriptor.digest)",
          "    if (digestOf(bytes) === descriptor.digest)",
        ],
      ],
      run: (bed) =>
        withServer(bed, [SENDING], async (server) => {
          const { stdout, stderr } = await bed.berth("pull", "127.0.0.1:18384/any");
          await server.prints(/^18385 was shown/m);
          const inspected = await bed.berth("image", "inspect", "127.0.0.1:18384/any");
          return [stdout, stderr, inspected.stdout].filter((text) => text.includes("the-internal-secret"));
        }),
    },
    {
      claim: "what an internal address says, to which a registry sends the daemon, is not repeated",
      cves: [],
      weakened: [
        [
          "src/registry/answers.ts",
          'response.redirected || answerer === "other" ? "" : detailOf(text, answerer)',
          'detailOf(text, "registry")',
        ],
      ],
      run: (bed) =>
        withServer(bed, [REGISTRY], async (server) => {
          const { stdout, stderr } = await bed.berth("pull", "127.0.0.1:18378/any");
          await server.prints(/^18377 was shown/m);
          return [stdout, stderr].filter((text) => text.includes("the-internal-secret"));
        }),
    },
    {
      claim: "who is in networks without IPv6 has no address of it, which nothing would look after",
      cves: ["GHSA-x84c-p2g9-rqv9"],
      weakened: [
        [
          "src/net/sandbox/endpoint.ts",
          'return [[`${conf}/disable_ipv6`, "1"]];',
          'return [[`${conf}/disable_ipv6`, "0"]];',
        ],
      ],
      async run(bed) {
        const addresses = await bed.text(["run", "--rm", "busybox", "cat", "/proc/net/if_inet6"]);
        return addresses.split("\n").filter((line) => line.includes("eth0"));
      },
    },
    {
      claim: "no name is asked for outside on behalf of a container that has internal networks only",
      cves: ["CVE-2024-29018"],
      weakened: [
        [
          "src/engine/container/network/names.ts",
          "    return network !== undefined && !network.isInternal;",
          "    return network !== undefined;",
        ],
      ],
      async run(bed) {
        const address = await hostServer(bed);
        return withServer(bed, [NAMES, address], async (server) => {
          await bed.text(["network", "create", "--internal", "inner"]);
          await bed.berth("run", "--rm", "--network", "inner", "busybox", "nslookup", "secret.example");
          await bed.text(["network", "rm", "inner"]);
          return server.output.split("\n").filter((line) => line.includes("secret"));
        });
      },
    },
  ],
  { args: ["-H", `tcp://${API}`] },
);
