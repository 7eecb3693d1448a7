// What a registry lists: tags of a repository, repositories, and the manifests that are about another one.
import { MEDIA_TYPES } from "../../oci/mediatype.ts";
import { wantedDigest } from "./blobs.ts";
import type { Catalog } from "./catalog.ts";
import { Refusal } from "./errors.ts";
import type { Exchange } from "./exchange.ts";

/** Entries of a page when the client does not say how many it wants, and the most that it gets. */
const PAGE = 1000;

/** One page of a sorted list: `n` entries behind `last`, and where the next page is. */
function pageOf(
  exchange: Exchange,
  all: readonly string[],
): { page: string[]; link: Record<string, string> } {
  const given = exchange.query.get("n");
  if (given !== null && !/^\d{1,9}$/.test(given))
    throw new Refusal("PAGINATION_NUMBER_INVALID", "invalid number of results requested", {
      detail: { n: given },
    });
  const count = given === null ? PAGE : Math.min(Number(given), PAGE);
  const last = exchange.query.get("last");
  const rest = last === null ? all : all.filter((entry) => entry > last);
  const page = rest.slice(0, count);
  const hasMore = page.length < rest.length && page.length > 0;
  const next = new URLSearchParams({ n: String(count), last: page.at(-1) ?? "" });
  return { page, link: hasMore ? { Link: `<${exchange.path}?${next}>; rel="next"` } : {} };
}

export function listTags(exchange: Exchange, catalog: Catalog, name: string): void {
  if (!catalog.has(name))
    throw new Refusal("NAME_UNKNOWN", "repository name not known to registry", { detail: { name } });
  const { page, link } = pageOf(exchange, catalog.tags(name));
  exchange.json(200, { name, tags: page }, link);
}

export function listRepositories(exchange: Exchange, catalog: Catalog): void {
  const { page, link } = pageOf(exchange, catalog.names());
  exchange.json(200, { repositories: page }, link);
}

export function listReferrers(exchange: Exchange, catalog: Catalog, name: string, subject: string): void {
  const wanted = exchange.query.get("artifactType");
  const manifests = catalog
    .referrers(name, wantedDigest(subject))
    .filter(([, record]) => wanted === null || record.artifactType === wanted)
    .map(([digest, { mediaType, sizeBytes, artifactType, annotations }]) => ({
      mediaType,
      digest,
      size: sizeBytes,
      ...(annotations === undefined ? {} : { annotations }),
      ...(artifactType === undefined ? {} : { artifactType }),
    }));
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests };
  exchange.json(200, index, {
    "Content-Type": MEDIA_TYPES.ociIndex,
    ...(wanted === null ? {} : { "OCI-Filters-Applied": "artifactType" }),
  });
}
