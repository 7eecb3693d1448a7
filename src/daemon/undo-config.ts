// daemon.json's `undo`: for how long, and up to which size, what was removed can be brought back.
//   { "undo": { "keep": "1h", "max-size": "10GB" } }      { "undo": false }
import type { KeepLimits } from "../engine/kept/store.ts";
import { Fault, messageOf } from "../lib/errors.ts";
import { parseDuration } from "../lib/units/duration.ts";
import { parseDecimalSize } from "../lib/units/size.ts";

export const UNDO_FILE_KEYS = ["undo"] as const;

const DEFAULT_LIMITS: KeepLimits = { keepMs: 3600_000, maxBytes: 10e9 };

const invalid = (message: string): Fault => new Fault("invalidParameter", message, { code: "daemon.config" });

/** Reads the limits. Throws Fault invalidParameter. */
export function undoLimitsOf(file: Readonly<Record<string, unknown>>): KeepLimits {
  const value = file["undo"];
  if (value === undefined || value === true) return DEFAULT_LIMITS;
  if (value === false) return { keepMs: 0, maxBytes: 0 };
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid('"undo" in the configuration file must be true, false or an object');
  const { keep = "1h", "max-size": maxSize = "10GB", ...rest } = value as Record<string, unknown>;
  if (Object.keys(rest).length > 0)
    throw invalid(`"undo" in the configuration file: unknown ${Object.keys(rest).join(", ")}`);
  if (typeof keep !== "string" || typeof maxSize !== "string")
    throw invalid(
      '"undo" in the configuration file: keep and max-size must be texts such as "1h" and "10GB"',
    );
  try {
    const keepMs = parseDuration(keep) / 1e6;
    if (keepMs < 0) throw invalid("a time that is not below zero is needed");
    return { keepMs, maxBytes: parseDecimalSize(maxSize) };
  } catch (error) {
    throw invalid(`"undo" in the configuration file: ${messageOf(error)}`);
  }
}
