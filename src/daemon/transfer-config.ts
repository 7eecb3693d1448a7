// The part of the daemon's configuration that says how images are transferred.
import { DEFAULT_TRANSFERS, type TransferSettings } from "../engine/image/registries.ts";
import { Fault } from "../lib/errors.ts";
import { parseBinarySize } from "../lib/units/size.ts";
import { type FlagValues, int, string } from "../lib/flags/spec.ts";

export const TRANSFER_FLAGS = {
  "max-concurrent-downloads": int("Set the max concurrent downloads", {
    initial: DEFAULT_TRANSFERS.downloads,
  }),
  "max-concurrent-uploads": int("Set the max concurrent uploads", { initial: DEFAULT_TRANSFERS.uploads }),
  "max-download-attempts": int("Set the max download attempts for each pull", {
    initial: DEFAULT_TRANSFERS.attempts,
  }),
  "max-layer-size": string("Refuse layers of images that are larger uncompressed", { initial: "64g" }),
} as const;

/** daemon.json keys and the flag that each has. */
export const TRANSFER_KEYS = {
  "max-concurrent-downloads": "max-concurrent-downloads",
  "max-concurrent-uploads": "max-concurrent-uploads",
  "max-download-attempts": "max-download-attempts",
  "max-layer-size": "max-layer-size",
} as const satisfies Readonly<Record<string, keyof typeof TRANSFER_FLAGS>>;

/** Reads the numbers from the file where it has them, else from the flags; 0 is the default. Throws Fault invalidParameter. */
export function transferSettingsOf(
  file: Readonly<Record<string, unknown>>,
  flags: FlagValues<typeof TRANSFER_FLAGS>,
): TransferSettings {
  const read = (
    key: Exclude<keyof typeof TRANSFER_FLAGS, "max-layer-size">,
    what: string,
    initial: number,
  ): number => {
    const value = file[key] ?? flags[key];
    if (typeof value !== "number" || !Number.isInteger(value) || value < 0)
      throw new Fault("invalidParameter", `invalid max ${what}: ${JSON.stringify(value)}`, {
        code: "daemon.config",
      });
    return value === 0 ? initial : value;
  };
  return {
    downloads: read("max-concurrent-downloads", "concurrent downloads", DEFAULT_TRANSFERS.downloads),
    uploads: read("max-concurrent-uploads", "concurrent uploads", DEFAULT_TRANSFERS.uploads),
    attempts: read("max-download-attempts", "download attempts", DEFAULT_TRANSFERS.attempts),
    layerBytes: layerBytesOf(file["max-layer-size"] ?? flags["max-layer-size"]),
  };
}

/** Returns the bytes of a size such as `64g`. */
function layerBytesOf(value: unknown): number {
  let bytes = Number.NaN;
  try {
    if (typeof value === "string") bytes = parseBinarySize(value);
  } catch {
    // ignored: it is refused below, with the setting's name
  }
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new Fault("invalidParameter", `invalid max layer size: ${JSON.stringify(value)}`, {
    code: "daemon.config",
  });
}
