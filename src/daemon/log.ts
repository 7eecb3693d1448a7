// The daemon's log: one line per message on standard error, in logfmt as dockerd's, so that journald and people can read it.

const LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LEVELS)[number];
export type Log = (level: LogLevel, message: string) => void;

/** Returns a log that drops what is below `lowest`. */
export function createLog(
  lowest: string,
  write: (line: string) => void = (line) => void process.stderr.write(line),
): Log {
  const threshold = Math.max(0, LEVELS.indexOf(lowest as LogLevel));
  return (level, message) => {
    if (LEVELS.indexOf(level) < threshold) return;
    write(`time="${new Date().toISOString()}" level=${level} msg=${JSON.stringify(message)}\n`);
  };
}
