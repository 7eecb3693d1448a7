// Whether a registry takes somebody's name and password (Engine API SystemAuth, `docker login`).
import { Fault } from "../lib/errors.ts";
import type { RegistryAuth } from "./tokens.ts";
import { type RegistryOptions, RegistryTransport } from "./transport.ts";

/**
 * Asks the registry for its root with these credentials. Returns what its token service wants to see from now on in place of the
 * password, if anything. Fails with unauthorized or unavailable.
 */
export async function checkLogin(
  address: string,
  auth: RegistryAuth,
  options: RegistryOptions,
  signal: AbortSignal,
): Promise<string | undefined> {
  const transport = new RegistryTransport(address, auth, { ...options, wantsIdentity: true });
  try {
    const response = await transport.send("", "", { signal });
    await response.body?.cancel();
    return await transport.identityToken("");
  } catch (error) {
    if (!(error instanceof Fault) || error.kind !== "unauthorized") throw error;
    throw new Fault(
      "unauthorized",
      `login attempt to ${transport.base}/v2/ failed with status: 401 Unauthorized`,
      { code: "registry.unauthorized", cause: error },
    );
  }
}
