// File names as strings. Linux names are bytes; here they are strings in which a byte that is not part of valid
// UTF-8 appears as the lone surrogate U+DC00 + byte (Python's surrogateescape, PEP 383). So ordinary names are
// ordinary strings, every byte sequence has exactly one string, and encodeName(decodeName(b)) is b.
// Such a string must go through encodeName before it becomes bytes: plain UTF-8 encoding would destroy it.

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Returns the string form of a name. */
export function decodeName(bytes: Uint8Array): string {
  if (bytes.length === 0) return "";
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString("latin1");
  if (isAscii(text)) return text;
  try {
    return strict.decode(bytes);
  } catch {
    return decodeEscaped(bytes); // ignored: not UTF-8, which is legal
  }
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/** Length of the UTF-8 sequence at `at`, 0 when there is no valid one. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] as number;
  if (lead < 0x80) return 1;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || at + length > bytes.length) return 0;
  try {
    strict.decode(bytes.subarray(at, at + length));
    return length;
  } catch {
    return 0; // ignored: reported as 0
  }
}

function decodeEscaped(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at);
    if (length === 0) {
      text += String.fromCharCode(0xdc00 + (bytes[at] as number));
      at += 1;
    } else {
      text += strict.decode(bytes.subarray(at, at + length));
      at += length;
    }
  }
  return text;
}

const NO_BYTES = Buffer.alloc(0);

/** Returns the bytes of a name. A lone surrogate outside U+DC80…U+DCFF, which no name has, becomes U+FFFD. */
export function encodeName(name: string): Buffer {
  if (name === "") return NO_BYTES;
  if (name.isWellFormed()) return Buffer.from(name, "utf8");
  const parts: Buffer[] = [];
  let plain = "";
  for (const char of name) {
    const code = char.codePointAt(0) as number;
    if (code >= 0xdc80 && code <= 0xdcff) {
      parts.push(Buffer.from(plain, "utf8"), Buffer.from([code - 0xdc00]));
      plain = "";
    } else plain += char;
  }
  parts.push(Buffer.from(plain, "utf8"));
  return Buffer.concat(parts);
}

/** Returns the name as keel takes it: a string where UTF-8 says it all, else bytes. */
export function nameForKernel(name: string): string | Uint8Array {
  return name.isWellFormed() ? name : encodeName(name);
}

/** Orders names by their bytes, as strcmp does; UTF-16 order differs above U+FFFF and for escaped bytes. */
export function compareNames(a: string, b: string): number {
  return Buffer.compare(encodeName(a), encodeName(b));
}

/**
 * Returns `name` as a path relative to the archive's root without `.`, `..`, empty components and leading slashes;
 * "" is the root itself. Returns undefined when it leads out of the root. Purely textual: symlinks are the
 * business of whoever resolves it.
 */
export function cleanName(name: string): string | undefined {
  if (!UNCLEAN.test(name)) return name;
  const parts: string[] = [];
  for (const part of name.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.join("/");
}

const UNCLEAN = /^\/|\/$|\/\/|(?:^|\/)\.{1,2}(?:\/|$)/;
