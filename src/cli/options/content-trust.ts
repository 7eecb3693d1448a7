// --disable-content-trust of commands that pull or push: Docker's content trust has ended with its notary servers.

import { bool } from "../../lib/flags/spec.ts";

const DEPRECATED = "support for docker content trust was removed";

export const contentTrustFlag = bool("Skip image verification (deprecated)", {
  initial: true,
  deprecated: DEPRECATED,
});

/** The same where trust may be asked for by DOCKER_CONTENT_TRUST, too. */
export const contentTrustOfEnvironment = bool("Skip image verification (deprecated)", {
  initial: process.env["DOCKER_CONTENT_TRUST"] !== "1",
  deprecated: DEPRECATED,
});
