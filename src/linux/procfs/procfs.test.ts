import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../lib/errors.ts";
import { parseAccounts } from "./accounts.ts";
import { parseMountInfo } from "./mountinfo.ts";
import { parseProcessStat, readCommandLine, readProcessStat, readProcessStatus, ttyName } from "./process.ts";
import { psTable } from "./ps.ts";
import { parsePsOptions } from "./ps-options.ts";
import { readProcText, readProcTextIfPresent } from "./read.ts";

test("parseProcessStat survives any process name", () => {
  const stat = parseProcessStat(
    "42 (a) b (c)) S 1 2 3 34817 5 4194304 10 0 12 0 140 150 0 0 20 0 7 0 1000 2048000 25 0 1 2 3 0 0 0 0 0 0 0 0 0 17 1 5 2 0",
  );
  assert.equal(stat?.comm, "a) b (c)");
  assert.deepEqual([stat?.state, stat?.ppid, stat?.threads, stat?.startTicks], ["S", 1, 7, 1000]);
  assert.deepEqual([stat?.processor, stat?.realtimePriority, stat?.policy], [1, 5, 2]);
  assert.equal(parseProcessStat("nonsense"), undefined);
});

test("readers agree about this very process and answer undefined for one that is gone", () => {
  const stat = readProcessStat(`/proc/${process.pid}`);
  assert.equal(stat?.pid, process.pid);
  assert.equal(stat?.ppid, process.ppid);
  assert.equal(readProcessStatus(`/proc/${process.pid}`)?.get("Pid"), String(process.pid));
  assert.ok(readCommandLine(process.pid).length >= 1);
  assert.equal(readProcessStat("/proc/0"), undefined);
  assert.deepEqual(readCommandLine(0), []);
  assert.equal(readProcTextIfPresent("/proc/0/stat"), undefined);
  assert.throws(
    () => readProcText("/proc"),
    (e: Fault) => e.kind === "system",
  );
});

test("ttyName knows the usual terminals", () => {
  assert.deepEqual([0, 0x8803, 0x8903, 0x401, 0x440, 0x501].map(ttyName), [
    "?",
    "pts/3",
    "pts/259",
    "tty1",
    "ttyS0",
    "console",
  ]);
});

test("parseMountInfo undoes escapes and skips what is no mount", () => {
  const [mount, ...rest] = parseMountInfo(
    "36 35 98:0 /mnt1 /a\\040b\\134 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\nx\n",
  );
  assert.equal(mount?.mountpoint, "/a b\\");
  assert.equal(mount?.optional, "master:1 shared:2");
  assert.equal(mount?.superOptions, "rw,errors=continue");
  assert.deepEqual(rest, []);
});

test("parseAccounts keeps the first name of an id", () => {
  assert.deepEqual(
    [...parseAccounts("root:x:0:0:::\ntoor:x:0:0\nbad\na:x:b:1\nw:x:33:33:w")],
    [
      [0, "root"],
      [33, "w"],
    ],
  );
});

const hasPs = existsSync("/bin/ps") || existsSync("/usr/bin/ps");
const fields = (text: string) => text.split(/[ \t\n\r\f]+/).filter(Boolean);

/** ps itself, cut as Docker cuts it. */
function realPs(pids: number[], args: string): { titles: string[]; processes: string[][] } {
  const only = args.includes("--sort") ? [] : [`-q${pids.join(",")}`]; // the two exclude each other
  const text = execFileSync("ps", [...fields(args), ...only], {
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C.UTF-8" },
  });
  const lines = text.split("\n").filter(Boolean);
  const titles = fields(lines[0] ?? "");
  const at = titles.indexOf("PID");
  const processes = lines
    .slice(1)
    .map(fields)
    .filter((row) => pids.includes(Number(row[at])))
    .map((row) => [...row.slice(0, titles.length - 1), row.slice(titles.length - 1).join(" ")]);
  return { titles, processes };
}

const FORMATS = [
  "-ef",
  "aux",
  "-aux",
  "-l",
  "-F",
  "-fj",
  "-j",
  "-fl",
  "l",
  "j",
  "-eLf",
  "-T",
  "-O user",
  "-o pid,user:20,group,pri,ni,opri,priority,psr,sched,cls,policy,rtprio,tt,tname,tty,f,sz,vsz,size,etimes",
  "-o pid -o comm,ucmd,fname,args",
  "o pid,ppid,cmd",
  "-eopid,lstart,args",
  "-o pid,pgid,sess,sid,tpgid,nlwp,thcount,stime,bsdstart,start,start_time,maj_flt,stat,s,wchan",
  "-eo pid=PROCESS,pid,comm=WHAT",
  "-o pid,ruid,euid,suid,fuid,egid,rgroup,ruser,exe,pidns,netns,blocked,caught,ignored,pending",
  "-eo pid,ppid --sort -ppid,pid",
  "-c",
  "-fc",
  "-lc",
  "-Fc",
  "-jc",
  "-fP",
  "-jP",
  "-L",
  "-lL",
  "-jL",
  "-y -l",
  "-fly",
  "-efM",
  "auxZ",
  "v",
  "s",
  "-eo pid,oom,oomadj,trs,drs,timens,label",
];

test("psTable prints what ps prints", { skip: !hasPs }, async () => {
  const child = spawn("sh", ["-c", "sleep 600 & sleep 601 & wait"], {
    stdio: "ignore",
    detached: true,
  });
  try {
    await new Promise((resolve) => child.once("spawn", resolve));
    const leader = child.pid as number;
    let pids = [leader];
    for (let i = 0; i < 1000 && pids.length < 3; i++) {
      pids = execFileSync("ps", ["-s", String(leader), "-o", "pid="], { encoding: "utf8" })
        .toString()
        .split("\n")
        .map(Number)
        .filter(Boolean);
    }
    pids = [...new Set([...pids, process.ppid])].filter((pid) => pid > 0).sort((a, b) => a - b);
    for (const args of FORMATS) {
      const options = (): [unknown, unknown] => [psTable(pids, args), realPs(pids, args)];
      let [ours, theirs] = options();
      // The two listings are of two moments: seconds tick, and threads of the parent go to work. What is wrong stays so.
      for (let i = 0; i < 100 && JSON.stringify(ours) !== JSON.stringify(theirs); i++) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        [ours, theirs] = options();
      }
      assert.deepEqual(ours, theirs, args);
    }
  } finally {
    const gone = new Promise((resolve) => child.once("exit", resolve));
    process.kill(-(child.pid as number), "SIGKILL");
    await gone;
  }
});

test("psTable draws a forest below the listed roots", async () => {
  // Three of our own: nothing hangs below a process 1, and this one or its parent may be that in its PID namespace.
  const inmost = "sh -c 'echo $PPID $$; read line; exit 0'; exit 0";
  const child = spawn("sh", ["-c", 'sh -c "$1"; exit 0', "sh", inmost], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  try {
    const [data] = (await once(child.stdout, "data")) as [Buffer];
    const [outer, inner] = data.toString().trim().split(" ").map(Number) as [number, number];
    const { titles, processes } = psTable([inner, outer], "-e f -o pid,ppid,args");
    assert.deepEqual(titles, ["PID", "PPID", "COMMAND"]);
    assert.deepEqual(
      processes.map((row) => row[0]),
      [String(outer), String(inner)],
    );
    assert.match(processes[1]?.[2] ?? "", /^\\_ sh -c echo \$PPID \$\$; read line; exit 0$/);
    assert.match(processes[0]?.[2] ?? "", /^\\_ /, "it hangs below a process that is not listed");
  } finally {
    const gone = once(child, "exit");
    child.stdin.end();
    await gone;
  }
});

test("psTable refuses in ps's words, and misses the PID where ps prints none", () => {
  const refusal = (args: string): string => {
    try {
      psTable([process.pid], args);
      return "";
    } catch (error) {
      return (error as Fault).message;
    }
  };
  for (const args of ["h", "--no-headers", "-V", "--help", "L", "-o user"])
    assert.equal(refusal(args), "Couldn't find PID field in ps output", args);
  const texts: Record<string, string> = {
    "-o": "format specification must follow -o",
    "--sort": "long sort specification must follow --sort",
    k: "long sort specification must follow 'k'",
    "-p": "list of process IDs must follow -p",
    "-C": "list of command names must follow -C",
    "--ppid": "list of process IDs must follow --ppid",
    "--cols": "number of columns must follow --cols, --width, or --columns",
    "-o pid:x": "column widths must be unsigned decimal numbers",
    "-z": "unsupported SysV option",
    "--nosuch": "unknown gnu long option",
  };
  for (const [args, text] of Object.entries(texts)) assert.equal(refusal(args), `ps: error: ${text}`);
});

test("psTable selects by parent, session, group, terminal, and what is not selected", async () => {
  // A child in a session of its own: this process may have its parent and its session's leader in another PID namespace (0).
  const child = spawn("sleep", ["100"], { detached: true, stdio: "ignore" });
  try {
    await once(child, "spawn");
    const self = String(child.pid);
    const pids = (args: string): string[] =>
      psTable([child.pid as number], `-o pid ${args}`).processes.map(([pid]) => pid as string);
    assert.deepEqual(pids(`--ppid ${process.pid}`), [self]);
    assert.deepEqual(pids("--ppid 4000000"), []);
    assert.deepEqual(pids(`-s ${self}`), [self]);
    assert.deepEqual(pids("-s 4000000"), []);
    assert.deepEqual(pids(`-G ${process.getgid?.()}`), [self]);
    assert.deepEqual(pids(`-p ${self} -N`), []);
    assert.deepEqual(pids("-p 4000000 --deselect"), [self]);
    assert.deepEqual(pids(`-t ${ttyName(0)}`), [self]);
  } finally {
    child.kill("SIGKILL");
  }
});

test("psTable selects by user, command and process like ps", () => {
  const self = String(process.pid);
  assert.deepEqual(psTable([process.pid], `-o pid -p ${self}`).processes, [[self]]);
  assert.deepEqual(psTable([process.pid], "-o pid -p 999999").processes, []);
  assert.deepEqual(
    psTable([process.pid], "-o pid -u 0,65534").processes,
    process.getuid?.() === 0 ? [[self]] : [],
  );
  assert.deepEqual(psTable([process.pid], "-o pid -C no-such-name").processes, []);
  assert.deepEqual(psTable([999_999_999], "").processes, []);
});

test("psTable refuses formats without a PID, disguised ones and unknown options", () => {
  const bad = (args: string, pattern: RegExp) =>
    assert.throws(
      () => psTable([1], args),
      (e: Fault) => e.kind === "invalidParameter" && pattern.test(e.message),
    );
  bad("-o comm", /Couldn't find PID field in ps output/);
  bad("-o pid=", /Couldn't find PID field/);
  bad("-o ppid=PID", /specifying "ppid=PID" is not allowed/);
  bad("-z", /unsupported SysV option/);
  bad("-o nosuch", /unknown user-defined format specifier "nosuch"/);
  bad("--nosuch", /unknown gnu long option/);
  bad("-o", /must follow/);
});

test("parsePsOptions throws nothing but Fault", () => {
  const word = fc.oneof(fc.string(), fc.stringMatching(/^-{0,2}[a-zA-Z]{0,6}[=:,0-9a-z]{0,8}$/));
  fc.assert(
    fc.property(fc.array(word), (words) => {
      try {
        parsePsOptions(words);
      } catch (error) {
        assert.ok(error instanceof Fault, String(error));
      }
    }),
    { numRuns: 1000 },
  );
});
