// Names of containers looked up from inside another: how many in a second, and what a thousand in each second take of a processor.
// What is asked for is the address of either family of a container, as the C library asks.
import { readFileSync } from "node:fs";
import type { DaemonEngine } from "../field/engines.ts";
import type { Row } from "./row.ts";

const PER_SECOND = 1000;
const WINDOW_S = 10;
/** Processor times of /proc/PID/stat in a second (USER_HZ, always 100 on Linux' 64-bit machines). */
const TICKS = 100;

/** Asks the container's resolver for the name of another container; `pace` says how it goes on. Prints the answers. */
const client = (pace: string, seconds: number): string => `
const socket = require("node:dgram").createSocket("udp4");
const name = Buffer.concat([Buffer.from([6]), Buffer.from("server"), Buffer.from([0])]);
const types = [1, 28];
let answers = 0, id = 0;
const ask = () => {
  const head = Buffer.from([0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  head.writeUInt16BE(id & 65535, 0);
  socket.send(Buffer.concat([head, name, Buffer.from([0, types[id++ % types.length], 0, 1])]), 53, "127.0.0.11");
};
socket.on("message", (m) => {
  if ((m.readUInt16BE(6) === 0) === (m.readUInt16BE(0) % 2 === 0)) throw new Error("wrong answer");
  answers++;
  after();
});
let after = () => {};
socket.bind(0, () => {
  ${pace}
  setTimeout(() => { console.log(answers); process.exit(0); }, ${seconds * 1000});
});
`;
const AS_FAST_AS_ANSWERED = "after = ask; for (let i = 0; i < 16; i++) ask();";
const PACED = `
  const start = performance.now();
  setInterval(() => { while (id < ((performance.now() - start) * ${PER_SECOND}) / 1000) ask(); }, 5);`;

const look = (e: DaemonEngine, pace: string, seconds: number): number =>
  Number(e.cli(["exec", "source", "chroot", "/host", process.execPath, "-e", client(pace, seconds)]));

/** Milliseconds that the daemon and its supervisors have run on a processor. */
function engineMs(e: DaemonEngine): number {
  const ticks = e.room.processes().map(({ pid }) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return Number(fields[11]) + Number(fields[12]);
  });
  return (ticks.reduce((sum, n) => sum + n, 0) * 1000) / TICKS;
}

/** The rows; a container `source` runs with the host's files in /host, and another called `server` is in its network. */
export const nameRows: readonly Row<DaemonEngine>[] = [
  {
    name: "dns",
    what: "names of containers looked up",
    unit: "1/s",
    goal: { faster: 1 },
    rounds: { full: 3, quick: 0 },
    sample: (e) => look(e, AS_FAST_AS_ANSWERED, 1),
  },
  {
    name: "dns.cpu",
    what: `processor time of daemon and supervisors for ${PER_SECOND} look-ups each second, of one processor`,
    unit: "%",
    goal: { atMost: 5 },
    rounds: { full: 3, quick: 0 },
    hasWarmUp: false,
    sample(e) {
      const before = engineMs(e);
      const answers = look(e, PACED, WINDOW_S);
      if (answers < 0.98 * PER_SECOND * WINDOW_S) throw new Error(`${e.name}: ${answers} answers only`);
      return (100 * (engineMs(e) - before)) / (WINDOW_S * 1000);
    },
  },
];
