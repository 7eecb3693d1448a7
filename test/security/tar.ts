// Archives that no tar(1) would write: any name, any link, any order, with extended attributes.
import { createHash } from "node:crypto";

export interface Entry {
  readonly name: string;
  /** tar's letter: 0 file, 1 hard link, 2 symlink, 3 character device, 4 block device, 5 directory, 6 fifo. */
  readonly type?: string;
  readonly link?: string;
  readonly content?: string;
  readonly mode?: number;
  readonly device?: readonly [major: number, minor: number];
  readonly xattrs?: Readonly<Record<string, string>>;
}

const octal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, "0")}\0`;

function header(e: Entry, size: number): Buffer {
  const block = Buffer.alloc(512);
  const [major, minor] = e.device ?? [0, 0];
  for (const [at, text] of [
    [0, e.name],
    [100, octal(e.mode ?? 0o644, 8)],
    [108, octal(0, 8)],
    [116, octal(0, 8)],
    [124, octal(size, 12)],
    [136, octal(0, 12)],
    [148, " ".repeat(8)],
    [156, e.type ?? "0"],
    [157, e.link ?? ""],
    [257, "ustar\x0000"],
    [329, octal(major, 8)],
    [337, octal(minor, 8)],
  ] as const)
    block.write(text, at, "latin1");
  block.write(
    octal(
      block.reduce((sum, byte) => sum + byte, 0),
      7,
    ),
    148,
    "latin1",
  );
  return block;
}

function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (`${length}${rest}`.length !== length) length++;
  return `${length}${rest}`;
}

function member(e: Entry, content: string): Buffer[] {
  const data = Buffer.from(content);
  return [header(e, data.length), data, Buffer.alloc((512 - (data.length % 512)) % 512)];
}

/** Returns the archive. */
export function tarOf(entries: readonly Entry[]): Buffer {
  const parts = entries.flatMap((e) => {
    const records = Object.entries(e.xattrs ?? {}).map(([k, v]) => record(`SCHILY.xattr.${k}`, v));
    const pax = records.length === 0 ? [] : member({ name: "pax", type: "x" }, records.join(""));
    return [...pax, ...member(e, e.content ?? "")];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** Returns what `docker save` would make of an image with these layers and this configuration; layers that are compressed have other diff ids. */
export function imageArchive(
  tag: string,
  layers: readonly Uint8Array[],
  config: object = {},
  diffIds: readonly string[] = layers.map((layer) => `sha256:${digest(layer)}`),
): Buffer {
  const json = JSON.stringify({
    architecture: process.arch === "x64" ? "amd64" : "arm64",
    os: "linux",
    config,
    rootfs: { type: "layers", diff_ids: diffIds },
  });
  const names = layers.map((_, i) => `${i}/layer.tar`);
  const manifest = [{ Config: "config.json", RepoTags: [`${tag}:latest`], Layers: names }];
  const files: (readonly [string, Uint8Array])[] = [
    ["manifest.json", Buffer.from(JSON.stringify(manifest))],
    ["config.json", Buffer.from(json)],
    ...names.map((name, i) => [name, layers[i] as Uint8Array] as const),
  ];
  const parts = files.flatMap(([name, bytes]) => [
    header({ name }, bytes.length),
    Buffer.from(bytes),
    Buffer.alloc((512 - (bytes.length % 512)) % 512),
  ]);
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}
