// gelf: Graylog's format, over datagrams (compressed, chunked) or over a stream (NUL between messages).
import { createSocket } from "node:dgram";
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { promisify } from "node:util";
import { deflate, gzip } from "node:zlib";
import { chunkGelf, encodeGelf } from "../../../../lib/log-protocol/gelf.ts";
import { SEVERITIES } from "../../../../lib/log-protocol/syslog.ts";
import { extraAttributes, type LogInfo, logTag } from "../info.ts";
import { type Address, invalidOption, type LogOptions, parseAddress } from "../settings.ts";
import { UdpDelivery } from "../ship/datagrams.ts";
import { StreamDelivery } from "../ship/stream.ts";
import { checkNames, DEFAULT_RETRY, type LogDriver, type LogMessage, type RetryPolicy } from "./driver.ts";
import { spoolStorage } from "./storage.ts";

const OPTIONS = [
  "gelf-address",
  "gelf-compression-level",
  "gelf-compression-type",
  "gelf-tcp-max-reconnect",
  "gelf-tcp-reconnect-delay",
];
const FASTEST = 1;
const compressors = { gzip: promisify(gzip), zlib: promisify(deflate) };

export const gelf: LogDriver = {
  name: "gelf",
  defaultTag: "{{.ID}}",
  check(options) {
    const { scheme } = readAddress(options);
    checkNames(options, OPTIONS, (name) => `unknown log opt "${name}" for gelf log driver`);
    for (const [name, value] of Object.entries(options)) checkValue(scheme, name, value);
  },
  storage: spoolStorage,
  remote: {
    retry: readRetry,
    async open(context) {
      const { info } = context;
      const address = readAddress(info.options);
      const encode = encoder(info);
      if (address.scheme === "tcp") {
        const target = { transport: "tcp", host: address.host, port: address.port } as const;
        return new StreamDelivery(target, { ...context, encode: (m) => terminated(encode(m)) });
      }
      const pack = packer(info.options);
      return new UdpDelivery(createSocket, address, async (m) => {
        const bytes = encode(m);
        return bytes === null ? [] : chunkGelf(await pack(bytes), randomBytes(8));
      });
    },
  },
};

const terminated = (bytes: Buffer | null): Buffer | null =>
  bytes === null ? null : Buffer.concat([bytes, Buffer.of(0)]);

function readAddress(options: LogOptions): Address & { port: number } {
  const text = options["gelf-address"];
  if (text === undefined || text === "") throw invalidOption("gelf-address is a required parameter");
  const address = parseAddress(text);
  if (address?.scheme !== "udp" && address?.scheme !== "tcp")
    throw invalidOption("gelf: endpoint needs to be TCP or UDP");
  if (address.port === undefined)
    throw invalidOption("gelf: please provide gelf-address as proto://host:port");
  return { ...address, host: address.host || "localhost", port: address.port };
}

function checkValue(scheme: string, name: string, value: string): void {
  const unknown = (): Error =>
    invalidOption(`unknown value ${JSON.stringify(value)} for log opt "${name}" for gelf log driver`);
  if (name.startsWith("gelf-compression") && scheme !== "udp")
    throw invalidOption("compression is only supported on UDP");
  if (name === "gelf-compression-level" && !/^(-1|[0-9])$/.test(value)) throw unknown();
  if (name === "gelf-compression-type" && !["gzip", "zlib", "none"].includes(value)) throw unknown();
  if (!name.startsWith("gelf-tcp")) return;
  if (scheme !== "tcp") throw invalidOption(`"${name}" is only valid for TCP`);
  if (!/^\d{1,9}$/.test(value)) throw invalidOption(`"${name}" must be a positive integer`);
}

/** Docker's defaults are three tries; since the spool keeps what waits, only an explicit number counts here. */
function readRetry(options: LogOptions): RetryPolicy {
  const delay = options["gelf-tcp-reconnect-delay"];
  const tries = options["gelf-tcp-max-reconnect"];
  return {
    ...DEFAULT_RETRY,
    ...(delay === undefined ? {} : { firstDelayMs: Number(delay) * 1000 }),
    ...(tries === undefined ? {} : { maxRetries: Number(tries) }),
  };
}

function encoder(info: LogInfo): (m: LogMessage) => Buffer | null {
  const fields = {
    _command: info.command.join(" "),
    _container_id: info.containerId,
    _container_name: info.containerName,
    _created: info.createdAt,
    _image_id: info.imageId,
    _image_name: info.imageName,
    _tag: logTag(info, gelf.defaultTag),
    ...extraAttributes(info, (name) => (name.startsWith("_") ? name : `_${name}`)),
  };
  const host = hostname();
  return (m) =>
    m.line.length === 0 // compat: empty lines are no messages
      ? null
      : encodeGelf({
          host,
          text: m.line.toString(),
          timeNano: m.timeNano,
          level: m.stream === "stderr" ? SEVERITIES.err : SEVERITIES.info,
          fields,
        });
}

function packer(options: LogOptions): (bytes: Buffer) => Promise<Buffer> {
  const type = (options["gelf-compression-type"] ?? "gzip") as "gzip" | "zlib" | "none";
  const level = Number(options["gelf-compression-level"] ?? FASTEST);
  return type === "none" ? async (bytes) => bytes : (bytes) => compressors[type](bytes, { level });
}
