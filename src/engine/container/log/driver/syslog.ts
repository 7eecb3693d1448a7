// syslog: one message per line, over datagrams, streams or TLS, to a receiver that is named or to the host's own.
import { stat } from "node:fs/promises";
import { createSocket } from "node:dgram";
import { statSync } from "node:fs";
import { hostname } from "node:os";
import { messageOf } from "../../../../lib/errors.ts";
import {
  encodeSyslog,
  FACILITIES,
  frameSyslog,
  SEVERITIES,
  type SyslogFormat,
} from "../../../../lib/log-protocol/syslog.ts";
import { logTag } from "../info.ts";
import { invalidOption, type LogOptions, parseAddress } from "../settings.ts";
import { DatagramDelivery, UdpDelivery } from "../ship/datagrams.ts";
import { StreamDelivery } from "../ship/stream.ts";
import { loadTls } from "../ship/tls.ts";
import {
  checkNames,
  DEFAULT_RETRY,
  type Delivery,
  type DeliveryContext,
  type LogDriver,
  type LogMessage,
} from "./driver.ts";
import { spoolStorage } from "./storage.ts";
import { table } from "../../../../lib/table.ts";

const OPTIONS = [
  "syslog-address",
  "syslog-facility",
  "syslog-tls-ca-cert",
  "syslog-tls-cert",
  "syslog-tls-key",
  "syslog-tls-skip-verify",
  "syslog-format",
];
const DEFAULT_PORT = 514;
/** Where a host's own syslog daemon listens. */
const HOST_SOCKETS = ["/dev/log", "/var/run/syslog", "/var/run/log"];
const FORMATS: Readonly<Record<string, SyslogFormat>> = table({
  "": "unix",
  rfc3164: "rfc3164",
  rfc5424: "rfc5424",
  rfc5424micro: "rfc5424micro",
});

type SyslogAddress =
  | { scheme: "" }
  | { scheme: "unix" | "unixgram"; path: string }
  | { scheme: "udp" | "tcp" | "tcp+tls"; host: string; port: number };

export const syslog: LogDriver = {
  name: "syslog",
  defaultTag: "{{.ID}}",
  check(options) {
    checkNames(options, OPTIONS, (name) => `unknown log opt '${name}' for syslog log driver`);
    readAddress(options);
    readFacility(options["syslog-facility"]);
    readFormat(options["syslog-format"]);
  },
  storage: spoolStorage,
  remote: { retry: () => DEFAULT_RETRY, open },
};

function readAddress(options: LogOptions): SyslogAddress {
  const text = options["syslog-address"];
  if (text === undefined || text === "") return { scheme: "" };
  const address = parseAddress(text);
  const scheme = address?.scheme ?? "";
  if (address !== null && (scheme === "unix" || scheme === "unixgram")) {
    try {
      statSync(address.path);
    } catch (error) {
      // compat: Go's words.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw invalidOption(messageOf(error));
      throw invalidOption(`stat ${address.path}: no such file or directory`);
    }
    return { scheme, path: address.path };
  }
  if (address === null || (scheme !== "udp" && scheme !== "tcp" && scheme !== "tcp+tls"))
    throw invalidOption(`unsupported scheme: '${scheme}'`);
  return { scheme, host: address.host || "localhost", port: address.port ?? DEFAULT_PORT };
}

function readFacility(text: string | undefined): number {
  if (text === undefined || text === "") return FACILITIES.daemon;
  if (Object.hasOwn(FACILITIES, text)) return FACILITIES[text as keyof typeof FACILITIES];
  if (/^\d{1,2}$/.test(text) && Number(text) <= 23) return Number(text);
  throw invalidOption("invalid syslog facility");
}

function readFormat(text: string | undefined): SyslogFormat {
  const format = FORMATS[text ?? ""];
  if (format === undefined) throw invalidOption("Invalid syslog format");
  return format;
}

async function open(context: DeliveryContext): Promise<Delivery> {
  const { info } = context;
  const address = readAddress(info.options);
  const format = readFormat(info.options["syslog-format"]);
  const isFramed = address.scheme === "tcp+tls" && format.startsWith("rfc5424");
  const common = {
    facility: readFacility(info.options["syslog-facility"]),
    hostname: hostname(),
    tag: logTag(info, syslog.defaultTag),
    pid: process.pid,
  };
  const encode = (m: LogMessage): Buffer | null => {
    if (m.line.length === 0) return null; // compat: empty lines are no messages
    const severity = m.stream === "stderr" ? SEVERITIES.err : SEVERITIES.info;
    const bytes = encodeSyslog(format, { ...common, severity, timeNano: m.timeNano, content: m.line });
    return isFramed ? frameSyslog(bytes) : bytes;
  };
  switch (address.scheme) {
    case "udp":
      return new UdpDelivery(createSocket, address, async (m) => listOf(encode(m)));
    case "unixgram":
      return new DatagramDelivery(context.keel, address.path, encode);
    case "unix":
      return new StreamDelivery({ transport: "unix", path: address.path }, { ...context, encode });
    case "tcp":
      return new StreamDelivery({ transport: "tcp", ...address }, { ...context, encode });
    case "tcp+tls":
      return new StreamDelivery(
        { transport: "tls", ...address, tls: await readTls(info.options) },
        { ...context, encode },
      );
    default:
      return openHostSyslog(context, encode);
  }
}

const listOf = (bytes: Buffer | null): Buffer[] => (bytes === null ? [] : [bytes]);

function readTls(options: LogOptions): ReturnType<typeof loadTls> {
  return loadTls({
    caFile: options["syslog-tls-ca-cert"],
    certFile: options["syslog-tls-cert"],
    keyFile: options["syslog-tls-key"],
    skipsVerification: options["syslog-tls-skip-verify"] !== undefined,
  });
}

/** Whichever of the usual sockets there is, with datagrams if it takes them. */
async function openHostSyslog(
  context: DeliveryContext,
  encode: (m: LogMessage) => Buffer | null,
): Promise<Delivery> {
  for (const path of HOST_SOCKETS) {
    const isSocket = (await stat(path).catch(() => null))?.isSocket() === true; // ignored: not there
    if (isSocket && (await DatagramDelivery.isTakenAt(context.keel, path)))
      return new DatagramDelivery(context.keel, path, encode);
    if (isSocket) return new StreamDelivery({ transport: "unix", path }, { ...context, encode });
  }
  throw invalidOption("Unix syslog delivery error");
}
