// A build context from stdin: a tar archive (plain or compressed) is passed on, anything else is a Dockerfile.

import { readAllStdin, stdinUpload } from "../upload.ts";
import { complain } from "../failure.ts";

export interface StdinContext {
  readonly content: AsyncIterable<Uint8Array>;
  /** Set when stdin was an archive. */
  readonly isArchive: boolean;
}

const magics = [
  [0x1f, 0x8b],
  [0x42, 0x5a, 0x68],
  [0xfd, 0x37, 0x7a, 0x58, 0x5a],
  [0x28, 0xb5, 0x2f, 0xfd],
];

/** Looks at the first bytes of stdin and says what it is. Throws a Fault when nothing comes. */
export async function openStdinContext(): Promise<StdinContext> {
  const source = stdinUpload()[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  let size = 0;
  while (size < 1024) {
    const { value, done } = await source.next();
    if (done === true) break;
    head.push(value);
    size += value.length;
  }
  if (size === 0) throw complain("unable to prepare context: failed to peek context header from STDIN: EOF");
  const first = Buffer.concat(head);
  const content = (async function* () {
    yield first;
    for (;;) {
      const { value, done } = await source.next();
      if (done === true) return;
      yield value;
    }
  })();
  return { content, isArchive: isArchive(first) };
}

function isArchive(head: Buffer): boolean {
  if (magics.some((magic) => magic.every((byte, index) => head[index] === byte))) return true;
  return head.length >= 512 && (head.toString("latin1", 257, 262) === "ustar" || hasTarChecksum(head));
}

/** Archives from before POSIX have no magic, but a checksum. */
function hasTarChecksum(head: Buffer): boolean {
  const stored = Number.parseInt(
    head
      .toString("latin1", 148, 156)
      .replace(/[\0 ]+$/, "")
      .trim(),
    8,
  );
  let sum = 0;
  for (let at = 0; at < 512; at++) sum += at >= 148 && at < 156 ? 32 : (head[at] ?? 0);
  return stored === sum && sum > 256;
}

/** Reads a Dockerfile from stdin. */
export async function readStdinDockerfile(): Promise<Uint8Array> {
  return readAllStdin();
}
