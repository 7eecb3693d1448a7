// fluentd: its forward protocol over TCP, TLS or a unix socket, with acknowledgements where they are asked for.
import { randomBytes } from "node:crypto";
import { messageOf } from "../../../../lib/errors.ts";
import { decodeAcks, encodeForward } from "../../../../lib/log-protocol/fluent-forward.ts";
import { goInt } from "../../../../lib/units/go-scalar.ts";
import { parseBinarySize } from "../../../../lib/units/size.ts";
import { extraAttributes, type LogInfo, logTag } from "../info.ts";
import { boolOption, durationOption, invalidOption, type LogOptions, parseAddress } from "../settings.ts";
import { StreamDelivery, type StreamTarget } from "../ship/stream.ts";
import { checkNames, DEFAULT_RETRY, type LogDriver, type LogMessage } from "./driver.ts";
import { spoolStorage } from "./storage.ts";

const OPTIONS = [
  "fluentd-address",
  "fluentd-async",
  "fluentd-async-reconnect-interval",
  "fluentd-buffer-limit",
  "fluentd-max-retries",
  "fluentd-request-ack",
  "fluentd-retry-wait",
  "fluentd-sub-second-precision",
  "fluentd-write-timeout",
  "fluentd-read-timeout",
];
const DEFAULT_PORT = 24224;
const MAX_RETRIES = 2 ** 31 - 1;

interface FluentdSettings {
  readonly target: StreamTarget;
  readonly bufferLimitBytes: number | undefined;
  readonly retryWaitMs: number | undefined;
  readonly maxRetries: number | undefined;
  readonly hasNanoseconds: boolean;
  readonly wantsAcks: boolean;
  readonly writeTimeoutMs: number | undefined;
  readonly readTimeoutMs: number | undefined;
  readonly reconnectIntervalMs: number | undefined;
}

export const fluentd: LogDriver = {
  name: "fluentd",
  defaultTag: "{{.ID}}",
  check(options) {
    checkNames(options, OPTIONS, (name) => `unknown log opt '${name}' for fluentd log driver`);
    readSettings(options);
  },
  storage: spoolStorage,
  remote: {
    retry(options) {
      const s = readSettings(options);
      return {
        firstDelayMs: s.retryWaitMs ?? DEFAULT_RETRY.firstDelayMs,
        maxRetries: s.maxRetries ?? DEFAULT_RETRY.maxRetries,
        batchBytes: Math.min(s.bufferLimitBytes ?? DEFAULT_RETRY.batchBytes, DEFAULT_RETRY.batchBytes),
      };
    },
    async open(context) {
      const s = readSettings(context.info.options);
      const encode = encoder(context.info, s);
      return new StreamDelivery(s.target, {
        onUncertain: () => context.onUncertain(),
        encode: (m) => encode(m).bytes,
        ...(s.wantsAcks ? { acks: { encode, decode: decodeAcks, timeoutMs: s.readTimeoutMs } } : {}),
        ...(s.writeTimeoutMs ? { writeTimeoutMs: s.writeTimeoutMs } : {}),
        ...(s.reconnectIntervalMs ? { maxAgeMs: s.reconnectIntervalMs } : {}),
      });
    },
  },
};

function readSettings(options: LogOptions): FluentdSettings {
  const limit = options["fluentd-buffer-limit"];
  boolOption(present(options, "fluentd-async"), "fluentd-async"); // never waits for the receiver anyway
  return {
    target: readTarget(options["fluentd-address"] ?? ""),
    bufferLimitBytes: limit ? parseBinarySize(limit) : undefined,
    retryWaitMs: durationOption(options, "fluentd-retry-wait"),
    maxRetries: readMaxRetries(options["fluentd-max-retries"]),
    hasNanoseconds: boolOption(
      present(options, "fluentd-sub-second-precision"),
      "fluentd-sub-second-precision",
    ),
    wantsAcks: boolOption(present(options, "fluentd-request-ack"), "fluentd-request-ack"),
    writeTimeoutMs: timeout(options, "fluentd-write-timeout"),
    readTimeoutMs: timeout(options, "fluentd-read-timeout"),
    reconnectIntervalMs: readReconnectInterval(options),
  };
}

/** compat: an empty text counts as none. */
function present(options: LogOptions, key: string): LogOptions {
  return options[key] ? options : {};
}

function readMaxRetries(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  const count = /^\d+$/.test(text) ? goInt(text) : null;
  if (count === null)
    throw invalidOption(`strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`);
  if (count > MAX_RETRIES) throw invalidOption("invalid fluentd-max-retries: value out of range");
  return count;
}

function timeout(options: LogOptions, key: string): number | undefined {
  let ms: number | undefined;
  try {
    ms = durationOption(options, key);
  } catch {
    throw invalidOption(`invalid value for ${key}: value must be a duration`);
  }
  if (ms !== undefined && ms < 0)
    throw invalidOption(`invalid value for ${key}: value must be a duration that is non-negative`);
  return ms;
}

function readReconnectInterval(options: LogOptions): number | undefined {
  const key = "fluentd-async-reconnect-interval";
  let ms: number | undefined;
  try {
    ms = durationOption(options, key);
  } catch (error) {
    throw invalidOption(`invalid value for ${key}: ${messageOf(error)}`);
  }
  if (ms !== undefined && ms !== 0 && (ms < 100 || ms > 10_000))
    throw invalidOption(
      `invalid value for ${key}: value (${JSON.stringify(options[key])}) must be between 100ms and 10s`,
    );
  return ms;
}

function readTarget(text: string): StreamTarget {
  const refuse = (why: string): Error => invalidOption(`invalid fluentd-address (${text}): ${why}`);
  if (text === "") return { transport: "tcp", host: "127.0.0.1", port: DEFAULT_PORT };
  const address = parseAddress(text.includes("://") ? text : `tcp://${text}`);
  if (address === null) throw refuse("not an address");
  const { scheme, path } = address;
  if (scheme === "unix") {
    if (path.replace(/^\/+/, "") === "") throw refuse("path is empty");
    return { transport: "unix", path };
  }
  if (scheme !== "tcp" && scheme !== "tls") throw refuse(`unsupported scheme: '${scheme}'`);
  if (path !== "") throw refuse("should not contain a path element");
  return { transport: scheme, host: address.host || "127.0.0.1", port: address.port ?? DEFAULT_PORT };
}

function encoder(info: LogInfo, settings: FluentdSettings): (m: LogMessage) => { bytes: Buffer; id: string } {
  const tag = logTag(info, fluentd.defaultTag);
  const constant = Object.entries({
    container_id: info.containerId,
    container_name: `/${info.containerName}`,
    ...extraAttributes(info),
  });
  return (m) => {
    const id = settings.wantsAcks ? randomBytes(16).toString("base64") : "";
    // A label or variable may take the place of what is before it.
    const record = new Map<string, string | Uint8Array>([
      ["source", m.stream],
      ["log", m.line],
      ...constant,
      ...pieceFields(m),
    ]);
    const chunk = settings.wantsAcks ? { chunk: id } : {};
    return { id, bytes: encodeForward({ tag, timeNano: m.timeNano, record, ...chunk }, settings) };
  };
}

function pieceFields(m: LogMessage): [string, string][] {
  if (m.piece === undefined) return [];
  return [
    ["partial_message", "true"],
    ["partial_id", m.piece.id],
    ["partial_ordinal", String(m.piece.ordinal)],
    ["partial_last", String(m.piece.isLast)],
  ];
}
