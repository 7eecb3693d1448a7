// The one client with which both engines of a comparison are driven; COMPARE_CLIENT names another one than Debian's.
import { spawn } from "node:child_process";
import type { Compared } from "./image-facts.ts";

/** Debian's client speaks with both builders. */
const CLIENT = process.env["COMPARE_CLIENT"] ?? "/usr/bin/docker";

/** Which builder. */
export type Mode = Compared["mode"];

/** What a command came to. */
export interface Ended {
  readonly status: number;
  readonly out: Buffer;
  readonly err: string;
}

/** Runs the client against an engine, by one of the builders (the classic one where nothing is said). */
export function client(
  host: string,
  args: readonly string[],
  options: { mode?: Mode; input?: Uint8Array } = {},
): Promise<Ended> {
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: "/nonexistent",
    DOCKER_CONFIG: (process.env["COMPARE_CLIENT"] && process.env["DOCKER_CONFIG"]) || "/nonexistent",
    // An index around the image would be compared, too: it is buildx that asks for it, by its version.
    BUILDX_NO_DEFAULT_ATTESTATIONS: "1",
    DOCKER_HOST: host,
    DOCKER_BUILDKIT: options.mode === "buildkit" ? "1" : "0",
  };
  return new Promise((resolve, reject) => {
    const child = spawn(CLIENT, args, { env, stdio: ["pipe", "pipe", "pipe"] });
    const out: Buffer[] = [];
    let err = "";
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    child.once("error", reject);
    child.once("close", (status) => resolve({ status: status ?? 1, out: Buffer.concat(out), err }));
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input);
  });
}

/** Runs the client and returns what it printed. Throws an Error where it fails. */
export async function must(host: string, args: readonly string[], input?: Uint8Array): Promise<Buffer> {
  const { status, out, err } = await client(host, args, input === undefined ? {} : { input });
  if (status !== 0) throw new Error(`${args.join(" ")}: ${err}`);
  return out;
}
