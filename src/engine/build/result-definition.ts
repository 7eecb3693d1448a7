// A build's result as a definition of BuildKit's, with which clients make it a context of another build (targets of `bake`, services
// of Compose): a source that names the image. It goes to the client and comes back as it is.
import { definition, operation } from "../../lib/build-protocol/definition.ts";
import { Fault } from "../../lib/errors.ts";
import { digestOf } from "../../oci/digest.ts";
import { formatPlatform, type Platform } from "../../oci/platform.ts";

type Attrs = Readonly<Record<string, string>>;

const IMAGE = "docker-image://";
const CONTEXT = "context:";
const INPUT = "input:";

/** Returns the definition of an image of this daemon. */
export function definitionOf(imageId: string): Uint8Array {
  const source = operation.encode({ source: { identifier: `${IMAGE}${imageId}` } });
  const digest = digestOf(source);
  const end = operation.encode({ inputs: [{ digest, index: 0 }] });
  return definition.encode({
    operations: [source, end],
    metadata: { [digest]: { description: { "llb.customname": imageId } } },
  });
}

/**
 * Returns the address of the repository or archive that a definition is: what clients look into before they build a remote context.
 * Throws Fault `build.definition` for anything else.
 */
export function remoteOf(bytes: Uint8Array): string {
  const operations = definition.decode(bytes).operations.map((encoded) => operation.decode(encoded));
  const sources = operations.flatMap(({ source }) => (source === undefined ? [] : [source]));
  const [{ identifier = "", attrs = {} } = {}, ...more] = sources;
  const isOther = more.length > 0 || operations.some(({ exec }) => (exec?.length ?? 0) > 0);
  if (!isOther && /^https?:/.test(identifier)) return identifier;
  const fullUrl = attrs["git.fullurl"] ?? "";
  const hash = identifier.indexOf("#");
  if (!isOther && identifier.startsWith("git://") && fullUrl !== "")
    return hash < 0 ? fullUrl : `${fullUrl}${identifier.slice(hash)}`;
  throw new Fault("notImplemented", "definitions of build graphs of their own are not supported", {
    code: "build.definition",
  });
}

/** Returns the address of the image that a definition is. Throws Fault `build.definition` for what is none of ours. */
export function addressOf(bytes: Uint8Array): string {
  const { operations } = definition.decode(bytes);
  const sources = operations.flatMap((op) => operation.decode(op).source?.identifier ?? []);
  const [address = "", ...more] = sources;
  if (more.length > 0 || !address.startsWith(`${IMAGE}sha256:`))
    throw new Fault("notImplemented", "a context that is a definition of its own is not supported", {
      code: "build.definition",
    });
  return address;
}

/**
 * Returns the options with the contexts that are results of other builds as images: `context:NAME` of `input:KEY`, or for several
 * platforms `context:NAME::PLATFORM`. Throws Fault `build.definition`.
 */
export function withInputs(
  attrs: Attrs,
  inputs: Readonly<Record<string, Uint8Array>>,
  platform: Platform,
): Attrs {
  const suffix = `::${formatPlatform(platform)}`;
  const resolved: Record<string, string> = {};
  for (const [name, value] of Object.entries(attrs)) {
    if (!name.startsWith(CONTEXT) || !value.startsWith(INPUT)) {
      resolved[name] = value;
      continue;
    }
    const input = inputs[value.slice(INPUT.length)];
    if (input === undefined)
      throw new Fault("invalidParameter", `invalid input ${value.slice(INPUT.length)} for ${name}`, {
        code: "build.definition",
      });
    if (!name.includes("::")) resolved[name] = addressOf(input);
    else if (name.endsWith(suffix)) resolved[name.slice(0, -suffix.length)] = addressOf(input);
  }
  return resolved;
}
