// `--output`: what becomes of a build's result, and the taking of results that come to this machine: a directory, or an
// archive as a file or on standard output.

import { type FileHandle, open } from "node:fs/promises";
import { bytesMessage, SESSION_KEYS } from "../../lib/build-protocol/session.ts";
import { Fault } from "../../lib/errors.ts";
import { parseCsv } from "../../lib/flags/spec.ts";
import type { Method, ServerCall } from "../../lib/grpc/server.ts";
import { complain } from "../each.ts";
import { errnoText } from "../options/env.ts";
import type { BuildFlags } from "./flags.ts";
import { metadataTexts } from "./session/directories.ts";
import { receiveDirectory } from "./session/receive.ts";

export interface ParsedOutput {
  readonly type: string;
  /** For the daemon. */
  readonly attrs: Readonly<Record<string, string>>;
  /** File or directory here, "-" for standard output, "" for none. */
  readonly destination: string;
}

const FILES = new Set(["tar", "oci", "docker"]);
const TYPES = new Set(["local", "tar", "oci", "docker", "image", "registry", "cacheonly"]);

function parseOutput(text: string): ParsedOutput {
  if (text === "-") return { type: "tar", attrs: {}, destination: "-" };
  const fields = parseCsv(text);
  if (fields.length === 1 && !text.includes("=")) return { type: "local", attrs: {}, destination: text };
  const attrs: Record<string, string> = {};
  for (const field of fields) {
    const equals = field.indexOf("=");
    if (equals < 0) throw complain(`invalid value ${field}`);
    attrs[field.slice(0, equals).toLowerCase()] = field.slice(equals + 1);
  }
  const { type = "", dest = "", destination = dest, ...rest } = attrs;
  if (type === "") throw complain("type is required for output");
  if (!TYPES.has(type)) throw complain(`output type ${JSON.stringify(type)} is not known`);
  if (type === "local" && destination === "") throw complain("dest is required for local output");
  return {
    type,
    attrs: rest,
    destination: FILES.has(type) && destination === "" && type !== "docker" ? "-" : destination,
  };
}

/** compat: an image in the daemon is what BuildKit calls moby's own output. */
function toDaemon(output: ParsedOutput, names: readonly string[]): ParsedOutput {
  const name = output.attrs["name"] ?? names.join(",");
  const attrs = { ...output.attrs, ...(name === "" ? {} : { name }) };
  if (output.type === "registry")
    return { ...output, type: "moby", attrs: { ...attrs, push: "true", "berth-push": "true" } };
  const isImage = output.type === "image" || (output.type === "docker" && output.destination === "");
  return { ...output, type: isImage ? "moby" : output.type, attrs };
}

/** Returns the outputs in order; without any the image stays in the daemon. Throws a Fault for what is not understood. */
export function parseOutputs(flags: BuildFlags): ParsedOutput[] {
  const given = flags.output.map(parseOutput);
  if (flags.push) given.push({ type: "registry", attrs: {}, destination: "" });
  if (flags.load || given.length === 0) given.unshift({ type: "image", attrs: {}, destination: "" });
  return given.map((output) => toDaemon(output, flags.tag));
}

async function takeFile(call: ServerCall, destination: string): Promise<void> {
  if (destination === "-") {
    for await (const message of call.messages) await writeStdout(bytesMessage.decode(message).data);
    return;
  }
  let file: FileHandle;
  try {
    file = await open(destination, "w", 0o666);
  } catch (error) {
    throw complain(`open ${destination}: ${errnoText(error)}`);
  }
  try {
    for await (const message of call.messages) await file.write(bytesMessage.decode(message).data);
  } finally {
    await file.close();
  }
}

function writeStdout(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

/** Serves FileSend for the outputs that come here; undefined when none does. */
export function serveOutputs(outputs: readonly ParsedOutput[]): Method | undefined {
  if (outputs.every((output) => output.destination === "")) return undefined;
  return async (call) => {
    const [index = "0"] = metadataTexts(call.metadata, SESSION_KEYS.exporter);
    const output = outputs[Number(index)];
    if (output === undefined || output.destination === "")
      throw new Fault("notFound", `exporter ${index} not found`, { code: "session.output" });
    if (output.type === "local") await receiveDirectory(call, output.destination);
    else await takeFile(call, output.destination);
  };
}
