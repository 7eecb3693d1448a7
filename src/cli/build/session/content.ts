// Offers directories that are OCI layouts to a build: caches to be read and written, images to be built on. Blobs are files by
// their digest; one becomes visible when it is complete and has the content that its name says.

import { createHash, type Hash, randomBytes } from "node:crypto";
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import {
  CONTENT_METHODS,
  CONTENT_STORE_KEY,
  infoRequest,
  infoResponse,
  readRequest,
  readResponse,
  WRITE_ACTION,
  writeRequest,
  writeResponse,
} from "../../../lib/build-protocol/content.ts";
import { Fault } from "../../../lib/errors.ts";
import { type Method, type Methods, type ServerCall, serverStream, unary } from "../../../lib/grpc/server.ts";
import { metadataTexts } from "./directories.ts";

const DIGEST = /^sha256:([0-9a-f]{64})$/;

function blobPath(directory: string, digest: string): string {
  const hex = DIGEST.exec(digest)?.[1];
  if (hex === undefined)
    throw new Fault("invalidParameter", `invalid digest ${JSON.stringify(digest)}`, {
      code: "session.content",
    });
  return join(directory, "blobs/sha256", hex);
}

/** One blob on its way in. */
class Incoming {
  private readonly directory: string;
  private readonly temporary: string;
  private readonly hash: Hash = createHash("sha256");
  private file: FileHandle | undefined;
  private expected = "";
  private written = 0;

  constructor(directory: string) {
    this.directory = directory;
    this.temporary = join(directory, `.incoming-${randomBytes(8).toString("hex")}`);
  }

  async take({ action, expected, data, offset }: ReturnType<typeof writeRequest.decode>): Promise<number> {
    if (expected !== "") this.expected = expected;
    if (this.file === undefined) {
      if (expected !== "" && existsSync(blobPath(this.directory, expected)))
        throw new Fault("conflict", `content ${expected}: already exists`, { code: "session.content" });
      mkdirSync(join(this.directory, "blobs/sha256"), { recursive: true });
      this.file = await open(this.temporary, "wx", 0o644);
    }
    if (data.length > 0) {
      if (offset !== this.written)
        throw new Fault("invalidParameter", `write at ${offset}, expected ${this.written}`, {
          code: "session.content",
        });
      this.hash.update(data);
      await this.file.write(data);
      this.written += data.length;
    }
    if (action === WRITE_ACTION.commit) await this.commit();
    return this.written;
  }

  private async commit(): Promise<void> {
    await this.file?.close();
    this.file = undefined;
    const digest = `sha256:${this.hash.digest("hex")}`;
    if (this.expected !== "" && digest !== this.expected)
      throw new Fault("dataLoss", `unexpected commit digest ${digest}, expected ${this.expected}`, {
        code: "session.content",
      });
    this.expected = digest;
    renameSync(this.temporary, blobPath(this.directory, digest));
  }

  get digest(): string {
    return this.expected;
  }

  async end(): Promise<void> {
    await this.file?.close();
    rmSync(this.temporary, { force: true });
  }
}

/** Serves the directories, by the names that the build knows them by. */
export function serveContent(stores: ReadonlyMap<string, string>): Methods {
  const directoryOf = ({ metadata }: ServerCall): string => {
    const [name = ""] = metadataTexts(metadata, CONTENT_STORE_KEY);
    const directory = stores.get(name);
    if (directory === undefined)
      throw new Fault("notFound", `content store ${JSON.stringify(name)} not found`, {
        code: "session.content",
      });
    return directory;
  };
  const sizeOf = (path: string, digest: string): number => {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats?.isFile() !== true)
      throw new Fault("notFound", `content ${digest}: not found`, { code: "session.content" });
    return stats.size;
  };
  const write: Method = async (call) => {
    const incoming = new Incoming(directoryOf(call));
    try {
      for await (const message of call.messages) {
        const request = writeRequest.decode(message);
        const offset = await incoming.take(request);
        const { action, total } = request;
        await call.messages.send(writeResponse.encode({ action, offset, total, digest: incoming.digest }));
      }
    } finally {
      await incoming.end();
    }
  };
  return {
    [CONTENT_METHODS.info]: unary(infoRequest, infoResponse, async ({ digest }, call) => ({
      info: { digest, size: sizeOf(blobPath(directoryOf(call), digest), digest) },
    })),
    [CONTENT_METHODS.read]: serverStream(
      readRequest,
      readResponse,
      async function* ({ digest, offset }, call) {
        const path = blobPath(directoryOf(call), digest);
        sizeOf(path, digest);
        let at = offset;
        for await (const data of createReadStream(path, { start: offset }) as AsyncIterable<Buffer>) {
          yield { offset: at, data };
          at += data.length;
        }
      },
    ),
    [CONTENT_METHODS.write]: write,
  };
}

const REF_NAME = "org.opencontainers.image.ref.name";

interface LayoutEntry {
  readonly mediaType?: string;
  readonly digest?: string;
  readonly size?: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

function entriesOf(directory: string): LayoutEntry[] {
  const text = readFileSync(join(directory, "index.json"), "utf8");
  return (JSON.parse(text) as { manifests?: LayoutEntry[] }).manifests ?? [];
}

/** Returns the digest that a layout has under a tag; the only one of a layout of one. Throws where there is none. */
export function layoutDigest(directory: string, tag: string): string {
  const entries = entriesOf(directory);
  const named = entries.find(({ annotations }) => annotations?.[REF_NAME] === tag);
  const found = named ?? (entries.length === 1 ? entries[0] : undefined);
  if (found?.digest === undefined || !DIGEST.test(found.digest))
    throw new Fault(
      "notFound",
      `could not find manifest of reference ${JSON.stringify(tag)} in ${directory}/index.json`,
      {
        code: "session.layout",
      },
    );
  return found.digest;
}

/** Enters a manifest in a layout under a tag; whatever had the tag before is no longer named. */
export function putInLayout(directory: string, entry: LayoutEntry, tag: string): void {
  const path = join(directory, "index.json");
  const others = existsSync(path)
    ? entriesOf(directory).filter(({ annotations }) => annotations?.[REF_NAME] !== tag)
    : [];
  const named = { ...entry, annotations: { ...entry.annotations, [REF_NAME]: tag } };
  const index = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [...others, named],
  };
  writeFileSync(join(directory, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(`${path}.new`, JSON.stringify(index));
  renameSync(`${path}.new`, path);
}
