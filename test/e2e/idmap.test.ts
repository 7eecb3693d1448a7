// `idmap` on binds and volumes: what the container's user makes belongs to the owner of the source on the host, and what is there
// belongs to the container's user inside; by hand-written maps as well, in user namespaces, through cp, and refused where the
// file system cannot.
import assert from "node:assert/strict";
import { chmod, chown, mkdir, stat, writeFile } from "node:fs/promises";
import { after, afterEach, before, test } from "node:test";
import { run } from "./command.ts";
import { type Client, clients, TestDaemon } from "./harness.ts";

const CALLER = 4321;
const GROUP = 5432;

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
after(() => daemon.close());
afterEach(async () => {
  await daemon.removeContainers();
  await daemon.removeVolumes();
});

const [first] = clients as readonly [Client, ...Client[]];
let count = 0;

/** A directory of the caller's with a file of his. */
async function callersDir(): Promise<string> {
  const dir = daemon.path(`callers-${count++}`);
  await mkdir(dir);
  await writeFile(`${dir}/mine`, "of the caller\n");
  await chmod(`${dir}/mine`, 0o600);
  for (const path of [dir, `${dir}/mine`]) await chown(path, CALLER, GROUP);
  await writeFile(`${dir}/roots`, "of root\n");
  return dir;
}

async function owner(path: string): Promise<string> {
  const { uid, gid } = await stat(path);
  return `${uid}:${gid}`;
}

const LOOK = "stat -c '%n %u:%g' /x /x/mine /x/roots; touch /x/made; mkdir /x/sub; stat -c '%u:%g' /x/made";

for (const c of clients) {
  test(`what the container's user makes belongs to the owner of the source (${c.name})`, async () => {
    const dir = await callersDir();
    const seen = await daemon.text(c, ["run", "--rm", "-v", `${dir}:/x:idmap`, "busybox", "sh", "-c", LOOK]);
    assert.equal(seen, "/x 0:0\n/x/mine 0:0\n/x/roots 65534:65534\n0:0");
    assert.equal(await owner(`${dir}/made`), `${CALLER}:${GROUP}`);
    assert.equal(await owner(`${dir}/sub`), `${CALLER}:${GROUP}`);
    // An ordinary user of the container's image, who reads what only the caller may read.
    const user = ["run", "--rm", "-u", "dev", "-v", `${dir}:/x:rw,idmap`, "busybox", "sh", "-c"];
    assert.equal(
      await daemon.text(c, [
        ...user,
        "id -u; cat /x/mine; touch /x/theirs; stat -c %u:%g /x/theirs /x/roots",
      ]),
      "1000\nof the caller\n1000:1000\n0:0",
    );
    assert.equal(await owner(`${dir}/theirs`), `${CALLER}:${GROUP}`);
    // Without it they are root's.
    await daemon.text(c, ["run", "--rm", "-v", `${dir}:/x`, "busybox", "touch", "/x/plain"]);
    assert.equal(await owner(`${dir}/plain`), "0:0");
  });

  test(`a file, and ids that are listed (${c.name})`, async () => {
    const dir = await callersDir();
    const text = ["run", "--rm", "-v", `${dir}/mine:/f:ro,idmap`, "busybox", "stat", "-c", "%u:%g", "/f"];
    assert.equal(await daemon.text(c, text), "0:0");
    const listed = `uids=${CALLER}-7-1#0-8-1;gids=@${GROUP}-9-1`;
    const list = ["run", "--rm", "-v", `${dir}:/x:idmap=${listed}`, "busybox", "stat", "-c", "%u:%g"];
    assert.equal(await daemon.text(c, [...list, "/x/mine", "/x/roots"]), "7:9\n8:65534");
    const refused: [string, RegExp][] = [
      ["idmap=no", /invalid idmap "no": expected/],
      ["idmap=uids=1-2", /"1-2" is not DISK-HOST-COUNT/],
      ["idmap=uids=1-2-0", /1-2-0 is no range of ids/],
      ["idmap=uids=1-2-4294967295", /is no range of ids/],
      ["idmap=uids=0-5-2#1-9-1", /the id 1 inside is mapped twice/],
      ["idmap,idmap", /invalid mode: idmap,idmap/],
    ];
    for (const [mode, reason] of refused) {
      const outcome = await daemon.run(c, ["run", "--rm", "-v", `${dir}:/x:${mode}`, "busybox", "true"]);
      assert.notEqual(outcome.status, 0, mode);
      assert.match(outcome.stderr, reason);
    }
  });

  test(`what a file system cannot show is refused, and nothing is started (${c.name})`, async () => {
    const args = ["run", "--name", "never", "-v", "/proc/sys:/x:idmap=uids=0-5-1", "busybox", "true"];
    const outcome = await daemon.run(c, args);
    assert.notEqual(outcome.status, 0);
    assert.match(outcome.stderr, /idmap.*file system has no id-mapped mounts/);
    assert.equal((await daemon.inspect("never")).State.Pid, 0);
  });

  test(`volumes, and cp while the container is stopped (${c.name})`, async () => {
    const dir = await callersDir();
    await daemon.text(c, ["create", "--name", "stopped", "-v", `${dir}:/x:idmap`, "busybox", "true"]);
    await daemon.text(c, ["cp", "/etc/hostname", "stopped:/x/copied"]);
    assert.equal(await owner(`${dir}/copied`), `${CALLER}:${GROUP}`);
    const tar = await run(["tar", "-tv", "--numeric-owner"], {
      input: (await daemon.run(c, ["cp", "stopped:/x/mine", "-"])).bytes,
    });
    assert.match(tar.stdout, /^-rw------- 0\/0 .* mine$/m);
    await daemon.text(c, ["volume", "create", "held"]);
    const at = `${daemon.dataRoot}/volumes/held/_data`;
    await chown(at, CALLER, GROUP);
    await daemon.text(c, ["run", "--rm", "-v", "held:/v:idmap", "busybox", "touch", "/v/made"]);
    assert.equal(await owner(`${at}/made`), `${CALLER}:${GROUP}`);
  });
}

test("--mount says it for binds and volumes; another container takes it over for its own user", async () => {
  const berth = first;
  const dir = await callersDir();
  const mount = `type=bind,src=${dir},dst=/x,idmap`;
  await daemon.text(berth, ["run", "--name", "giver", "--mount", mount, "busybox", "touch", "/x/one"]);
  const taker = ["run", "--rm", "-u", "dev", "--volumes-from", "giver", "busybox", "touch", "/x/two"];
  await daemon.text(berth, taker);
  for (const name of ["one", "two"]) assert.equal(await owner(`${dir}/${name}`), `${CALLER}:${GROUP}`);
  const listed = `type=volume,src=v1,dst=/x,idmap=uids=0-3-1#3-0-1;gids=0-0-9`;
  assert.equal(
    await daemon.text(berth, ["run", "--rm", "--mount", listed, "busybox", "stat", "-c", "%u", "/x"]),
    "3",
  );
  const wrong = await daemon.run(berth, ["create", "--mount", "type=tmpfs,dst=/x,idmap", "busybox", "true"]);
  assert.match(wrong.stderr, /cannot use 'idmap' with mount type 'tmpfs'/);
  const body = {
    Image: "busybox",
    Cmd: ["true"],
    HostConfig: { Mounts: [{ Type: "bind", Source: dir, Target: "/x", BindOptions: { IDMap: "me" } }] },
  };
  const { status, body: answer } = await daemon.request("POST", "/containers/create", body);
  assert.equal(status, 400);
  assert.match((answer as { message: string }).message, /invalid idmap "me"/);
});
