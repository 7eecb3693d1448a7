// A registry that breaks off: it serves one image, and closes the connection in the middle of a layer as often as it is told. A program of
// its own (python3), because it has to be in the daemon's network namespace.
import { writeFile } from "node:fs/promises";
import { Live } from "./command.ts";
import type { NetworkNamespace } from "./namespace.ts";
import { digestOf, OCI_MANIFEST } from "./registry.ts";

const SERVER = `
import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
files = json.load(open(sys.argv[1]))
left = {"breaks": int(sys.argv[3])}

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args):
        pass
    def do_HEAD(self):
        self.do_GET()
    def do_GET(self):
        name = self.path.rsplit("/", 1)[-1]
        if self.path == "/v2/":
            return self.answer(200, b"{}", "application/json")
        if name not in files:
            return self.answer(404, b"{}", "application/json")
        body = open(files[name]["path"], "rb").read()
        start = self.headers.get("Range")
        at = int(start[6:].split("-")[0]) if start else 0
        is_layer = files[name].get("breaks", False)
        if is_layer:
            print("layer from", at, flush=True)
        if is_layer and left["breaks"] > 0:
            left["breaks"] -= 1
            self.head(200 if at == 0 else 206, len(body) - at, files[name]["type"], at, len(body))
            self.wfile.write(body[at:at + (len(body) - at) // 2])
            self.wfile.flush()
            self.connection.shutdown(2)
            self.close_connection = True
            return
        self.answer(206 if start else 200, body[at:], files[name]["type"], at, len(body))
    def head(self, status, size, kind, at, total):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(size))
        if status == 206:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (at, total - 1, total))
        self.end_headers()
    def answer(self, status, body, kind, at=0, total=0):
        self.head(status, len(body), kind, at, total)
        if self.command != "HEAD":
            self.wfile.write(body)

server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler)
print("listening", flush=True)
server.serve_forever()
`;

/**
 * Starts one on a port of the loopback; the image is `localhost:PORT/broken`, and its manifest says of the layer that it has `saysBytes`.
 * Whoever starts it kills it.
 */
export async function startBrokenRegistry(
  dir: string,
  network: NetworkNamespace,
  options: { port: number; layer: Uint8Array; diffId: string; breaks: number; saysBytes?: number },
): Promise<Live> {
  const files: Record<string, { path: string; type: string; breaks?: boolean }> = {};
  const put = async (name: string, bytes: Uint8Array, type: string, breaks = false) => {
    const path = `${dir}/broken-${options.port}-${Object.keys(files).length}`;
    await writeFile(path, bytes);
    files[name] = { path, type, breaks };
    return { mediaType: type, digest: digestOf(bytes), size: bytes.length };
  };
  const rootfs = { type: "layers", diff_ids: [options.diffId] };
  const config = Buffer.from(
    JSON.stringify({ architecture: "amd64", os: "linux", config: { Cmd: ["true"] }, rootfs }),
  );
  const layer = await put(
    digestOf(options.layer),
    options.layer,
    "application/vnd.oci.image.layer.v1.tar+gzip",
    true,
  );
  if (options.saysBytes !== undefined) layer.size = options.saysBytes;
  const configBlob = await put(digestOf(config), config, "application/vnd.oci.image.config.v1+json");
  const manifest = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: configBlob, layers: [layer] };
  const bytes = Buffer.from(JSON.stringify(manifest));
  await put("latest", bytes, OCI_MANIFEST);
  files[digestOf(bytes)] = files["latest"] as (typeof files)[string];
  const list = `${dir}/broken-${options.port}.json`;
  await writeFile(list, JSON.stringify(files));
  const argv = ["python3", "-c", SERVER, list, String(options.port), String(options.breaks)];
  const server = new Live(network.wrap(argv), { timeoutMs: 170_000 });
  await server.prints("listening");
  return server;
}
