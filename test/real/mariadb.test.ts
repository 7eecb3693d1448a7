// A real database on a volume: MariaDB of Debian's package, in an image that is built here, keeps every row that it has acknowledged
// through kill -9 of its container, of the daemon, of both, and through a new container; a snapshot made while it writes is a database, too.
// `make test-real` runs it: it needs a Debian mirror and takes minutes the first time (the base system is kept in build/real).
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { clients, TestDaemon } from "../e2e/harness.ts";
import { debianTar, openOutside, OUTSIDE_DNS, OUTSIDE_LINK } from "./debian.ts";

const DOCKERFILE = `FROM debian:bookworm
RUN apt-get update && apt-get install -y --no-install-recommends mariadb-server && rm -rf /var/lib/apt/lists/*
RUN install -d -o mysql -g mysql /run/mysqld
CMD ["mariadbd", "--user=mysql"]
`;

const [berth] = clients as [(typeof clients)[0]];
let daemon: TestDaemon;
let closeOutside: (() => Promise<void>) | undefined;

before(
  async () => {
    const base = await debianTar();
    daemon = await TestDaemon.start({ hasImage: false, config: { dns: [OUTSIDE_DNS] } });
    daemon.otherLinks.push(OUTSIDE_LINK);
    // The way to the mirror: the daemon's network namespace has none of its own.
    closeOutside = await openOutside(daemon.network);
    await daemon.text(berth, ["import", base, "debian:bookworm"], { timeoutMs: 300_000 });
    const context = daemon.path("mariadb");
    await mkdir(context);
    await writeFile(join(context, "Dockerfile"), DOCKERFILE);
    await daemon.text(berth, ["build", "-q", "-t", "mariadb", context], { timeoutMs: 900_000 });
  },
  { timeout: 1_500_000 },
);
after(async () => {
  await closeOutside?.();
  await daemon?.close();
});

/** Starts a container on a volume and returns when the database answers. */
async function start(name: string, volume: string): Promise<void> {
  await daemon.text(berth, ["run", "-d", "--name", name, "-v", `${volume}:/var/lib/mysql`, "mariadb"]);
  await answers(name);
}

async function answers(name: string): Promise<void> {
  const wait = "for i in $(seq 600); do mariadb-admin ping 2>/dev/null && exit 0; sleep 0.1; done; exit 1";
  const { status, stderr } = await daemon.run(berth, ["exec", name, "sh", "-c", wait], { timeoutMs: 90_000 });
  if (status !== 0) assert.fail(`${status}: ${stderr}${(await daemon.run(berth, ["logs", name])).stderr}`);
}

const sql = (name: string, query: string): Promise<string> =>
  daemon.text(berth, ["exec", name, "mariadb", "-N", "-B", "-e", query]);

/** Inserts rows one by one until something ends it; resolves, when ten are in, to a function that returns the last acknowledged one. */
async function insert(name: string, from: number): Promise<() => Promise<number>> {
  const loop = `i=${from}; while mariadb shop -e "insert into orders values ($i)"; do echo "row $i"; i=$((i + 1)); done`;
  const live = daemon.live(berth, ["exec", name, "sh", "-c", loop], { timeoutMs: 120_000 });
  await live.prints(`row ${from + 10}\n`);
  return async () => {
    live.kill("SIGKILL");
    const { stdout } = await live.ended;
    return Number(
      stdout
        .match(/row (\d+)\n/g)
        ?.at(-1)
        ?.slice(4),
    );
  };
}

/** All rows up to the last acknowledged one are there, and the tables are whole. */
async function isComplete(name: string, last: number): Promise<void> {
  assert.equal(await sql(name, `select count(*) from shop.orders where id <= ${last}`), String(last + 1));
  assert.match(await sql(name, "check table shop.orders extended"), /status\s+OK$/);
}

const highest = async (name: string): Promise<number> =>
  Number(await sql(name, "select max(id) from shop.orders"));

test("rows survive the container, the daemon, and both at once", { timeout: 400_000 }, async () => {
  await start("db", "rows");
  await sql("db", "create database shop; create table shop.orders (id int primary key) engine=innodb");
  // kill -9 of the container.
  let last = await insert("db", 0);
  await daemon.text(berth, ["kill", "-s", "KILL", "db"]);
  let acknowledged = await last();
  await daemon.text(berth, ["start", "db"]);
  await answers("db");
  await isComplete("db", acknowledged);
  // kill -9 of the daemon: the database goes on.
  const { State } = await daemon.inspect("db");
  last = await insert("db", (await highest("db")) + 1);
  await daemon.kill();
  acknowledged = await last();
  await daemon.up();
  assert.equal((await daemon.inspect("db")).State.Pid, State.Pid);
  await isComplete("db", acknowledged);
  await daemon.text(berth, ["restart", "db"]); // ends the client that may still insert
  await answers("db");
  // Both.
  const pid = (await daemon.inspect("db")).State.Pid;
  last = await insert("db", (await highest("db")) + 1);
  await daemon.kill();
  process.kill(pid, "SIGKILL");
  acknowledged = await last();
  await daemon.up();
  await daemon.text(berth, ["wait", "db"]); // a killed database takes its time to give its memory back
  await daemon.text(berth, ["start", "db"]);
  await answers("db");
  await isComplete("db", acknowledged);
  // Another container.
  await daemon.text(berth, ["rm", "-f", "-v", "db"]);
  await start("again", "rows");
  await isComplete("again", acknowledged);
});

test("a snapshot of one moment, made while it writes, is a whole database", {
  timeout: 400_000,
}, async () => {
  await start("writer", "moment");
  await sql("writer", "create database shop; create table shop.orders (id int primary key) engine=innodb");
  const last = await insert("writer", 0);
  const before = await highest("writer");
  await daemon.text(berth, ["volume", "snapshot", "create", "--pause", "moment", "one"], {
    timeoutMs: 120_000,
  });
  const beyond = await highest("writer");
  await daemon.text(berth, ["volume", "clone", "--snapshot", "one", "moment", "copy"], {
    timeoutMs: 120_000,
  });
  await start("reader", "copy");
  await isComplete("reader", before);
  assert.ok((await highest("reader")) <= beyond);
  assert.ok((await highest("writer")) > before, "it went on");
  await last();
  // Back to that moment.
  await daemon.text(berth, ["rm", "-f", "writer"]);
  await daemon.text(berth, ["volume", "snapshot", "restore", "moment", "one"], { timeoutMs: 120_000 });
  await start("writer", "moment");
  assert.equal(await highest("writer"), await highest("reader"));
});
