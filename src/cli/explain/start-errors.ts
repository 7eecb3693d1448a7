// What to change where a container could not be started, by the words of the error. Docker's and ours have the same words, because
// scripts depend on them.

interface Remedy {
  readonly pattern: RegExp;
  /** `$1` is what the pattern found. */
  readonly advice: string;
}

const REMEDIES: readonly Remedy[] = [
  {
    pattern: /too many open files/,
    advice:
      "a limit of open files is reached: raise the daemon's (LimitNOFILE), or fs.file-max and fs.pipe-user-pages-soft of the host",
  },
  {
    pattern: /(?:port is already allocated|address already in use|is in use by)/,
    advice:
      "something else has the port: `PROGRAM explain port PORT` says who; end it, or publish another port",
  },
  {
    pattern: /exec: "([^"]*)": executable file not found|executable file not found/,
    advice:
      "the command is not in the image's PATH: check its spelling, and ENTRYPOINT and CMD with `PROGRAM inspect`",
  },
  {
    pattern: /exec.*no such file or directory|no such file or directory.*exec/,
    advice:
      "the program, or the interpreter in its first line, is not in the image (a script with Windows line ends asks for one that is not there)",
  },
  {
    pattern: /exec format error/,
    advice: "the program is for another processor, or a script without #! in its first line",
  },
  {
    pattern: /permission denied/,
    advice:
      "the file may not be executed by the container's user: chmod +x it in the image, or name a program",
  },
  { pattern: /is a directory/, advice: "the command is a directory: name a program" },
  {
    pattern: /bind source path does not exist: (\S+)/,
    advice: "make $1 on the daemon's host, or use -v, which makes it",
  },
  {
    pattern: /not a directory|Are you trying to mount a directory onto a file/,
    advice: "a file is mounted over a directory, or the other way round: both have to be of one kind",
  },
  {
    pattern: /network (\S+) not found/,
    advice:
      "the network is gone: make it again with `PROGRAM network create`, or connect the container to another one",
  },
  {
    pattern: /(?:unable to find user|no matching entries in passwd file)/,
    advice: "the user is not in the image's /etc/passwd: give its number, or add it in the image",
  },
  {
    pattern: /unable to find group|no matching entries in group file/,
    advice: "the group is not in the image's /etc/group: give its number",
  },
  {
    pattern: /no space left on device|disk quota exceeded/,
    advice: "the disk is full: `PROGRAM explain disk` says of what",
  },
  {
    pattern: /apparmor/i,
    advice: "the AppArmor profile is not loaded on the host: load it, or leave the option out",
  },
  { pattern: /seccomp/i, advice: "check the seccomp profile that was given" },
  {
    pattern: /could not select device driver|gpu/i,
    advice: "the host has no driver for the device that was asked for",
  },
  {
    pattern: /Cannot link to|No such container/,
    advice: "a container that this one needs is gone or does not run: start it first",
  },
  { pattern: /cannot allocate memory/i, advice: "the host, or the limit, has not enough memory" },
];

/** Returns what to do about an error of a start; undefined where nothing more is known than the error says. */
export function remedyFor(error: string, program: string): string | undefined {
  for (const { pattern, advice } of REMEDIES) {
    const found = pattern.exec(error);
    if (found !== null) return advice.replace("$1", found[1] ?? "it").replaceAll("PROGRAM", program);
  }
  return undefined;
}
