// The service by which a client judges the sources of its build (buildx: a policy in Rego beside the Dockerfile): it is asked for each
// source before that is fetched, and may first want to know more of it.
// Source: BuildKit's sourcepolicy/policysession/policysession.proto and gateway.proto.

import { bytes, integer, list, map, message, sub, text } from "../protobuf/message.ts";
import { platform } from "./control.ts";

export const CHECK_POLICY = "/moby.buildkit.v1.sourcepolicy.policysession.PolicyVerifier/CheckPolicy";

/** What a policy decides. */
export const POLICY_ACTION = { allow: 0, deny: 1, convert: 2 } as const;

const source = message({ identifier: text(1), attrs: map(2, text(2)) });
const imageFacts = message({ digest: text(1), config: bytes(2) });
const sourceFacts = message({ source: sub(1, () => source), image: sub(2, () => imageFacts) });
export const policyQuestion = message({
  platform: sub(1, () => platform),
  source: sub(2, () => sourceFacts),
});
const denial = message({ message: text(1) });
const decision = message({
  action: integer(1),
  denials: list(sub(2, () => denial)),
  update: sub(3, () => source),
});
const wish = message({ source: sub(1, () => source) });
/** A decision, or the wish to know more of the source. */
export const policyAnswer = message({
  decision: sub(1, () => decision),
  wish: sub(2, () => wish),
});
