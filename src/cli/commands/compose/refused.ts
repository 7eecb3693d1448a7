// Commands of Docker Compose that this one knows and refuses, each with the reason.

import { anyArgs } from "../../command.ts";
import { exitWith } from "../../failure.ts";
import { defineComposeCommand } from "./define.ts";

/** Returns a command that ends with a sentence; its flags are not looked at. */
const refused = (reason: string) =>
  defineComposeCommand({
    operands: "[OPTIONS] [ARG...]",
    arity: anyArgs,
    flags: {},
    isRaw: true,
    run: async (_, { path }) => Promise.reject(exitWith(1, `${path} is not supported: ${reason}`)),
  });

export const bridge = refused(
  "it translates projects for Kubernetes with images of Docker's. `compose config` prints the whole project for other tools to read",
);
export const alpha = refused("it holds experiments. What has come out of them has commands of its own");
