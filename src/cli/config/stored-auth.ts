// What `login` has stored for a registry, for the commands that speak with registries themselves.

import type { RegistryAuth } from "../../registry/tokens.ts";
import type { ConfigFile } from "./config-file.ts";
import { credentialsFor } from "./credentials.ts";

/** Returns the user's credentials for a registry, {} without. */
export function storedAuth(config: ConfigFile, domain: string): RegistryAuth {
  const stored = credentialsFor(config, domain);
  return {
    ...(stored.username ? { username: stored.username } : {}),
    ...(stored.password ? { password: stored.password } : {}),
    ...(stored.identitytoken ? { identityToken: stored.identitytoken } : {}),
    ...(stored.registrytoken ? { registryToken: stored.registrytoken } : {}),
  };
}
