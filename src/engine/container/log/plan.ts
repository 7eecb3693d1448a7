// The log of a container as its shim is to write it.
import type { ShimPlan } from "../../../linux/ops.ts";
import type { ContainerRecord } from "../record.ts";
import { extraAttributes, infoOf, logTag } from "./info.ts";
import { driverOf } from "./options.ts";
import { asInitialization, invalidOption } from "./settings.ts";

/** What keel takes (native/plan.h). */
const MAX_ATTRIBUTES_BYTES = 32 << 10;

/**
 * Returns the log part of a shim's plan. Fails with invalidParameter when the tag, a pattern or the attributes are not right; pure,
 * so that the creation of a container finds out as well.
 */
export function planLog(record: ContainerRecord, path: string, firstNumber = 1): ShimPlan["log"] {
  const { Type, Config } = record.hostConfig.LogConfig;
  const driver = driverOf(Type);
  if (driver === null) return { kind: "none" };
  const { kind, maxSizeBytes, maxFiles } = driver.storage(Config ?? {});
  const common = { path, maxSizeBytes, maxFiles, attrs: attributesText(record, driver.defaultTag) };
  return kind === "json-file" ? { kind, ...common } : { kind, ...common, firstNumber };
}

function attributesText(record: ContainerRecord, defaultTag: string): string {
  const info = infoOf(record);
  return asInitialization(() => {
    const attributes = extraAttributes(info);
    const tag = logTag(info, defaultTag);
    // compat: a tag is an attribute only where it was asked for.
    if (info.options["tag"] && tag !== "") attributes["tag"] = tag;
    const sorted = Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1));
    if (sorted.length === 0) return "";
    const text = escapeAsGo(JSON.stringify(Object.fromEntries(sorted)));
    if (Buffer.byteLength(text) > MAX_ATTRIBUTES_BYTES)
      throw invalidOption(
        `the labels and variables that every line of the log carries are larger than ${MAX_ATTRIBUTES_BYTES} bytes: name fewer`,
      );
    return text;
  });
}

/** encoding/json escapes what could be HTML, and the two line separators of JavaScript. */
function escapeAsGo(json: string): string {
  return json.replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
