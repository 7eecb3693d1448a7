// Platforms that requests ask for, and images that have to be for one of them. Of each image there is one platform here.
import { Fault } from "../../lib/errors.ts";
import {
  formatPlatform,
  normalisePlatform,
  parsePlatform,
  type Platform,
  platformDistance,
} from "../../oci/platform.ts";
import { configOf, type ImageRecord } from "./record.ts";

/** Returns the platform of a parameter: an OCI platform as JSON, or `os[/arch[/variant]]`. Throws Fault invalidParameter. */
export function wantedPlatform(text: string): Platform {
  if (!text.trimStart().startsWith("{")) return parsePlatform(text);
  let value: { os?: unknown; architecture?: unknown; variant?: unknown };
  try {
    value = JSON.parse(text) as typeof value;
  } catch (cause) {
    throw new Fault("invalidParameter", `failed to parse platform: ${text.slice(0, 200)}`, {
      code: "platform.invalid",
      cause,
    });
  }
  const { os, architecture, variant = "" } = value;
  if (
    typeof os !== "string" ||
    typeof architecture !== "string" ||
    typeof variant !== "string" ||
    os === "" ||
    architecture === ""
  )
    throw new Fault("invalidParameter", "both OS and Architecture must be provided", {
      code: "platform.invalid",
    });
  return normalisePlatform({ os, architecture, variant });
}

/** Fails with notFound unless `image`, found as `name`, is for one of the platforms; none stand for any. */
export function requirePlatform(
  image: ImageRecord,
  name: string,
  platforms: readonly (string | undefined)[],
): void {
  const wanted = platforms.flatMap((text) => (text ? [wantedPlatform(text)] : []));
  checkPlatform(name, configOf(image), wanted);
}

/** The same of a platform. */
export function checkPlatform(name: string, config: Platform, wanted: readonly Platform[]): void {
  if (wanted.length === 0 || wanted.some((p) => platformDistance(p, config) !== undefined)) return;
  throw new Fault(
    "notFound",
    `image with reference ${name} was found but does not provide the specified platform (${wanted.map(formatPlatform).join(", ")})`,
    { code: "image.platform" },
  );
}
