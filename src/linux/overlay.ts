// What overlayfs is told on this machine. Whoever is root in a user namespace only may not read or write `trusted` attributes: there the
// file system keeps its marks in `user` ones (overlayfs.rst, "userxattr", Linux 5.11), and layers are marked alike.
import { isMapped, loadIdMap } from "./idmap.ts";

export interface OverlayDialect {
  /** Layers are unpacked in a user namespace: the kernel makes no device nodes there, and not all ids exist. */
  readonly isMapped: boolean;
  /** What the names of overlayfs's own attributes begin with. */
  readonly xattrPrefix: string;
  /**
   * Mount options of every overlay: features that leave traces in the upper directory which only mean something on this machine
   * (redirects, metadata-only copies) would make it useless as a layer.
   */
  readonly options: string;
}

/** Returns the dialect of a process; `isMappedProcess`: it is in a user namespace. */
export function overlayDialect(isMappedProcess: boolean): OverlayDialect {
  return isMappedProcess
    ? { isMapped: true, xattrPrefix: "user.overlay.", options: "userxattr,index=off,metacopy=off" }
    : {
        isMapped: false,
        xattrPrefix: "trusted.overlay.",
        options: "index=off,redirect_dir=off,metacopy=off",
      };
}

/** This process's. */
export const OVERLAY: OverlayDialect = overlayDialect(isMapped(loadIdMap("self")));
