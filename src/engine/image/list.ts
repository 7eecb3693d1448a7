// Which images ImageList shows: newest first, intermediate ones only with `all`, filters as Docker's.
import type { Filters } from "../../api/contract.ts";
import { Fault } from "../../lib/errors.ts";
import { compileGoPattern, type NameMatcher } from "../../lib/patternmatch/go-match.ts";
import { parseNano } from "../../lib/time.ts";
import { hasLabel } from "../labels.ts";
import { flagFilter, untilNano } from "../prune-filter.ts";
import { isDangling } from "./remove/delete.ts";
import { canonicalString, parseReference } from "../../oci/reference.ts";
import { configOf, type ImageRecord } from "./record.ts";
import type { ImageTable } from "./table.ts";

const KNOWN = ["dangling", "label", "label!", "before", "since", "reference", "until"];

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
  const dangling = flagFilter(filters, "dangling", undefined);
  const isInTime = timeTest(table, filters);
  const references = filters["reference"] ?? [];
  const isReferred = references.length === 0 ? () => true : referenceTest(references);
  return (
    table
      .all()
      .filter((i) => dangling === undefined || isDangling(table, i) === dangling)
      .filter((i) => query.all || table.tagsOf(i.id).length > 0 || isDangling(table, i))
      // What a name has for other platforms is told with the one that it means here.
      .filter((i) => table.mainTagsOf(i.id).length > 0 || table.tagsOf(i.id).length === 0)
      .filter((i) => (filters["label"] ?? []).every((v) => hasLabel(configOf(i).config.labels, v)))
      .filter((i) => !(filters["label!"] ?? []).some((v) => hasLabel(configOf(i).config.labels, v)))
      .filter(isInTime)
      .map((image) => ({
        image,
        tags: table.mainTagsOf(image.id).filter(isReferred),
      }))
      .filter(({ tags }) => references.length === 0 || tags.length > 0)
      .sort((a, b) => (createdNano(a.image) < createdNano(b.image) ? 1 : -1))
  );
}

/** The times that `before`, `since` and `until` say; fails with notFound and invalidParameter. */
function timeTest(table: ImageTable, filters: Filters): (image: ImageRecord) => boolean {
  const ofImage = (reference: string): bigint => createdNano(table.find(reference).image);
  const before = [
    ...(filters["before"] ?? []).map(ofImage),
    ...(filters["until"] ?? []).map((text) => untilNano(text)),
  ];
  const since = (filters["since"] ?? []).map(ofImage);
  return (image) => {
    const at = createdNano(image);
    return before.every((limit) => at < limit) && since.every((limit) => at > limit);
  };
}

/** Returns whether a name such as `busybox:latest` fits a pattern such as `busy*`, `*:latest`, `busybox` or `docker.io/library/busybox`. */
export function matchesReference(name: string, pattern: string): boolean {
  return referenceTest([pattern])(name);
}

/** compat: with a pattern that is none among them nothing fits. */
function referenceTest(patterns: readonly string[]): (name: string) => boolean {
  let matchers: NameMatcher[];
  try {
    matchers = patterns.map(compileGoPattern);
  } catch {
    return () => false; // ignored: as Docker does
  }
  return (name) =>
    [name, canonicalString(parseReference(name))]
      .flatMap((form) => [form, form.replace(/:[^:/]*$/, "")])
      .some((form) => matchers.some((matches) => matches(form)));
}
