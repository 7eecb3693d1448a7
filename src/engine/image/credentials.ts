// Credentials as clients send them with a request (`X-Registry-Auth`, Engine API AuthConfig) in the registry floor's words.
import type { AuthConfigRequest } from "../../api/schemas/system.ts";
import type { RegistryAuth } from "../../registry/tokens.ts";

/** Returns the credentials of a request, undefined when it brought none. */
export function credentialsOf(auth: AuthConfigRequest | null | undefined): RegistryAuth | undefined {
  if (!auth) return undefined;
  return {
    ...(auth.username ? { username: auth.username } : {}),
    ...(auth.password ? { password: auth.password } : {}),
    ...(auth.identitytoken ? { identityToken: auth.identitytoken } : {}),
    ...(auth.registrytoken ? { registryToken: auth.registrytoken } : {}),
  };
}
