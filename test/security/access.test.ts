// An authorisation plugin that is to keep privileged containers away, and clients that show it less than what runs.
import { mkdtempSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { run } from "../e2e/command.ts";
import { attacks } from "./attack.ts";

const dir = mkdtempSync(join(tmpdir(), "berth-attack-access-"));
const socket = join(dir, "judge.sock");

const plugin = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on("data", (part: Buffer) => parts.push(part));
  request.on("end", () => {
    if (request.url === "/Plugin.Activate") return response.end(JSON.stringify({ Implements: ["authz"] }));
    const { RequestBody = "" } = JSON.parse(Buffer.concat(parts).toString()) as { RequestBody?: string };
    const isPrivileged = Buffer.from(RequestBody, "base64").toString().includes('"Privileged":true');
    return response.end(JSON.stringify(isPrivileged ? { Allow: false, Msg: "no" } : { Allow: true }));
  });
});
before(() => new Promise<void>((resolve) => void plugin.listen(socket, resolve)));
after(async () => {
  plugin.closeAllConnections();
  await new Promise((resolve) => plugin.close(resolve));
  await rm(dir, { recursive: true, force: true });
});

/** The daemon finds the plugin where plugins are found, in a /run of its own. */
const SEES_PLUGIN =
  'mount -t tmpfs tmpfs /run && mkdir -p /run/docker/plugins && ln -s "$0" /run/docker/plugins/judge.sock && exec "$@"';

attacks(
  "authorisation",
  [
    {
      claim: "a plugin judges the body that runs, however long it is and however it is sent",
      cves: ["CVE-2024-41110", "CVE-2026-34040"],
      // What is larger than a buffer is not shown.
      weakened: [
        [
          "src/server/access/authz.ts",
          '...(bodyText === "" || isSecret ? {}',
          '...(bodyText === "" || isSecret || bodyText.length > 1 << 20 ? {}',
        ],
      ],
      async run(bed) {
        const create = { Image: "busybox", Cmd: ["true"], HostConfig: { Privileged: true } };
        const bodies = {
          plain: JSON.stringify(create),
          "padded after": JSON.stringify({ ...create, Env: [`PAD=${"x".repeat(3 << 20)}`] }),
          "padded before": " ".repeat(2 << 20) + JSON.stringify(create),
          twice: `${JSON.stringify({ Image: "busybox", Cmd: ["true"] }).slice(0, -1)},"HostConfig":{"Privileged":true}}`,
        };
        const ways = {
          length: [],
          chunks: ["Transfer-Encoding: chunked"],
          both: ["Transfer-Encoding: chunked", "Content-Length: 0"],
        };
        const got: string[] = [];
        const file = join(dir, "body.json");
        for (const [what, body] of Object.entries(bodies))
          for (const [how, headers] of Object.entries(ways)) {
            await writeFile(file, body);
            const fields = ["Content-Type: application/json", ...headers].flatMap((field) => ["-H", field]);
            const target = ["--unix-socket", bed.daemon.socket, "http://d/containers/create"];
            const { stdout } = await run([
              "curl",
              "-s",
              "-m",
              "20",
              ...fields,
              "--data-binary",
              `@${file}`,
              ...target,
            ]);
            if (stdout.includes('"Id"')) got.push(`${what}, ${how}: ${stdout}`);
          }
        return got;
      },
    },
  ],
  {
    wrap: (argv) => ["unshare", "--mount", "sh", "-c", SEES_PLUGIN, socket, ...argv],
    config: { "authorization-plugins": ["judge"] },
    expectedErrors: /authorization|plugin judge/,
  },
);
