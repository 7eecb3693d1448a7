// Which images ImageList shows: newest first, intermediate ones only with `all`, filters as Docker's.
import type { Filters } from "../../api/contract.ts";
import { Fault } from "../../lib/errors.ts";
import { parseNano, parseTimestamp } from "../../lib/time.ts";
import { parseDuration } from "../../lib/units/duration.ts";
import { hasLabel } from "../labels.ts";
import { isDangling } from "./remove/delete.ts";
import { canonicalString, parseReference } from "../../oci/reference.ts";
import { configOf, type ImageRecord } from "./record.ts";
import type { ImageTable } from "./table.ts";

const KNOWN = ["dangling", "label", "before", "since", "reference", "until"];

const createdNano = (image: ImageRecord): bigint => parseNano(configOf(image).created ?? "") ?? 0n;

/** Returns the images to show with the names to show for each. Fails with invalidParameter or notFound. */
export function selectImages(
  table: ImageTable,
  query: { all: boolean; filters: Filters },
): { image: ImageRecord; tags: string[] }[] {
  const { filters } = query;
  for (const key of Object.keys(filters))
    if (!KNOWN.includes(key))
      throw new Fault("invalidParameter", `invalid filter '${key}'`, { code: "filter.unknown" });
  const dangling = flag(filters["dangling"]);
  const references = filters["reference"] ?? [];
  return (
    table
      .all()
      .filter((i) => dangling === undefined || isDangling(table, i) === dangling)
      .filter((i) => query.all || table.tagsOf(i.id).length > 0 || isDangling(table, i))
      // What a name has for other platforms is told with the one that it means here.
      .filter((i) => table.mainTagsOf(i.id).length > 0 || table.tagsOf(i.id).length === 0)
      .filter((i) => (filters["label"] ?? []).every((v) => hasLabel(configOf(i).config.labels, v)))
      .filter((i) => withinTime(table, i, filters))
      .map((image) => ({
        image,
        tags: table
          .mainTagsOf(image.id)
          .filter((t) => references.length === 0 || references.some((r) => matchesReference(t, r))),
      }))
      .filter(({ tags }) => references.length === 0 || tags.length > 0)
      .sort((a, b) => (createdNano(a.image) < createdNano(b.image) ? 1 : -1))
  );
}

function flag(values: readonly string[] | undefined): boolean | undefined {
  if (values === undefined || values.length === 0) return undefined;
  if (values.every((v) => v === "true" || v === "1")) return true;
  if (values.every((v) => v === "false" || v === "0")) return false;
  throw new Fault("invalidParameter", `invalid filter 'dangling=${values.join(",")}'`, {
    code: "filter.invalid",
  });
}

function withinTime(table: ImageTable, image: ImageRecord, filters: Filters): boolean {
  const at = createdNano(image);
  const than = (reference: string): bigint => createdNano(table.find(reference).image);
  return (
    (filters["before"] ?? []).every((r) => at < than(r)) &&
    (filters["since"] ?? []).every((r) => at > than(r)) &&
    (filters["until"] ?? []).every((t) => at < untilNano(t))
  );
}

function untilNano(text: string): bigint {
  const time = parseTimestamp(text);
  if (time !== null) return time;
  return BigInt(Date.now()) * 1_000_000n - BigInt(Math.round(parseDuration(text)));
}

/** Whether a name such as `busybox:latest` fits a pattern such as `busy*`, `*:latest`, `busybox` or `docker.io/library/busybox`. */
export function matchesReference(name: string, pattern: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|\\]/g, "\\$&")
    .replaceAll("*", "[^/]*")
    .replaceAll("?", "[^/]");
  const expression = new RegExp(`^${source}$`);
  return [name, canonicalString(parseReference(name))].some(
    (form) => expression.test(form) || expression.test(form.replace(/:[^:/]*$/, "")),
  );
}
