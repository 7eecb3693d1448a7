// Manifest lists in the making: <config>/manifests has a directory for each, named after the list, with a file for each of its
// manifests, as Docker lays it out.

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { Fault } from "../../lib/errors.ts";
import { canonicalString, type Reference } from "../../oci/reference.ts";
import { formatListed, type ListedManifest, parseListed } from "./listed.ts";

export class ManifestStore {
  readonly #root: string;

  constructor(configDir: string) {
    this.#root = `${configDir}/manifests`;
  }

  has(list: Reference): boolean {
    return existsSync(this.#dir(list));
  }

  hasManifest(list: Reference, manifest: Reference): boolean {
    return existsSync(`${this.#dir(list)}/${fileName(manifest)}`);
  }

  /** Throws a Fault of the kind notFound with Docker's text when there is no such list. */
  check(list: Reference): void {
    if (!this.has(list)) throw noSuch(list);
  }

  /** Returns one manifest of a list. Throws a Fault of the kind notFound with Docker's text. */
  load(list: Reference, manifest: Reference): ListedManifest {
    const path = `${this.#dir(list)}/${fileName(manifest)}`;
    if (!this.hasManifest(list, manifest)) throw noSuch(manifest);
    return parseListed(readFileSync(path, "utf8"), path);
  }

  /** Returns the manifests of a list by file name. Throws as check. */
  loadList(list: Reference): ListedManifest[] {
    this.check(list);
    const dir = this.#dir(list);
    const names = readdirSync(dir).filter((name) => !name.startsWith(".tmp-"));
    return names
      .sort((a, b) => (a < b ? -1 : 1))
      .map((name) => parseListed(readFileSync(`${dir}/${name}`, "utf8"), `${dir}/${name}`));
  }

  /** Keeps a manifest in a list under the name `manifest`; the file is replaced at once. */
  save(list: Reference, manifest: Reference, content: ListedManifest): void {
    const dir = this.#dir(list);
    mkdirSync(dir, { recursive: true, mode: 0o755 });
    const temporary = `${dir}/.tmp-${process.pid}`;
    writeFileSync(temporary, formatListed(content), { mode: 0o644 });
    chmodSync(temporary, 0o644);
    renameSync(temporary, `${dir}/${fileName(manifest)}`);
  }

  /** Removes a list with all that was said of it. */
  remove(list: Reference): void {
    rmSync(this.#dir(list), { recursive: true, force: true });
  }

  #dir(list: Reference): string {
    return `${this.#root}/${fileName(list)}`;
  }
}

/** A reference's grammar has neither a part `..` nor a leading dot, so that this is a plain name. */
function fileName(reference: Reference): string {
  return canonicalString(reference).replaceAll(":", "-").replaceAll("/", "_");
}

function noSuch(reference: Reference): Fault {
  return new Fault("notFound", `No such manifest: ${canonicalString(reference)}`, {
    code: "manifest.not-found",
  });
}
