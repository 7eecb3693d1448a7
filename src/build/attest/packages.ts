// What is installed in a root file system: packages of dpkg and apk, Node's modules and Python's distributions, read from the files in
// which their managers note them. The root is hostile: files are bounded, and what cannot be understood is passed over.

import { decodeName } from "../../lib/tar/names.ts";
import type { FsSession } from "../../linux/keel.ts";

export interface InstalledPackage {
  readonly name: string;
  readonly version: string;
  /** Package URL: what the package is, in one word for all managers. */
  readonly purl: string;
  readonly license?: string;
  /** The file that tells of it. */
  readonly foundIn: string;
}

/** The distribution, as /etc/os-release has it. */
interface Distribution {
  readonly id: string;
  readonly versionId: string;
}

const MAX_FILE_BYTES = 32 << 20;
const MAX_PACKAGES = 100_000;
const S_IFMT = 0o170000;
const S_IFREG = 0o100000;

type Reader = (text: string, at: Distribution) => Omit<InstalledPackage, "foundIn">[];

/** Returns the fields of each block of `Name: value` lines. */
function blocksOf(text: string): Map<string, string>[] {
  return text.split(/\n\s*\n/).flatMap((block) => {
    const fields = new Map<string, string>();
    for (const line of block.split("\n")) {
      const colon = line.indexOf(":");
      if (colon > 0 && !/^\s/.test(line)) fields.set(line.slice(0, colon), line.slice(colon + 1).trim());
    }
    return fields.size === 0 ? [] : [fields];
  });
}

/** Writes a package URL; parts are escaped, the slash of a namespace stays. */
function purlOf(
  type: string,
  path: readonly string[],
  version: string,
  more: Readonly<Record<string, string>> = {},
): string {
  const query = Object.entries(more).filter(([, value]) => value !== "");
  const text = query.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
  const place = path
    .filter((part) => part !== "")
    .map(encodeURIComponent)
    .join("/");
  return `pkg:${type}/${place}@${encodeURIComponent(version)}${text === "" ? "" : `?${text}`}`;
}

const readDpkg: Reader = (text, { id, versionId }) =>
  blocksOf(text).flatMap((fields) => {
    const [name = "", version = ""] = [fields.get("Package"), fields.get("Version")];
    const status = fields.get("Status") ?? "install ok installed";
    if (name === "" || version === "" || !status.endsWith(" installed")) return [];
    const distro = versionId === "" ? id : `${id}-${versionId}`;
    return [
      {
        name,
        version,
        purl: purlOf("deb", [id || "debian", name], version, {
          arch: fields.get("Architecture") ?? "",
          distro,
        }),
      },
    ];
  });

const readApk: Reader = (text, { id, versionId }) =>
  blocksOf(text).flatMap((fields) => {
    const [name = "", version = "", license = ""] = [fields.get("P"), fields.get("V"), fields.get("L")];
    if (name === "" || version === "") return [];
    const distro = versionId === "" ? id : `${id}-${versionId}`;
    const purl = purlOf("apk", [id || "alpine", name], version, { arch: fields.get("A") ?? "", distro });
    return [{ name, version, purl, ...(license === "" ? {} : { license }) }];
  });

const readNode: Reader = (text) => {
  const { name, version, license } = JSON.parse(text) as Record<string, unknown>;
  if (typeof name !== "string" || typeof version !== "string") return [];
  const purl = purlOf("npm", name.split("/"), version);
  return [{ name, version, purl, ...(typeof license === "string" ? { license } : {}) }];
};

const readPython: Reader = (text) => {
  const [fields] = blocksOf(text);
  const [name = "", version = "", license = ""] = [
    fields?.get("Name"),
    fields?.get("Version"),
    fields?.get("License"),
  ];
  if (name === "" || version === "") return [];
  const purl = purlOf("pypi", [name.toLowerCase().replaceAll("_", "-")], version);
  return [{ name, version, purl, ...(license === "" ? {} : { license }) }];
};

/** Files that tell of packages, by their path without a leading slash. */
const READERS: readonly (readonly [RegExp, Reader])[] = [
  [/^var\/lib\/dpkg\/(?:status|status\.d\/[^/]+)$/, readDpkg],
  [/^lib\/apk\/db\/installed$/, readApk],
  [/(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/@][^/]*\/package\.json$/, readNode],
  [/\.(?:dist-info\/METADATA|egg-info\/PKG-INFO)$/, readPython],
];
const OS_RELEASE = /^(?:etc|usr\/lib)\/os-release$/;

async function textOf(content: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of content) parts.push(Uint8Array.from(chunk));
  return Buffer.concat(parts).toString("utf8");
}

function distributionOf(text: string): Distribution {
  const value = (name: string): string => new RegExp(`^${name}=["']?([^"'\n]*)`, "m").exec(text)?.[1] ?? "";
  return { id: value("ID"), versionId: value("VERSION_ID") };
}

/** Returns what is installed below a root, sorted by package URL, each once. */
export async function scanPackages(root: FsSession): Promise<InstalledPackage[]> {
  let distribution: Distribution = { id: "", versionId: "" };
  const files: { path: string; text: string; read: Reader }[] = [];
  for await (const entry of root.export("/")) {
    if ((entry.mode & S_IFMT) !== S_IFREG || entry.sizeBytes > MAX_FILE_BYTES) continue;
    const path = decodeName(entry.rawPath);
    if (OS_RELEASE.test(path)) distribution = distributionOf(await textOf(entry.content()));
    const read = READERS.find(([pattern]) => pattern.test(path))?.[1];
    if (read !== undefined && files.length < MAX_PACKAGES)
      files.push({ path, text: await textOf(entry.content()), read });
  }
  const found = new Map<string, InstalledPackage>();
  for (const { path, text, read } of files)
    for (const known of readSafely(read, text, distribution))
      if (found.size < MAX_PACKAGES && !found.has(known.purl))
        found.set(known.purl, { ...known, foundIn: `/${path}` });
  return [...found.values()].sort((a, b) => (a.purl < b.purl ? -1 : 1));
}

function readSafely(read: Reader, text: string, distribution: Distribution): ReturnType<Reader> {
  try {
    return read(text, distribution);
  } catch {
    return []; // ignored: a file of this name that is something else tells of nothing
  }
}
