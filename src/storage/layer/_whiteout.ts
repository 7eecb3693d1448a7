// The names by which a layer's tar says what is gone (OCI image specification, layer.md, "Whiteouts").

/** Prefix of the entry that removes a name of a lower layer. */
export const WHITEOUT_PREFIX = ".wh.";
/** Entry that hides everything lower layers have in its directory. */
export const OPAQUE_NAME = ".wh..wh..opq";
/** AUFS's own bookkeeping, in images of Docker's first years; means nothing. */
export const AUFS_PREFIX = ".wh..wh.";

/** Whether the path names a marker, or something inside of one, and so no file of the layer. */
export function isMarker(path: string): boolean {
  return path.startsWith(WHITEOUT_PREFIX) || path.includes(`/${WHITEOUT_PREFIX}`);
}
