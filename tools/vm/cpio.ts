// A cpio archive in the "newc" format, which the kernel unpacks as its first root (Documentation/driver-api/early-userspace).

export interface CpioEntry {
  /** Without a leading slash; parents come before children. */
  readonly path: string;
  /** With the file type's bits. */
  readonly mode: number;
  readonly content?: Uint8Array;
}

const TRAILER: CpioEntry = { path: "TRAILER!!!", mode: 0 };

/** Returns the archive. Everything belongs to root; times are 0, so that equal entries make equal archives. */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  return Buffer.concat([...entries, TRAILER].flatMap((entry, index) => member(entry, index + 1)));
}

function member({ path, mode, content = new Uint8Array() }: CpioEntry, inode: number): Uint8Array[] {
  const name = Buffer.from(`${path}\0`);
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const header = `070701${fields.map((n) => n.toString(16).padStart(8, "0")).join("")}`;
  const head = Buffer.concat([Buffer.from(header), name]);
  return [head, padding(head.length), content, padding(content.length)];
}

const padding = (length: number): Uint8Array => new Uint8Array((4 - (length % 4)) % 4);
