// ImageSearch: what an index has for a term, and which of it the filters leave.
import type { Filters, InputOf } from "../../api/contract.ts";
import type { imageSearch } from "../../api/operations/image.ts";
import { Fault } from "../../lib/errors.ts";
import { searchIndex, type SearchResult } from "../../registry/search.ts";
import { flagFilter } from "../prune-filter.ts";
import { credentialsOf } from "./credentials.ts";
import { optionsFor, type RegistrySettings } from "./registries.ts";

const DEFAULT_LIMIT = 25;
const MAX_LIMIT = 100;
const KNOWN = ["is-automated", "is-official", "stars"];

/** Searches the index that the term names (`host/term`), Docker Hub otherwise. Fails with invalidParameter. */
export async function searchImages(
  registries: RegistrySettings,
  input: InputOf<typeof imageSearch>,
  signal: AbortSignal,
): Promise<SearchResult[]> {
  const limit = input.limit || DEFAULT_LIMIT;
  if (limit < 1 || limit > MAX_LIMIT)
    throw new Fault("invalidParameter", `limit ${limit} is outside the range of [1, ${MAX_LIMIT}]`, {
      code: "search.limit",
    });
  const isWanted = matcherOf(input.filters);
  const { domain, term } = splitTerm(input.term ?? "");
  const auth = credentialsOf(input.registryAuth);
  const found = await searchIndex(domain, { term, limit }, auth, optionsFor(registries, domain), signal);
  return found.filter(isWanted);
}

function splitTerm(text: string): { domain: string; term: string } {
  if (text.includes("://"))
    throw new Fault(
      "invalidParameter",
      `invalid repository name: repository name (${text}) should not have a scheme`,
      {
        code: "search.term",
      },
    );
  const slash = text.indexOf("/");
  const first = slash < 0 ? "" : text.slice(0, slash);
  const isHost = /[.:]/.test(first) || first === "localhost";
  if (!isHost || first === "index.docker.io" || first === "docker.io")
    return {
      domain: "docker.io",
      term: text.replace(/^(index\.)?docker\.io\//, "").replace(/^library\//, ""),
    };
  return { domain: first, term: text.slice(slash + 1) };
}

function matcherOf(filters: Filters): (result: SearchResult) => boolean {
  for (const key of Object.keys(filters))
    if (!KNOWN.includes(key))
      throw new Fault("invalidParameter", `invalid filter '${key}'`, { code: "filter.unknown" });
  const automated = flagFilter(filters, "is-automated", undefined);
  const official = flagFilter(filters, "is-official", undefined);
  const stars = (filters["stars"] ?? []).map((text) => {
    if (/^\d{1,9}$/.test(text)) return Number(text);
    throw new Fault("invalidParameter", `invalid filter 'stars=${text}'`, { code: "filter.invalid" });
  });
  return (r) =>
    (automated === undefined || r.is_automated === automated) &&
    (official === undefined || r.is_official === official) &&
    stars.every((least) => r.star_count >= least);
}
