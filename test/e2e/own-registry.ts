// `berth registry serve` for the tests, in a network namespace, plain or with TLS and passwords; and certificates made by openssl.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { existsSync } from "node:fs";
import { Live, run } from "./command.ts";
import type { NetworkNamespace } from "./namespace.ts";

const ROOT = dirname(dirname(import.meta.dirname));
const EXECUTABLE = join(ROOT, "dist/berth");
const BERTH = existsSync(EXECUTABLE) ? [EXECUTABLE] : [process.execPath, join(ROOT, "src/main.ts")];

/** `htpasswd -Bbn -C 4 me secret` */
const HTPASSWD = "me:$2b$04$Y6WQJuiNIlkFaw/U0WGbhOcoeiCAFmN9nmWnugLU7lyHWE1PIh12q\n";

export interface OwnRegistryOptions {
  readonly port: number;
  readonly host?: string;
  readonly args?: readonly string[];
  /** Milliseconds that it may run; 600 000 when absent. */
  readonly lifeMs?: number;
}

/** Starts a registry that keeps its files in `dir`; whoever starts it stops it. */
export async function startOwnRegistry(
  dir: string,
  network: NetworkNamespace,
  { port, host = "127.0.0.1", args = [], lifeMs = 600_000 }: OwnRegistryOptions,
): Promise<Live> {
  const command = ["registry", "serve", "--listen", `${host}:${port}`, "--root", dir, ...args];
  const server = new Live(network.wrap([...BERTH, ...command]), { timeoutMs: lifeMs });
  await server.prints("listening on");
  return server;
}

export async function stopRegistry(server: Live): Promise<void> {
  server.kill("SIGTERM");
  assert.equal((await server.ended).status, 0, server.errors);
}

/** Writes an htpasswd file that lets `me` in with `secret`. */
export async function writeHtpasswd(path: string): Promise<string> {
  await writeFile(path, HTPASSWD);
  return path;
}

/** Makes an authority, a certificate of localhost and one of a client: ca.crt, server.{crt,key}, client.{cert,key} in `dir`. */
export async function makeCertificates(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  const openssl = async (...args: string[]): Promise<void> => {
    const { status, stderr } = await run(["openssl", ...args], { cwd: dir });
    assert.equal(status, 0, stderr);
  };
  const fresh = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  await openssl(
    "req",
    "-x509",
    ...fresh,
    "-keyout",
    "ca.key",
    "-out",
    "ca.crt",
    "-subj",
    "/CN=test authority",
    "-days",
    "2",
  );
  for (const [name, file] of [
    ["server", "server.crt"],
    ["client", "client.cert"],
  ] as const) {
    const names = ["-addext", "subjectAltName=DNS:localhost"];
    await openssl(
      "req",
      ...fresh,
      "-keyout",
      `${name}.key`,
      "-out",
      `${name}.csr`,
      "-subj",
      `/CN=${name}`,
      ...names,
    );
    const signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-copy_extensions", "copyall"];
    await openssl("x509", "-req", "-in", `${name}.csr`, "-out", file, ...signed, "-days", "2");
  }
}
