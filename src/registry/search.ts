// The search of a registry's index (`docker search`): the one call of the old v1 protocol that Docker Hub still answers.
import { Fault } from "../lib/errors.ts";
import { readText } from "./answers.ts";
import type { RegistryAuth } from "./tokens.ts";
import { type RegistryOptions, RegistryTransport } from "./transport.ts";

/** One repository that was found; the wire's own names. */
export interface SearchResult {
  readonly name: string;
  readonly description: string;
  readonly star_count: number;
  readonly is_official: boolean;
  readonly is_automated: boolean;
}

/** Asks an index for repositories, at most `limit`. Fails with unavailable, unauthorized, or system for an answer that is none. */
export async function searchIndex(
  domain: string,
  query: { readonly term: string; readonly limit: number },
  auth: RegistryAuth | undefined,
  options: RegistryOptions,
  signal: AbortSignal,
): Promise<SearchResult[]> {
  const address = domain === "docker.io" ? "https://index.docker.io" : domain;
  const transport = new RegistryTransport(address, auth, options);
  const parameters = new URLSearchParams({ q: query.term, n: String(query.limit) });
  // The transport's paths are below /v2/; URLs are resolved, so this is /v1/search.
  const response = await transport.send(`../v1/search?${parameters}`, "", { signal });
  const text = await readText(response);
  try {
    const { results } = JSON.parse(text) as { results?: Partial<SearchResult>[] };
    return (results ?? []).slice(0, query.limit).map((r) => ({
      name: String(r.name ?? ""),
      description: String(r.description ?? ""),
      star_count: Number(r.star_count) || 0,
      is_official: r.is_official === true,
      is_automated: r.is_automated === true,
    }));
  } catch (cause) {
    throw new Fault("system", `the index of ${domain} sent something that is not its JSON`, {
      code: "registry.protocol",
      cause,
    });
  }
}
