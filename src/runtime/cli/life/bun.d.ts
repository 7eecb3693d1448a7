// The one call of Bun's own that the runtime makes: node:child_process costs 2 ms more to load and to start a process with.
declare const Bun: {
  spawnSync(
    command: readonly string[],
    options: {
      cwd?: string;
      /** Absent: ours. */
      env?: Readonly<Record<string, string>>;
      stdio: readonly ("inherit" | "ignore" | "pipe" | number)[];
    },
  ): {
    exitCode: number | null;
    signalCode?: string;
    /** In microseconds. */
    resourceUsage: { cpuTime: { total: number | bigint } };
  };
};
