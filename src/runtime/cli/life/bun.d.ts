// What of Bun's own the runtime calls: node:child_process costs 2 ms more to load and to start a process with, node:crypto 2 ms to load.
declare const Bun: {
  unsafe: {
    /** Code has to be run so many times as often as usual before it is compiled. */
    setJITPolicy(scale: number): void;
  };
  CryptoHasher: new (algorithm: "sha256") => { update(text: string): { digest(encoding: "hex"): string } };
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
