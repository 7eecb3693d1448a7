/** How this program is started again: alone when it is the executable, by its interpreter from the sources. */
export function ownCommand(): string[] {
  const script = process.argv[1] ?? "";
  return script.startsWith("/$bunfs/") ? [process.execPath] : [process.execPath, script];
}
