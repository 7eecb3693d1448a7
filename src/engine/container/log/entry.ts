// The lines of a log file as keel writes them (native/PROTOCOL.md "Log"): Docker's json-file, or the spool, which also
// numbers its lines and keeps bytes that are not UTF-8. Pure.

/** One entry: a line, or a piece of a long one, which then lacks the newline. */
export interface LogEntry {
  /** Number of the entry, in a spool. */
  n?: number;
  log: string;
  stream: string;
  time: string;
  attrs?: Record<string, string>;
}

/** Returns the entries of whole lines. What is no entry is passed over: a line torn by a power cut must not hide the others. */
export function parseEntries(text: string): LogEntry[] {
  const entries: LogEntry[] = [];
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf("\n", start);
    const entry = parseEntry(text.slice(start, end < 0 ? text.length : end));
    start = end < 0 ? text.length : end + 1;
    if (entry !== null) entries.push(entry);
  }
  return entries;
}

function parseEntry(line: string): LogEntry | null {
  try {
    const value = JSON.parse(line) as LogEntry | null;
    return typeof value?.log === "string" && typeof value.time === "string" ? value : null;
  } catch {
    return null; // ignored: see parseEntries
  }
}

const SPOOL_LINE = /^\{"n":(\d{1,15}),/;

/** Returns the number of the spool line that begins with this text; null where it is none. */
export function numberOf(line: string): number | null {
  const m = SPOOL_LINE.exec(line);
  return m === null ? null : Number(m[1]);
}

/** Returns the bytes that the container wrote: a lone surrogate U+DC80…U+DCFF stands for a byte that is not UTF-8. */
export function bytesOf(log: string): Buffer {
  if (log.isWellFormed()) return Buffer.from(log);
  const parts: Buffer[] = [];
  let from = 0;
  for (let i = 0; i < log.length; i++) {
    const unit = log.charCodeAt(i);
    if (unit >= 0xd800 && unit < 0xdc00) i++; // the other half of a pair follows: keel writes no lone high surrogate
    if (unit < 0xdc80 || unit > 0xdcff) continue;
    parts.push(Buffer.from(log.slice(from, i)), Buffer.of(unit & 0xff));
    from = i + 1;
  }
  return Buffer.concat([...parts, Buffer.from(log.slice(from))]);
}
