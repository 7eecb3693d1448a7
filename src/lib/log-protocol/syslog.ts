// Syslog messages: the BSD form of RFC 3164 with and without a host name, RFC 5424, and the framing of RFC 5425. Sources: the RFCs,
// and for the choice of fields the messages that Docker's daemon sends. Pure: no sockets.

export type SyslogFormat = "unix" | "rfc3164" | "rfc5424" | "rfc5424micro";

/** Codes of RFC 5424, table 2. */
export const FACILITIES = {
  kern: 0,
  user: 1,
  mail: 2,
  daemon: 3,
  auth: 4,
  syslog: 5,
  lpr: 6,
  news: 7,
  uucp: 8,
  cron: 9,
  authpriv: 10,
  ftp: 11,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
} as const;

/** Codes of RFC 5424, table 3. */
export const SEVERITIES = { err: 3, info: 6 } as const;

export interface SyslogMessage {
  readonly facility: number;
  readonly severity: number;
  readonly timeNano: bigint;
  readonly hostname: string;
  /** Name of the program, in both forms. */
  readonly tag: string;
  readonly pid: number;
  readonly content: Uint8Array;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const two = (value: number): string => String(value).padStart(2, "0");

/** Returns the message's bytes, a newline at the end. */
export function encodeSyslog(format: SyslogFormat, message: SyslogMessage): Buffer {
  return Buffer.concat([Buffer.from(head(format, message)), message.content, Buffer.of(10)]);
}

function head(format: SyslogFormat, m: SyslogMessage): string {
  const priority = m.facility * 8 + m.severity;
  if (format === "unix") return `<${priority}>${bsdTime(m.timeNano)} ${m.tag}[${m.pid}]: `;
  if (format === "rfc3164") return `<${priority}>${bsdTime(m.timeNano)} ${m.hostname} ${m.tag}[${m.pid}]: `;
  const time = localTime(m.timeNano, format === "rfc5424micro");
  // The name stands in both fields, so that receivers that know only RFC 3164's tag show it, too.
  return `<${priority}>1 ${time} ${m.hostname} ${m.tag} ${m.pid} ${m.tag} - `;
}

/** RFC 3164's time: local, without a year. */
function bsdTime(timeNano: bigint): string {
  const t = new Date(Number(timeNano / 1_000_000n));
  const day = String(t.getDate()).padStart(2, " ");
  return `${MONTHS[t.getMonth()]} ${day} ${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
}

/** RFC 3339 in the local zone. */
function localTime(timeNano: bigint, hasMicroseconds: boolean): string {
  const ms = Number(timeNano / 1_000_000n);
  const offset = -new Date(ms).getTimezoneOffset();
  const local = new Date(ms + offset * 60_000).toISOString().slice(0, 19);
  const micro = String((timeNano / 1000n) % 1_000_000n).padStart(6, "0");
  const away = Math.abs(offset);
  const zone =
    offset === 0 ? "Z" : `${offset < 0 ? "-" : "+"}${two(Math.floor(away / 60))}:${two(away % 60)}`;
  return `${local}${hasMicroseconds ? `.${micro}` : ""}${zone}`;
}

/** Returns the message behind its length, as RFC 5425 wants it on TLS. */
export function frameSyslog(message: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${message.length} `), message]);
}
