// Decompresses bzip2 (the format as bzip2 1.0 writes it; its authors' description is the source). Block by block, and what a block expands
// to in pieces, so that a few bytes that stand for gigabytes cost neither memory nor the reader's patience. It computes: run it where
// nobody waits (worker.ts). Blocks that were randomised (bzip2 0.9) are refused, as everywhere nowadays.

const BLOCK_MAGIC = 0x314159265359;
const END_MAGIC = 0x177245385090;
const PIECE_BYTES = 64 << 10;
/** A block is at most 900 000 symbols of at most 20 bits, and its tables. */
const MOST_BLOCK_BYTES = 2_400_000;
const GROUP_SYMBOLS = 50;
const MAX_CODE_BITS = 20;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000_0000 ? (crc << 1) ^ 0x04c1_1db7 : crc << 1;
  return crc >>> 0;
});

const damaged = (why: string): Error => new Error(`damaged bzip2 data: ${why}`);

/** Gathers input; keeps what a block may need. */
class Input {
  readonly #source: AsyncIterator<Uint8Array>;
  #bytes: Uint8Array = new Uint8Array(0);
  #isOver = false;
  /** Of the next byte. */
  #at = 0;
  /** Bits that were read and not taken, the next one highest. */
  #hold = 0;
  #held = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Makes sure that a whole block, or all that is left, is there. */
  async fill(): Promise<void> {
    let size = this.#bytes.length - this.#at;
    if (size >= MOST_BLOCK_BYTES || this.#isOver) return;
    const parts = [this.#bytes.subarray(this.#at)];
    while (size < MOST_BLOCK_BYTES && !this.#isOver) {
      const next = await this.#source.next();
      if (next.done) this.#isOver = true;
      else {
        parts.push(next.value);
        size += next.value.length;
      }
    }
    this.#bytes = Buffer.concat(parts);
    this.#at = 0;
  }

  get isAtEnd(): boolean {
    return this.#isOver && this.#held === 0 && this.#at >= this.#bytes.length;
  }

  /** The next `count` bits, at most 24. */
  bits(count: number): number {
    while (this.#held < count) {
      if (this.#at >= this.#bytes.length) throw damaged("it ends early");
      this.#hold = (this.#hold << 8) | (this.#bytes[this.#at++] as number);
      this.#held += 8;
    }
    this.#held -= count;
    return (this.#hold >>> this.#held) & ((1 << count) - 1);
  }

  wide(): number {
    return this.bits(24) * 2 ** 24 + this.bits(24);
  }

  word(): number {
    return ((this.bits(16) << 16) | this.bits(16)) >>> 0;
  }

  toByte(): void {
    this.#held -= this.#held % 8;
  }
}

/** Yields the content of one or more bzip2 streams that follow each other. Throws Error for damaged data. */
export async function* bunzip2(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const input = new Input(source);
  await input.fill();
  do {
    if (input.bits(24) !== 0x425a68) throw damaged("no header");
    const level = input.bits(8) - 0x30;
    if (level < 1 || level > 9) throw damaged("no block size");
    let combined = 0;
    for (;;) {
      await input.fill();
      const magic = input.wide();
      if (magic === END_MAGIC) break;
      if (magic !== BLOCK_MAGIC) throw damaged("no block");
      const wanted = input.word();
      const block = readBlock(input, level * 100_000);
      let crc = 0xffff_ffff;
      for (const piece of expand(block)) {
        for (const byte of piece) crc = (crc << 8) ^ (CRC_TABLE[(crc >>> 24) ^ byte] as number);
        yield piece;
      }
      crc = ~crc >>> 0;
      if (crc !== wanted) throw damaged("a checksum does not match");
      combined = (((combined << 1) | (combined >>> 31)) ^ crc) >>> 0;
    }
    if (input.word() !== combined) throw damaged("the checksum does not match");
    input.toByte();
    await input.fill();
  } while (!input.isAtEnd);
}

/** A block before the transform and the first run-length coding are undone. */
interface Block {
  /** Position of the next byte, shifted by 8, and the byte. */
  readonly links: Uint32Array;
  readonly size: number;
  readonly first: number;
}

function readBlock(input: Input, most: number): Block {
  if (input.bits(1) === 1) throw damaged("randomised blocks are not supported");
  const first = input.bits(24);
  const used = readUsed(input);
  const tables = readTables(input, used.length + 2);
  const symbols = new Uint8Array(most);
  const size = readSymbols(input, { used, ...tables }, symbols);
  if (first >= size) throw damaged("it begins nowhere");
  return { links: linksOf(symbols, size), size, first };
}

/** The byte values that occur. */
function readUsed(input: Input): Uint8Array {
  const ranges = input.bits(16);
  const used: number[] = [];
  for (let range = 0; range < 16; range++) {
    if ((ranges & (0x8000 >>> range)) === 0) continue;
    const values = input.bits(16);
    for (let i = 0; i < 16; i++) if (values & (0x8000 >>> i)) used.push(range * 16 + i);
  }
  if (used.length === 0) throw damaged("no byte is used");
  return Uint8Array.from(used);
}

interface Huffman {
  /** By length of code: the highest code, what its numbers are off by, and where its symbols begin. */
  readonly limit: Int32Array;
  readonly base: Int32Array;
  readonly symbols: Uint16Array;
  readonly shortest: number;
}

function readTables(input: Input, alphabet: number): { selectors: Uint8Array; tables: Huffman[] } {
  const groups = input.bits(3);
  const count = input.bits(15);
  if (groups < 2 || groups > 6 || count === 0) throw damaged("no code tables");
  const order = Uint8Array.from({ length: groups }, (_, i) => i);
  const selectors = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    let at = 0;
    while (input.bits(1) === 1) if (++at >= groups) throw damaged("a selector of no table");
    selectors[i] = moveToFront(order, at);
  }
  return { selectors, tables: Array.from({ length: groups }, () => readTable(input, alphabet)) };
}

function readTable(input: Input, alphabet: number): Huffman {
  const lengths = new Uint8Array(alphabet);
  let length = input.bits(5);
  for (let symbol = 0; symbol < alphabet; symbol++) {
    for (;;) {
      if (length < 1 || length > MAX_CODE_BITS) throw damaged("a code of no length");
      if (input.bits(1) === 0) break;
      length += input.bits(1) === 0 ? 1 : -1;
    }
    lengths[symbol] = length;
  }
  return huffmanOf(lengths);
}

function huffmanOf(lengths: Uint8Array): Huffman {
  const counts = new Int32Array(MAX_CODE_BITS + 2);
  for (const length of lengths) counts[length] = (counts[length] as number) + 1;
  const limit = new Int32Array(MAX_CODE_BITS + 1).fill(-1);
  const base = new Int32Array(MAX_CODE_BITS + 1);
  const symbols = new Uint16Array(lengths.length);
  let code = 0;
  let at = 0;
  for (let length = 1; length <= MAX_CODE_BITS; length++) {
    base[length] = at - code;
    for (let symbol = 0; symbol < lengths.length; symbol++)
      if (lengths[symbol] === length) symbols[at++] = symbol;
    code += counts[length] as number;
    limit[length] = code - 1;
    code <<= 1;
  }
  return { limit, base, symbols, shortest: Math.min(...lengths) };
}

function decodeSymbol(input: Input, { limit, base, symbols, shortest }: Huffman): number {
  let length = shortest;
  let code = input.bits(length);
  while (code > (limit[length] as number)) {
    if (++length > MAX_CODE_BITS) throw damaged("no such code");
    code = (code << 1) | input.bits(1);
  }
  const symbol = symbols[(base[length] as number) + code];
  if (symbol === undefined) throw damaged("no such code");
  return symbol;
}

function moveToFront(order: Uint8Array, at: number): number {
  const value = order[at] as number;
  for (let i = at; i > 0; i--) order[i] = order[i - 1] as number;
  order[0] = value;
  return value;
}

/** Undoes Huffman's coding, the second run-length coding and move-to-front; returns how many bytes came. */
function readSymbols(
  input: Input,
  { used, selectors, tables }: { used: Uint8Array; selectors: Uint8Array; tables: Huffman[] },
  out: Uint8Array,
): number {
  const end = used.length + 1;
  const order = used.slice();
  let size = 0;
  let run = 0;
  let weight = 1;
  let group = 0;
  let left = 0;
  let table: Huffman | undefined;
  for (;;) {
    if (left === 0) {
      table = tables[selectors[group++] ?? -1];
      left = GROUP_SYMBOLS;
    }
    if (table === undefined) throw damaged("more symbols than tables for them");
    left--;
    const symbol = decodeSymbol(input, table);
    if (symbol <= 1) {
      // Runs are written in base two with the digits 1 and 2.
      run += weight << symbol;
      weight <<= 1;
      if (run > out.length) throw damaged("a run that is too long");
      continue;
    }
    if (size + run > out.length) throw damaged("a block that is too long");
    if (run > 0) out.fill(order[0] as number, size, size + run);
    size += run;
    run = 0;
    weight = 1;
    if (symbol === end) return size;
    if (size === out.length) throw damaged("a block that is too long");
    out[size++] = moveToFront(order, symbol - 1);
  }
}

/** Undoes the Burrows-Wheeler transform as far as it can be done at once. */
function linksOf(symbols: Uint8Array, size: number): Uint32Array {
  const starts = new Uint32Array(256);
  for (let i = 0; i < size; i++) {
    const byte = symbols[i] as number;
    starts[byte] = (starts[byte] as number) + 1;
  }
  let sum = 0;
  for (let byte = 0; byte < 256; byte++) {
    const count = starts[byte] as number;
    starts[byte] = sum;
    sum += count;
  }
  const links = new Uint32Array(size);
  for (let i = 0; i < size; i++) {
    const byte = symbols[i] as number;
    const at = starts[byte] as number;
    starts[byte] = at + 1;
    links[at] = ((links[at] as number) & 0xff) | (i << 8);
    links[i] = ((links[i] as number) & ~0xff) | byte;
  }
  return links;
}

/** Yields the bytes of a block; four equal ones are followed by how many more there are. */
function* expand({ links, size, first }: Block): Generator<Uint8Array> {
  let piece = new Uint8Array(PIECE_BYTES);
  let filled = 0;
  let at = (links[first] as number) >>> 8;
  let last = -1;
  let equal = 0;
  for (let i = 0; i < size; i++) {
    const link = links[at] as number;
    at = link >>> 8;
    const byte = link & 0xff;
    const isCount = equal === 4;
    const count = isCount ? byte : 1;
    const value = isCount ? last : byte;
    if (filled + count > PIECE_BYTES) {
      yield piece.subarray(0, filled);
      piece = new Uint8Array(PIECE_BYTES);
      filled = 0;
    }
    for (const end = filled + count; filled < end; ) piece[filled++] = value;
    equal = isCount ? 0 : byte === last ? equal + 1 : 1;
    last = isCount ? -1 : byte;
  }
  if (filled > 0) yield piece.subarray(0, filled);
}
