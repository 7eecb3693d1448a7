// `--output`: what becomes of a build's result, and the taking of results that come to this machine: a directory, or an
// archive as a file or on standard output.

import { type FileHandle, open } from "node:fs/promises";
import { resolve } from "node:path";
import { bytesMessage, SESSION_KEYS } from "../../lib/build-protocol/session.ts";
import { Fault } from "../../lib/errors.ts";
import { parseCsv } from "../../lib/flags/spec.ts";
import type { Method, ServerCall } from "../../lib/grpc/server.ts";
import { goBool } from "../../lib/units/go-scalar.ts";
import { parseReference } from "../../oci/reference.ts";
import { complain } from "../failure.ts";
import { errnoText } from "../options/env.ts";
import type { BuildFlags } from "./flags.ts";
import { putInLayout } from "./session/content.ts";
import { metadataTexts } from "./session/directories.ts";
import { receiveDirectory } from "./session/receive.ts";

export interface ParsedOutput {
  readonly type: string;
  /** For the daemon. */
  readonly attrs: Readonly<Record<string, string>>;
  /** File or directory here, "-" for standard output, "" for none. */
  readonly destination: string;
  /** An OCI layout that is written blob by blob instead of an archive. */
  readonly isLayout: boolean;
}

const FILES = new Set(["tar", "oci", "docker"]);
const TYPES = new Set(["local", "tar", "oci", "docker", "image", "registry", "cacheonly"]);

function parseOutput(text: string): ParsedOutput {
  if (text === "-") return { type: "tar", attrs: {}, destination: "-", isLayout: false };
  const fields = parseCsv(text);
  if (fields.length === 1 && !text.includes("="))
    return { type: "local", attrs: {}, destination: text, isLayout: false };
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
  const isLayout = type === "oci" && goBool(attrs["tar"] ?? "") === false;
  if (isLayout && destination === "") throw complain("dest is required for an OCI layout");
  return {
    type,
    attrs: isLayout ? { ...rest, tar: "false" } : rest,
    isLayout,
    destination: FILES.has(type) && destination === "" && type !== "docker" ? "-" : destination,
  };
}

/** compat: an image in the daemon is what BuildKit calls moby's own output. */
function toDaemon(output: ParsedOutput, names: readonly string[]): ParsedOutput {
  const name = output.attrs["name"] ?? names.join(",");
  const attrs = { ...output.attrs, ...(name === "" ? {} : { name }) };
  if (output.type === "registry") return { ...output, type: "moby", attrs: { ...attrs, push: "true" } };
  const isImage = output.type === "image" || (output.type === "docker" && output.destination === "");
  return { ...output, type: isImage ? "moby" : output.type, attrs };
}

/** Returns the outputs in order; without any the image stays in the daemon. Throws a Fault for what is not understood. */
export function parseOutputs(flags: BuildFlags): ParsedOutput[] {
  const given = flags.output.map(parseOutput);
  if (flags.push) given.push({ type: "registry", attrs: {}, destination: "", isLayout: false });
  if (flags.load || given.length === 0)
    given.unshift({ type: "image", attrs: {}, destination: "", isLayout: false });
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

/** compat: BuildKit's name for the directory that an OCI layout is written into. */
const EXPORT_STORE = "export";
const DEFAULT_TAG = "latest";

/** Returns the directories that the build writes into, by the name that it knows them by. */
export function outputStores(outputs: readonly ParsedOutput[]): ReadonlyMap<string, string> {
  const layouts = outputs.filter((output) => output.isLayout);
  if (layouts.length > 1) throw complain("only one OCI layout can be written by a build");
  return new Map(layouts.map(({ destination }) => [EXPORT_STORE, resolve(destination)]));
}

/** Enters what was written in the layout's index, under the tags of its names. */
export function finishLayouts(
  outputs: readonly ParsedOutput[],
  response: Readonly<Record<string, string>>,
): void {
  const written = response["containerimage.descriptor"];
  for (const { isLayout, destination, attrs } of outputs) {
    if (!isLayout || written === undefined) continue;
    const entry = JSON.parse(Buffer.from(written, "base64").toString("utf8")) as object;
    const names = (attrs["name"] ?? "").split(",").filter((name) => name !== "");
    const tags = names.map((name) => parseReference(name).tag ?? DEFAULT_TAG);
    for (const tag of tags.length === 0 ? [DEFAULT_TAG] : tags) putInLayout(resolve(destination), entry, tag);
  }
}

/** Serves FileSend for the outputs that come here; undefined when none does. */
export function serveOutputs(outputs: readonly ParsedOutput[]): Method | undefined {
  if (outputs.every((output) => output.destination === "" || output.isLayout)) return undefined;
  return async (call) => {
    const [index = "0"] = metadataTexts(call.metadata, SESSION_KEYS.exporter);
    const output = outputs[Number(index)];
    if (output === undefined || output.destination === "")
      throw new Fault("notFound", `exporter ${index} not found`, { code: "session.output" });
    if (output.type === "local") await receiveDirectory(call, output.destination);
    else await takeFile(call, output.destination);
  };
}
