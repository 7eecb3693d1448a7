// Many at once: nothing is lost, mixed up or left when clients come in crowds.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { clients, TestDaemon } from "./harness.ts";

let daemon: TestDaemon;
before(async () => {
  daemon = await TestDaemon.start();
});
afterEach(() => daemon.removeContainers());
after(() => daemon.close());

const numbers = Array.from({ length: 20 }, (_, i) => i);

for (const client of clients)
  describe(`${client.name}: many at once`, () => {
    test("twenty run --rm have each its own output and exit code and leave nothing", async () => {
      const all = await Promise.all(
        numbers.map((i) =>
          daemon.run(client, ["run", "--rm", "busybox", "sh", "-c", `echo ${i}; exit ${i}`], {
            timeoutMs: 60_000,
          }),
        ),
      );
      assert.deepEqual(
        all.map((o) => [o.status, o.stdout, o.stderr]),
        numbers.map((i) => [i, `${i}\n`, ""]),
      );
      assert.equal(await daemon.text(client, ["ps", "-aq"]), "");
    });

    test("twenty containers have twenty addresses and published ports", async () => {
      await Promise.all(
        numbers.map((i) =>
          daemon.text(client, ["run", "-d", "--name", `c${i}`, "-p", "80", "busybox", "sleep", "1000"], {
            timeoutMs: 60_000,
          }),
        ),
      );
      const seen = await Promise.all(numbers.map((i) => daemon.inspect(`c${i}`)));
      assert.equal(new Set(seen.map((c) => c.NetworkSettings.Networks["bridge"]?.IPAddress)).size, 20);
      assert.equal(new Set(seen.map((c) => c.NetworkSettings.Ports["80/tcp"]?.[0]?.HostPort)).size, 20);
      await daemon.text(client, ["rm", "-f", ...numbers.map((i) => `c${i}`)], { timeoutMs: 60_000 });
      assert.equal(await daemon.text(client, ["ps", "-aq"]), "");
    });

    test("of ten who want one name, one gets it", async () => {
      const all = await Promise.all(
        numbers.slice(10).map(() => daemon.run(client, ["create", "--name", "wanted", "busybox", "true"])),
      );
      assert.equal(all.filter((o) => o.status === 0).length, 1);
      assert.equal(all.filter((o) => /is already in use/.test(o.stderr)).length, 9);
    });

    test("start, stop, kill and rm of one container at the same time end in order", async () => {
      await daemon.text(client, ["create", "--name", "torn", "busybox", "sleep", "1000"]);
      const verbs = [
        ["start", "torn"],
        ["stop", "-t", "0", "torn"],
        ["kill", "torn"],
        ["restart", "-t", "0", "torn"],
        ["start", "torn"],
        ["rm", "-f", "torn"],
      ];
      await Promise.all(verbs.map((args) => daemon.run(client, args)));
      const again = await daemon.run(client, ["rm", "-f", "torn"]);
      assert.ok([0, 1].includes(again.status));
      assert.equal(await daemon.text(client, ["ps", "-aq"]), "");
    });
  });
