// What registries answer: bodies, which are bounded, and refusals, which become Faults in their own words.
import { Fault } from "../lib/errors.ts";

const MAX_TEXT = 8 * 1024 * 1024;

/** Reads a body as text; throws Fault(system) when it is longer than `limit` bytes. */
export async function readText(response: Response, limit = MAX_TEXT): Promise<string> {
  return Buffer.from(await readBytes(response, limit)).toString("utf8");
}

/** Reads a body whole; throws Fault(system) when it is longer than `limit` bytes. */
export async function readBytes(response: Response, limit = MAX_TEXT): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > limit)
      throw new Fault("system", `registry sent more than ${limit} bytes for ${response.url}`, {
        code: "registry.too-large",
      });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const KIND_OF_STATUS = {
  401: "unauthorized",
  403: "forbidden",
  404: "notFound",
  429: "unavailable",
} as const;

const TOO_MANY = 429;

/** Who has answered: the registry, the token service that it names, or whom either has sent us to. */
export type Answerer = "registry" | "service" | "other";

/**
 * Returns the Fault for an error response, with the registry's own code and message where it sent them. What another address says, to which
 * the registry has sent us, is not repeated: it may be one that only this host reaches. Of a token service only what has the form of its errors is.
 */
export async function faultOf(
  response: Response,
  what: string,
  answerer: Answerer = "registry",
): Promise<Fault> {
  const text = await readText(response, 64 * 1024).catch(() => ""); // ignored: the status alone says enough
  const detail = response.redirected || answerer === "other" ? "" : detailOf(text, answerer);
  const kind =
    KIND_OF_STATUS[response.status as keyof typeof KIND_OF_STATUS] ??
    (response.status >= 500 ? "unavailable" : "system");
  const said = detail === "" ? `registry answered ${response.status} for ${what}` : detail;
  const isLimit = response.status === TOO_MANY;
  return new Fault(kind, isLimit ? `${said}${limitOf(response.headers)}` : said, {
    code: isLimit ? RATE_LIMITED : `registry.status-${response.status}`,
    detail: { status: response.status },
  });
}

/** Code of the Fault for too many requests: trying again at once makes it worse. */
export const RATE_LIMITED = "registry.rate-limited";

function detailOf(text: string, answerer: Answerer): string {
  try {
    const { errors } = JSON.parse(text) as { errors?: { code?: string; message?: string }[] };
    return (errors ?? [])
      .map((e) => `${(e.code ?? "").toLowerCase().replaceAll("_", " ")}: ${e.message ?? ""}`)
      .join("; ");
  } catch {
    return answerer === "registry" ? text.slice(0, 200).trim() : ""; // ignored: not every server answers in the registry's JSON
  }
}

/** When requests are let through again, and how many there are; "" when the registry does not say (RFC 9110, 10.2.3; Docker Hub's headers). */
function limitOf(headers: Headers, nowMs = Date.now()): string {
  const [count, window] = (headers.get("ratelimit-limit") ?? "").split(";w=");
  const limit = count ? ` (limit ${count}${window ? ` in ${Number(window) / 3600} hours` : ""})` : "";
  const at = resetOf(headers, nowMs);
  return at === undefined ? limit : `${limit}: try again after ${new Date(at).toISOString()}`;
}

function resetOf(headers: Headers, nowMs: number): number | undefined {
  for (const name of ["retry-after", "ratelimit-reset", "x-ratelimit-reset", "x-retry-after"]) {
    const text = headers.get(name);
    if (text === null) continue;
    // Seconds from now, seconds since the epoch, or a date.
    const seconds = Number(text);
    const at = Number.isNaN(seconds)
      ? Date.parse(text)
      : seconds > 1e9
        ? seconds * 1000
        : nowMs + seconds * 1000;
    if (Number.isFinite(at) && Math.abs(at) < 8e15) return at;
  }
  return undefined;
}
