// The projects of test/projects, built twice from a Debian base, run, and asked something. `make test-projects` runs it: it needs
// mirrors of Debian, npm and PyPI and takes minutes.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { clients, TestDaemon } from "../e2e/harness.ts";
import { debianTar, openOutside, OUTSIDE_DNS, OUTSIDE_LINK } from "./debian.ts";

const PROJECTS = join(import.meta.dirname, "../projects");
/** What this host believes, for mirrors behind a certificate of its own. */
const CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";
const [berth] = clients;

describe("projects", () => {
  let daemon: TestDaemon;
  let closeOutside: () => Promise<void>;
  before(async () => {
    daemon = await TestDaemon.start({ hasImage: false, config: { dns: [OUTSIDE_DNS] }, lifeMs: 3_600_000 });
    daemon.otherLinks.push(OUTSIDE_LINK);
    closeOutside = await openOutside(daemon.network);
    const imported = ["import", await debianTar(), "debian:latest"];
    await daemon.text(berth as (typeof clients)[0], imported, { timeoutMs: 300_000 });
  });
  after(async () => {
    await closeOutside();
    await daemon.close();
  });

  for (const project of ["c-two-stages", "nginx-php", "node-app", "python-app"])
    test(project, async () => {
      const env = {
        PATH: process.env["PATH"] ?? "",
        DOCKER_HOST: `unix://${daemon.socket}`,
        DOCKER: berth?.argv.join(" ") ?? "",
        ...(existsSync(CERTIFICATES) ? { CA: CERTIFICATES } : {}),
      };
      const script = [join(PROJECTS, "run"), project];
      const { status, stdout, stderr } = await daemon.network.run(script, { env, timeoutMs: 900_000 });
      assert.equal(status, 0, stdout + stderr);
      assert.match(stdout, new RegExp(`^ok +${project}\n1 passed, 0 failed$`, "m"));
    });
});
