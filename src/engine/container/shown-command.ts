// How events name what an exec runs.

/** compat: as Docker's events show a command: a blank after its name even when nothing follows. */
export function shownCommand([name = "", ...args]: readonly string[]): string {
  return `${name} ${args.join(" ")}`;
}
