// How much of a log is kept on disk. Unlike Docker's, every log has an end unless somebody asks for none (`max-size=-1`).
import { messageOf } from "../../../../lib/errors.ts";
import { parseDecimalSize } from "../../../../lib/units/size.ts";
import { asInitialization, boolOption, intOption, invalidOption, type LogOptions } from "../settings.ts";
import type { LogStorage } from "./driver.ts";

const DEFAULT_SIZE_BYTES = 20 << 20;
const DEFAULT_FILES = 5;
/** What keel takes. */
const MAX_FILES = 10_000;

/** Reads `max-size`: powers of 1000, as Docker; -1 and nothing else means without end (0 here). */
function maxSize(text: string | undefined): number {
  if (text === undefined) return DEFAULT_SIZE_BYTES;
  if (text === "-1") return 0;
  const size = parseDecimalSize(text);
  if (size <= 0) throw invalidOption("max-size must be a positive number");
  return size;
}

function maxFiles(options: LogOptions, initial: number): number {
  const count = intOption(options, "max-file") ?? initial;
  if (count < 1) throw invalidOption("max-file cannot be less than 1");
  if (count > MAX_FILES) throw invalidOption(`max-file cannot be more than ${MAX_FILES}`);
  return count;
}

/** json-file: compat: one file when only `max-size` is given. */
export function jsonFileStorage(options: LogOptions): LogStorage {
  return asInitialization(() => {
    const maxSizeBytes = maxSize(options["max-size"]);
    const files = maxFiles(options, options["max-size"] === undefined ? DEFAULT_FILES : 1);
    const isCompressed = boolOption(options, "compress");
    if (isCompressed && (files === 1 || maxSizeBytes === 0))
      throw invalidOption("compress cannot be true when max-file is less than 2 or max-size is not set");
    return { kind: "json-file", maxSizeBytes, maxFiles: files, isCompressed };
  });
}

/** local: compressed unless that is turned off. */
export function localStorage(options: LogOptions): LogStorage {
  return asInitialization(() => {
    const maxSizeBytes = explained(options, "max-size", () => maxSize(options["max-size"]));
    const files = explained(options, "max-file", () => maxFiles(options, DEFAULT_FILES));
    const isCompressed = explained(options, "compress", () => boolOption(options, "compress", true));
    if (isCompressed && files === 1)
      throw invalidOption("compression cannot be enabled when max file count is 1");
    return { kind: "spool", maxSizeBytes, maxFiles: files, isCompressed };
  });
}

/** What lies between the container and its receiver; the options are those of Docker's cache for such logs. */
export function spoolStorage(options: LogOptions): LogStorage {
  const own = Object.entries(options).flatMap(([k, v]) => (k.startsWith("cache-") ? [[k.slice(6), v]] : []));
  return localStorage({ compress: "false", ...Object.fromEntries(own) });
}

function explained<T>(options: LogOptions, key: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw invalidOption(`invalid value for ${key}: ${options[key]}: ${messageOf(error)}`);
  }
}
