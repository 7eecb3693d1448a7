// What of Bun's own is called where milliseconds count: at a start node:net with its streams costs 3 ms more, node:child_process and node:crypto 2 ms each.
declare const Bun: {
  unsafe: {
    /** From now on code has to run so many times as often as the runtime's default before it is compiled. */
    setJITPolicy(scale: number): void;
  };
  /** Collects garbage and gives memory back; code that has run is read again when it is run again. */
  shrink(): void;
  CryptoHasher: new (algorithm: "sha256") => { update(text: string): { digest(encoding: "hex"): string } };
  connect(options: {
    unix: string;
    /** The other side's end does not end ours. */
    allowHalfOpen: boolean;
    socket: {
      /** What data is given as; a Buffer otherwise. */
      binaryType: "uint8array";
      data(socket: BunSocket, chunk: Uint8Array): void;
      drain(socket: BunSocket): void;
      /** The other side sends nothing more. */
      end(socket: BunSocket): void;
      close(socket: BunSocket, error?: Error): void;
      error(socket: BunSocket, error: Error): void;
    };
  }): Promise<BunSocket>;
  /** Maps a file; throws with the code of open(2), and EINVAL for an empty one. */
  mmap(path: string): Uint8Array;
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

interface BunSocket {
  /** Returns how many bytes were taken; the rest is tried again after `drain`. */
  write(bytes: Uint8Array): number;
  pause(): void;
  resume(): void;
  /** Whether it keeps the process from ending. */
  ref(): void;
  unref(): void;
  /** Ends our side alone. */
  shutdown(): void;
  terminate(): void;
}

declare module "bun:ffi" {
  type Type = "i32" | "ptr" | "usize";
  /** Functions of a shared library; a pointer is a view of bytes. Throws when it is not there. */
  function dlopen<Name extends string>(
    library: string,
    functions: Record<Name, { args: readonly Type[]; returns: Type }>,
  ): { symbols: Record<Name, (...args: (number | Uint8Array)[]) => number> };
}
