// `--secret`: what the user lets a build have, read when the build asks for it and not before.

import { existsSync, readFileSync, statSync } from "node:fs";
import { secretRequest, secretResponse } from "../../../lib/build-protocol/session.ts";
import { Fault } from "../../../lib/errors.ts";
import { parseCsv } from "../../../lib/flags/spec.ts";
import { type Method, unary } from "../../../lib/grpc/server.ts";
import { complain } from "../../failure.ts";

/** compat: the largest secret that Docker takes. */
const MAX_SECRET_BYTES = 500 * 1024;

/** Where a secret comes from. */
export interface SecretSource {
  readonly id: string;
  readonly file: string;
  readonly env: string;
}

/** Reads `--secret id=…,src=…|env=…`. Throws a Fault with Docker's words. */
export function parseSecret(text: string): SecretSource {
  let type = "";
  let id = "";
  let file = "";
  let env = "";
  for (const field of parseCsv(text)) {
    const equals = field.indexOf("=");
    if (equals < 0) throw complain(`invalid field '${field}' must be a key=value pair`);
    const key = field.slice(0, equals).toLowerCase();
    const value = field.slice(equals + 1);
    if (key === "type") {
      if (value !== "file" && value !== "env")
        throw complain(`unsupported secret type ${JSON.stringify(value)}`);
      type = value;
    } else if (key === "id") id = value;
    else if (key === "source" || key === "src") file = value;
    else if (key === "env") env = value;
    else throw complain(`unexpected key '${key}' in '${field}'`);
  }
  if (id === "") throw complain('secret missing "id"');
  if (type === "env" && env === "") return { id, env: file, file: "" };
  if (env === "" && file === "" && process.env[id] !== undefined) return { id, env: id, file: "" };
  return { id, env, file: env === "" && file === "" ? id : file };
}

function readSecret({ id, file, env }: SecretSource): Uint8Array {
  if (env !== "") {
    const value = process.env[env];
    if (value === undefined)
      throw new Fault("notFound", `secret ${id}: not found`, { code: "session.secret" });
    return Buffer.from(value);
  }
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (size === undefined) throw new Fault("notFound", `secret ${id}: not found`, { code: "session.secret" });
  if (size > MAX_SECRET_BYTES)
    throw new Fault("invalidParameter", `secret ${id} is larger than ${MAX_SECRET_BYTES} bytes`);
  return readFileSync(file);
}

/** Throws a Fault when a secret's file is not there: better now than in the middle of a build. */
export function checkSecrets(secrets: readonly SecretSource[]): void {
  for (const { env, file } of secrets)
    if (env === "" && !existsSync(file))
      throw complain(`failed to stat ${file}: stat ${file}: no such file or directory`);
}

/** Serves Secrets.GetSecret. */
export function serveSecrets(secrets: readonly SecretSource[]): Method {
  return unary(secretRequest, secretResponse, async ({ id }) => {
    const source = secrets.find((secret) => secret.id === id);
    if (source === undefined)
      throw new Fault("notFound", `secret ${id}: not found`, { code: "session.secret" });
    return { data: readSecret(source) };
  });
}
