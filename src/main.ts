// The executable's entry: picks the program and loads nothing else. `berth daemon` is the daemon, `berth runtime` (and the executable
// under a runtime's name) the OCI runtime, everything else the command line.

const [, , first, second] = process.argv;
const name = process.argv0.slice(process.argv0.lastIndexOf("/") + 1);

const isRuntime = name === "berth-runtime" || name === "runc";

if (isRuntime || first === "runtime") {
  const { runRuntime } = await import("./runtime/cli/main.ts");
  process.exit(
    await (isRuntime ? runRuntime(name, process.argv.slice(2)) : runRuntime("berth", process.argv.slice(3))),
  );
} else if (first === "daemon") {
  const { runDaemon } = await import("./daemon/run.ts");
  await runDaemon(process.argv.slice(3));
} else if ((first === "--version" || first === "-v") && second === undefined) {
  const { versionLine } = await import("./cli/version.ts");
  console.log(versionLine(name === "docker" ? name : "berth"));
} else {
  const { runCommandLine } = await import("./cli/main.ts");
  process.exit(await runCommandLine(name, process.argv.slice(2)));
}
