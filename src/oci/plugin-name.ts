// What a plugin is called that is pulled or made. Pure.
import { Fault } from "../lib/errors.ts";
import { familiarString, parseReference, type Reference, withDefaultTag } from "./reference.ts";

/** Returns the local name of what is pulled from `remote`: `name`, or the remote one without its digest. Fails with invalidParameter. */
export function pulledName(remote: string, name: string | undefined): string {
  if (name !== undefined && name !== "") return localName(name, "cannot use digest in plugin tag");
  const { digest: _, ...reference } = parseReference(remote);
  return familiarString(withDefaultTag(reference));
}

/** Returns a name that is given here, with its tag. */
export function localName(name: string, refusal = "canonical references are not permitted"): string {
  const reference: Reference = parseReference(name);
  if (reference.digest !== undefined) throw new Fault("invalidParameter", refusal, { code: "plugin.name" });
  return familiarString(withDefaultTag(reference));
}
