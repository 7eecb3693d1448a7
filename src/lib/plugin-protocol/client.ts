// Calls to one plugin (Docker's plugin protocol v1): JSON over HTTP, one connection a call, a time limit for each. What a plugin
// says wrong, too much, or not at all is an error of the call and nothing else.
import { Fault, messageOf } from "../errors.ts";
import type { Endpoint } from "../http1/connect.ts";
import { sendRequest } from "../http1/request.ts";

const CONTENT_TYPE = "application/vnd.docker.plugins.v1.2+json";
const MAX_REPLY_BYTES = 8 << 20;

export type PluginReply = Readonly<Record<string, unknown>>;

/** Calls `method` (`VolumeDriver.Mount`) and returns its reply. Fails with system, or deadline when the plugin does not answer in time. */
export async function callPlugin(
  endpoint: Endpoint,
  method: string,
  body: Readonly<Record<string, unknown>> | undefined,
  timeoutMs: number,
): Promise<PluginReply> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await sendRequest({
      endpoint,
      method: "POST",
      target: `/${method}`,
      headers: { Accept: CONTENT_TYPE, "Content-Type": CONTENT_TYPE },
      body: body === undefined ? "" : JSON.stringify(body),
      signal,
      connectTimeoutMs: timeoutMs,
    });
    return replyOf(method, response.status, await response.text(MAX_REPLY_BYTES));
  } catch (error) {
    if (signal.aborted)
      throw new Fault("deadline", `${method}: the plugin did not answer within ${timeoutMs / 1000} seconds`, {
        code: "plugin.timeout",
        cause: error,
      });
    if (error instanceof Fault && error.code.startsWith("plugin.")) throw error;
    throw failed(`${method}: ${messageOf(error)}`, error);
  }
}

function replyOf(method: string, status: number, text: string): PluginReply {
  const reply = parse(text);
  const said = typeof reply?.["Err"] === "string" ? reply["Err"] : "";
  // compat: a failed call is introduced by its name, an error in a reply that is none is not.
  if (status !== 200) throw refused(`${method}: ${said || text.trim()}`);
  if (reply === undefined) throw failed(`${method}: the plugin's reply is no JSON object`);
  if (said !== "") throw refused(said);
  return reply;
}

function parse(text: string): PluginReply | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as PluginReply)
      : undefined;
  } catch {
    return undefined; // ignored: the caller says what it is not
  }
}

/** The plugin is there and says no. */
function refused(message: string): Fault {
  return new Fault("system", message, { code: "plugin.refused" });
}

function failed(message: string, cause?: unknown): Fault {
  return new Fault("system", message, { code: "plugin.failed", cause });
}
