// The executable's entry: picks the program and loads nothing else. `berth daemon` is the daemon, everything else the
// command line.

const [, , first] = process.argv;

if (first === "daemon") {
  const { runDaemon } = await import("./daemon/run.ts");
  await runDaemon(process.argv.slice(3));
} else {
  const { runCommandLine } = await import("./cli/main.ts");
  const name = process.argv0.slice(process.argv0.lastIndexOf("/") + 1);
  process.exit(await runCommandLine(name, process.argv.slice(2)));
}
