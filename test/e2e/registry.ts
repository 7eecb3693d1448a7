// A registry for the tests: Debian's docker-registry on the loopback of the daemon's network namespace, filled over HTTP
// without any engine.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Live, run } from "./command.ts";
import type { NetworkNamespace } from "./namespace.ts";

/** A blob as a manifest names it. */
export interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";

export const digestOf = (bytes: Uint8Array): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

export class TestRegistry {
  readonly address: string;
  readonly #dir: string;
  readonly #network: NetworkNamespace;
  readonly #server: Live;

  private constructor(dir: string, network: NetworkNamespace, port: number, server: Live) {
    this.#dir = dir;
    this.#network = network;
    this.address = `localhost:${port}`;
    this.#server = server;
  }

  /** Starts a registry that keeps its files in `dir`; with `htpasswd` it wants a name and password out of that file. */
  static async start(
    dir: string,
    network: NetworkNamespace,
    { port = 5000, htpasswd }: { port?: number; htpasswd?: string } = {},
  ): Promise<TestRegistry> {
    await mkdir(join(dir, "files"), { recursive: true });
    const config = join(dir, "config.yml");
    const storage = `storage: {filesystem: {rootdirectory: ${join(dir, "files")}}}`;
    const auth = htpasswd === undefined ? "" : `auth: {htpasswd: {realm: test, path: ${htpasswd}}}\n`;
    await writeFile(
      config,
      `version: 0.1\n${storage}\n${auth}http: {addr: "127.0.0.1:${port}"}\nlog: {level: info}\n`,
    );
    const server = new Live(network.wrap(["docker-registry", "serve", config]), { timeoutMs: 600_000 });
    await server.prints("listening on");
    return new TestRegistry(dir, network, port, server);
  }

  /** What was asked of it so far. */
  get log(): string {
    return this.#server.output + this.#server.errors;
  }

  async #http(args: readonly string[], input?: Uint8Array): Promise<string> {
    const argv = this.#network.wrap(["curl", "-sS", "-f", "-D", "-", "-o", "/dev/null", ...args]);
    const { status, stdout, stderr } = await run(argv, input === undefined ? {} : { input });
    assert.equal(status, 0, `registry: ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  async pushBlob(name: string, bytes: Uint8Array, mediaType: string): Promise<Blob> {
    const digest = digestOf(bytes);
    const begun = await this.#http(["-X", "POST", `http://${this.address}/v2/${name}/blobs/uploads/`]);
    const location = /^Location: (\S+)/im.exec(begun)?.[1] ?? "";
    const target = `${location}${location.includes("?") ? "&" : "?"}digest=${digest}`;
    const type = ["-H", "Content-Type: application/octet-stream"];
    await this.#http(["-X", "PUT", ...type, "--data-binary", "@-", target], bytes);
    return { mediaType, digest, size: bytes.length };
  }

  async pushManifest(name: string, reference: string, manifest: object, mediaType: string): Promise<Blob> {
    const bytes = Buffer.from(JSON.stringify(manifest));
    const target = `http://${this.address}/v2/${name}/manifests/${reference}`;
    await this.#http(["-X", "PUT", "-H", `Content-Type: ${mediaType}`, "--data-binary", "@-", target], bytes);
    return { mediaType, digest: digestOf(bytes), size: bytes.length };
  }

  /** Path of the file that a blob is kept in. */
  blobFile(digest: string): string {
    const hex = digest.slice(7);
    return join(this.#dir, "files/docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex, "data");
  }

  async stop(): Promise<void> {
    this.#server.kill("SIGTERM");
    await this.#server.ended;
  }
}
