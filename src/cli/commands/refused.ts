// Commands of Docker's client that this one knows and refuses, each with the reason.

import { anyArgs, type Command, defineCommand } from "../command.ts";
import { exitWith } from "../failure.ts";
import type { Session } from "../session.ts";

/** Returns a command that ends with a sentence; its flags are not looked at. */
function refused(reason: (session: Session, path: string) => Promise<string>): Command {
  return defineCommand({
    operands: "[OPTIONS] [ARG...]",
    arity: anyArgs,
    flags: {},
    isRaw: true,
    run: async (session, { path }) => Promise.reject(exitWith(1, await reason(session, path))),
  });
}

/** Notary's signatures, which Docker has retired. */
export const trust = refused(
  async (_, path) =>
    `${path}: Docker Content Trust is not supported: its signatures are of a service that has been retired. Name images by digest (name@sha256:…) to be sure of what runs`,
);
