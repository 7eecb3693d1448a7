// The columns of an image in lists (`berth images`) and of its layers (`berth history`).

import type { ImageSummary } from "../../api/schemas/image.ts";
import { ellipsis } from "../../lib/term/width.ts";
import { humanDuration } from "../../lib/units/duration.ts";
import { formatGoTime, formatRfc3339 } from "../../lib/units/go-time.ts";
import { humanSize } from "../../lib/units/size.ts";
import { type Formatter, truncateId } from "./list.ts";

/** One line of the list: an image under one of its names. */
export interface ImageRow {
  readonly image: ImageSummary;
  readonly repository: string;
  readonly tag: string;
  readonly digest: string;
}

const since = (epochSeconds: number): string =>
  `${humanDuration((Date.now() - epochSeconds * 1000) * 1e6)} ago`;

export const imageColumns: Formatter<ImageRow> = {
  type: "*formatter.imageContext",
  headers: {
    ID: "IMAGE ID",
    Repository: "REPOSITORY",
    Tag: "TAG",
    Digest: "DIGEST",
    CreatedSince: "CREATED",
    CreatedAt: "CREATED AT",
    Size: "SIZE",
    Containers: "CONTAINERS",
    VirtualSize: "SIZE",
    SharedSize: "SHARED SIZE",
    UniqueSize: "UNIQUE SIZE",
  },
  fields: {
    Containers: ({ image }) => (image.Containers === -1 ? "N/A" : String(image.Containers)),
    CreatedAt: ({ image }) => formatGoTime(image.Created * 1000),
    CreatedSince: ({ image }) => since(image.Created),
    Digest: ({ digest }) => digest,
    ID: ({ image }, view) => (view.isTruncated ? truncateId(image.Id) : image.Id),
    Repository: ({ repository }) => repository,
    SharedSize: ({ image }) => (image.SharedSize === -1 ? "N/A" : humanSize(image.SharedSize)),
    Size: ({ image }) => humanSize(image.Size, 3),
    Tag: ({ tag }) => tag,
    UniqueSize: ({ image }) =>
      image.Size === -1 || image.SharedSize === -1 ? "N/A" : humanSize(image.Size - image.SharedSize),
    VirtualSize: ({ image }) => humanSize(image.Size),
  },
};

const plain = "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
const withDigest = "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";

/** Returns the template of an `images` format: `table`, `raw`, or the user's own. */
export function imageFormat(
  format: string,
  options: { readonly isQuiet: boolean; readonly hasDigests: boolean },
): string {
  const { isQuiet, hasDigests } = options;
  if (format === "table") return isQuiet ? "{{.ID}}" : hasDigests ? withDigest : plain;
  if (format === "raw") {
    if (isQuiet) return "image_id: {{.ID}}";
    const digest = hasDigests ? "digest: {{.Digest}}\n" : "";
    return `repository: {{ .Repository }}\ntag: {{.Tag}}\n${digest}image_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n`;
  }
  const lacksDigest = format.startsWith("table") && hasDigests && !format.includes("{{.Digest}}");
  return lacksDigest ? `${format}\t{{.Digest}}` : format;
}

/** Tells whether no name leads to the image. */
export function isDangling(image: ImageSummary): boolean {
  const tags = image.RepoTags ?? [];
  const digests = image.RepoDigests ?? [];
  if (tags.length === 0 && digests.length === 0) return true;
  return (
    tags.length === 1 && tags[0] === "<none>:<none>" && digests.length === 1 && digests[0] === "<none>@<none>"
  );
}

/** Returns a line for every name of every image; digests make lines of their own where they are shown. */
export function imageRows(
  images: readonly ImageSummary[],
  options: { readonly hasDigests: boolean; readonly format: string },
): ImageRow[] {
  return images.flatMap((image) => {
    if (isDangling(image)) return [{ image, repository: "<none>", tag: "<none>", digest: "<none>" }];
    return namedRows(image, options);
  });
}

function namedRows(
  image: ImageSummary,
  options: { readonly hasDigests: boolean; readonly format: string },
): ImageRow[] {
  const tags = group(image.RepoTags ?? [], ":");
  const digests = group(image.RepoDigests ?? [], "@");
  const needsDigest = options.hasDigests || options.format.includes("{{.Digest}}");
  const rows: ImageRow[] = [];
  for (const [repository, names] of tags) {
    const shown = needsDigest ? (digests.get(repository) ?? []) : [];
    digests.delete(repository);
    for (const tag of names) {
      for (const digest of shown.length === 0 ? ["<none>"] : shown)
        rows.push({ image, repository, tag, digest });
    }
  }
  for (const [repository, all] of digests) {
    for (const digest of options.hasDigests ? all : [""])
      rows.push({ image, repository, tag: "<none>", digest });
  }
  return rows;
}

/** Splits `name:tag` and `name@digest` texts at their last mark; a colon before a slash belongs to a port. */
function group(texts: readonly string[], mark: ":" | "@"): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const text of texts) {
    const at = text.lastIndexOf(mark);
    if (at < 0 || text.indexOf("/", at) >= 0) continue;
    const name = text.slice(0, at).replace(/^docker\.io\/(?:library\/)?/, "");
    groups.set(name, [...(groups.get(name) ?? []), text.slice(at + 1)]);
  }
  return groups;
}

export interface HistoryItem {
  readonly Id: string;
  readonly Created: number;
  readonly CreatedBy: string;
  readonly Size: number;
  readonly Comment: string;
}

/** Seconds of 2000-01-01: reproducible builds date their layers before it. */
const earliest = 946_684_800;

/** The columns of a layer; `isHuman` prints sizes and times in words. */
export function historyColumns(isHuman: boolean): Formatter<HistoryItem> {
  return {
    type: "*image.historyContext",
    headers: {
      ID: "IMAGE",
      CreatedSince: "CREATED",
      CreatedAt: "CREATED AT",
      CreatedBy: "CREATED BY",
      Size: "SIZE",
      Comment: "COMMENT",
    },
    fields: {
      Comment: (item) => item.Comment,
      CreatedAt: (item) => formatRfc3339(item.Created * 1000),
      CreatedBy: (item, view) => {
        const text = item.CreatedBy.replaceAll("\t", " ");
        return view.isTruncated ? ellipsis(text, 45) : text;
      },
      CreatedSince: (item) => {
        if (!isHuman) return formatRfc3339(item.Created * 1000);
        return item.Created <= earliest ? "N/A" : since(item.Created);
      },
      ID: (item, view) => (view.isTruncated ? truncateId(item.Id) : item.Id),
      Size: (item) => (isHuman ? humanSize(item.Size, 3) : String(item.Size)),
    },
  };
}
