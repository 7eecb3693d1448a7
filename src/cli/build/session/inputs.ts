// What a build with a session reads: its context, its Dockerfile and the named contexts, as directories that the daemon may
// ask for, an archive from standard input that it may fetch, or addresses that it fetches itself.

import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { messageOf } from "../../../lib/errors.ts";
import { complain } from "../../failure.ts";
import { layoutDigest } from "./content.ts";
import type { BuildFlags } from "../flags.ts";
import { isRemoteContext, locateContext } from "../locate.ts";

const LAYOUT_SCHEME = "oci-layout://";

export interface PreparedInputs extends AsyncDisposable {
  readonly directories: ReadonlyMap<string, string>;
  /** Archives by the path under which they are offered. */
  readonly uploads: ReadonlyMap<string, AsyncIterable<Uint8Array>>;
  /** OCI layouts by the names under which they are offered. */
  readonly stores: ReadonlyMap<string, string>;
  /** How the frontend finds them. */
  readonly attrs: Readonly<Record<string, string>>;
  readonly sharedKey: string;
}

class Inputs implements PreparedInputs {
  readonly directories = new Map<string, string>();
  readonly uploads = new Map<string, AsyncIterable<Uint8Array>>();
  readonly stores = new Map<string, string>();
  readonly attrs: Record<string, string> = {};
  sharedKey = "";
  private readonly temporary: string[] = [];

  /** Makes a directory that goes with the build. */
  private makeDirectory(): string {
    const dir = mkdtempSync(join(tmpdir(), "berth-build-"));
    this.temporary.push(dir);
    return dir;
  }

  /** A Dockerfile that is not in a directory of the user's. */
  putDockerfile(content: Uint8Array): void {
    const dir = this.makeDirectory();
    writeFileSync(join(dir, "Dockerfile"), content, { mode: 0o600 });
    this.directories.set("dockerfile", dir);
    this.attrs["filename"] = "Dockerfile";
  }

  putLocal(path: string, file: string): void {
    const located = locateContext(path, file);
    this.directories.set("context", located.directory);
    this.sharedKey = createHash("sha256").update(located.directory).digest("hex").slice(0, 32);
    if (located.dockerfile !== undefined) {
      const at = join(located.directory, located.dockerfile);
      this.directories.set("dockerfile", dirname(at));
      this.attrs["filename"] = basename(at);
    } else if (located.outside !== undefined) {
      // With it comes an ignore file of its own, if it has one.
      const at = realpathSync(resolve(file));
      this.directories.set("dockerfile", dirname(at));
      this.attrs["filename"] = basename(at);
    }
  }

  putEmptyContext(): void {
    this.directories.set("context", this.makeDirectory());
  }

  putUpload(content: AsyncIterable<Uint8Array>): void {
    const path = `/${randomBytes(13).toString("hex")}`;
    this.uploads.set(path, content);
    this.attrs["context"] = `http://buildkit-session${path}`;
  }

  /** `--build-context`. */
  putNamed(text: string): void {
    const equals = text.indexOf("=");
    if (equals < 1) throw complain(`invalid context value: ${text}, expected key=value`);
    const name = text.slice(0, equals);
    const value = text.slice(equals + 1);
    const key = `context:${name}`;
    if (isRemoteContext(value) || value.startsWith("docker-image://")) {
      this.attrs[key] = value;
      return;
    }
    if (value.startsWith(LAYOUT_SCHEME)) {
      this.attrs[key] = this.putLayout(value.slice(LAYOUT_SCHEME.length));
      return;
    }
    if (value.includes("://")) throw complain(`build context ${name}: ${value} is not supported`);
    const stats = statSync(value, { throwIfNoEntry: false });
    if (stats?.isDirectory() !== true)
      throw complain(`failed to get build context ${name}: ${value} is no directory`);
    const id = `named-${this.directories.size}`;
    this.directories.set(id, realpathSync(resolve(value)));
    this.attrs[key] = `local:${id}`;
  }

  /** `PATH[:TAG][@DIGEST]`; returns the address under which the build finds it. */
  private putLayout(text: string): string {
    const [, path = "", tag = "latest", given] =
      /^(.*?)(?::([\w][\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(text) ?? [];
    const directory = resolve(path);
    let digest = given;
    try {
      digest ??= layoutDigest(directory, tag);
    } catch (error) {
      throw complain(`invalid OCI layout ${path}: ${messageOf(error)}`);
    }
    const name = `layout-${this.stores.size}`;
    this.stores.set(`oci:${name}`, directory);
    return `${LAYOUT_SCHEME}${name}:${tag}@${digest}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const dir of this.temporary) rmSync(dir, { recursive: true, force: true });
  }
}

async function putStdin(inputs: Inputs, file: string): Promise<void> {
  if (file === "-") throw complain("invalid argument: can't use stdin for both build context and dockerfile");
  const { openStdinContext } = await import("../stdin.ts");
  const { content, isArchive } = await openStdinContext();
  if (isArchive) {
    inputs.putUpload(content);
    if (file !== "") inputs.attrs["filename"] = file;
    return;
  }
  if (file !== "") {
    throw complain(
      "unable to prepare context: ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles",
    );
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  inputs.putDockerfile(Buffer.concat(chunks));
  inputs.putEmptyContext();
}

/** Finds everything. Throws a Fault with Docker's words for what is missing. */
export async function prepareInputs(path: string, flags: BuildFlags): Promise<PreparedInputs> {
  const inputs = new Inputs();
  const { file } = flags;
  if (path === "-") await putStdin(inputs, file);
  else if (!existsSync(path) && isRemoteContext(path)) {
    if (file === "-") throw complain("the Dockerfile of a remote context cannot be read from stdin");
    inputs.attrs["context"] = path;
    if (file !== "") inputs.attrs["filename"] = file;
  } else {
    inputs.putLocal(path, file);
    if (file === "-") {
      const { readStdinDockerfile } = await import("../stdin.ts");
      inputs.putDockerfile(await readStdinDockerfile());
    }
  }
  for (const text of flags["build-context"]) inputs.putNamed(text);
  return inputs;
}
