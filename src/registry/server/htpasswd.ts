// Names and passwords out of an htpasswd file with bcrypt hashes (`htpasswd -B`), as other registries take them. The file is read again
// when it has changed.
import { createHash, timingSafeEqual } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { Fault } from "../../lib/errors.ts";

/** Checked passwords that are remembered: bcrypt is slow on purpose, and a push asks many times. */
const MAX_REMEMBERED = 1000;
/** What the password of an unknown name is compared with, so that it takes as long. */
const NOBODY = "$2b$10$CwTycUXWue0Thq9StjUM0uJ8Dsf9Wm0V9D8Y5QjOq7r7h3Qm7vS0G";

// bun: node has no bcrypt.
const { password: bcrypt } = (
  globalThis as unknown as { Bun: { password: { verify(password: string, hash: string): Promise<boolean> } } }
).Bun;

export class Htpasswd {
  readonly #path: string;
  #hashes = new Map<string, string>();
  #version = "";
  readonly #remembered = new Map<string, Buffer>();

  private constructor(path: string) {
    this.#path = path;
  }

  /** Fails with invalidParameter for a file that cannot be read or has other hashes. */
  static async open(path: string): Promise<Htpasswd> {
    const file = new Htpasswd(path);
    await file.#load();
    return file;
  }

  async #load(): Promise<void> {
    try {
      const { mtimeMs, size, ino } = await stat(this.#path);
      const version = `${mtimeMs} ${size} ${ino}`;
      if (version === this.#version) return;
      this.#hashes = parseHtpasswd(await readFile(this.#path, "utf8"));
      this.#remembered.clear();
      this.#version = version;
    } catch (cause) {
      if (cause instanceof Fault) throw cause;
      throw new Fault("invalidParameter", `cannot read ${this.#path}`, { code: "registry.htpasswd", cause });
    }
  }

  /** Whether the value of an Authorization header names somebody with their password. */
  async admits(authorization: string | undefined): Promise<boolean> {
    await this.#load();
    const encoded = /^Basic ([A-Za-z0-9+/]+=*)$/i.exec(authorization ?? "")?.[1];
    if (encoded === undefined) return false;
    const text = Buffer.from(encoded, "base64").toString("utf8");
    const colon = text.indexOf(":");
    if (colon < 0) return false;
    const [name, password] = [text.slice(0, colon), text.slice(colon + 1)];
    const key = createHash("sha256").update(password).digest();
    const known = this.#remembered.get(name);
    if (known !== undefined && timingSafeEqual(known, key)) return true;
    const hash = this.#hashes.get(name);
    const fits = await bcrypt.verify(password, hash ?? NOBODY).catch(() => false); // ignored: not a hash that fits
    if (!fits || hash === undefined) return false;
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(name, key);
    return true;
  }
}

/** Returns hashes by name. Throws Fault invalidParameter for a line that is none, or a hash that is not bcrypt's. */
export function parseHtpasswd(text: string): Map<string, string> {
  const hashes = new Map<string, string>();
  for (const [i, line] of text.split("\n").entries()) {
    const entry = line.trim();
    if (entry === "" || entry.startsWith("#")) continue;
    const colon = entry.indexOf(":");
    const hash = entry.slice(colon + 1);
    if (colon <= 0 || !/^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/.test(hash))
      throw new Fault(
        "invalidParameter",
        `htpasswd, line ${i + 1}: want name:hash with a bcrypt hash (htpasswd -B)`,
        {
          code: "registry.htpasswd",
        },
      );
    // The same function under the names of its implementations.
    hashes.set(entry.slice(0, colon), hash.replace(/^\$2y/, "$2b"));
  }
  return hashes;
}
