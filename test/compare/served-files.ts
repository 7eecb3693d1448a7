// What the contexts of contexts-current.ts fetch: files and a git repository of this comparison's own over HTTP. Engines reach it by the
// address that COMPARE_ADDRESS names, one of this host's that both of them have a way to.
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Time of what is served and packed: long before any build. */
const TIME_SEC = Date.UTC(2014, 2, 3) / 1000;
const PLAIN = "served\n";

/** A file's archives by compression, as ADD unpacks them. */
export function writeArchives(dir: string): void {
  const from = mkdtempSync(join(tmpdir(), "compare-archive-"));
  mkdirSync(join(from, "d"), { mode: 0o750 });
  writeFileSync(join(from, "d/f"), "packed\n", { mode: 0o640 });
  writeFileSync(join(from, "run"), "#!/bin/sh\n");
  chmodSync(join(from, "run"), 0o4755);
  symlinkSync("d/f", join(from, "link"));
  linkSync(join(from, "d/f"), join(from, "same"));
  for (const name of ["d/f", "run", "d"]) utimesSync(join(from, name), TIME_SEC, TIME_SEC);
  const files = ["d", "link", "run", "same"];
  const tar = join(dir, "files.tar");
  const owner = ["--owner=1000", "--group=2000", "--numeric-owner", `--mtime=@${TIME_SEC}`];
  execFileSync("tar", ["-C", from, "-cf", tar, ...owner, ...files]);
  for (const [program, suffix] of [
    ["gzip", "gz"],
    ["bzip2", "bz2"],
    ["xz", "xz"],
    ["zstd", "zst"],
  ] as const)
    writeFileSync(`${tar}.${suffix}`, execFileSync(program, ["-c", tar]));
  writeFileSync(join(dir, "odd.name"), readFileSync(`${tar}.gz`));
  for (const name of ["", ".gz", ".bz2", ".xz", ".zst"]) utimesSync(tar + name, TIME_SEC, TIME_SEC);
  utimesSync(join(dir, "odd.name"), TIME_SEC, TIME_SEC);
  rmSync(from, { recursive: true });
}

export interface ServedFiles extends Disposable {
  /** Puts addresses and digests into a Dockerfile or an argument. */
  fill(text: string): string;
}

/** A repository with two branches, a tag, a directory `part` and a build of its own. */
function writeRepository(dir: string, base: string): string {
  const work = join(dir, "work");
  const date = `@${TIME_SEC} +0000`;
  const env = {
    ...process.env,
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_DATE: date,
    GIT_CONFIG_GLOBAL: "/dev/null",
  };
  const git = (...args: string[]): string =>
    execFileSync("git", ["-c", "user.name=x", "-c", "user.email=x@example.org", "-C", work, ...args], { env })
      .toString()
      .trim();
  mkdirSync(join(work, "part"), { recursive: true });
  git("init", "-q", "-b", "main");
  const build = (name: string): string => `FROM ${base}\nCOPY . /${name}/\n`;
  writeFileSync(join(work, "Dockerfile"), build("whole"));
  writeFileSync(join(work, "run.sh"), "#!/bin/sh\n", { mode: 0o755 });
  writeFileSync(join(work, "part/Dockerfile"), build("part"));
  symlinkSync("run.sh", join(work, "link"));
  git("add", "-A");
  git("commit", "-q", "-m", "one");
  git("tag", "-a", "v1", "-m", "v1");
  git("checkout", "-q", "-b", "next");
  writeFileSync(join(work, "part/next"), "next\n");
  git("add", "-A");
  git("commit", "-q", "-m", "next");
  git("checkout", "-q", "main");
  writeFileSync(join(work, "second"), "second\n");
  git("add", "-A");
  git("commit", "-q", "-m", "two");
  execFileSync("git", ["clone", "-q", "--bare", work, join(dir, "app.git")], { env });
  execFileSync("git", ["-C", join(dir, "app.git"), "config", "uploadpack.allowReachableSHA1InWant", "true"]);
  return git("rev-parse", "HEAD");
}

/** git's own server program for one request (CGI). */
function serveGit(dir: string, url: URL, request: IncomingMessage, response: ServerResponse): void {
  const child = spawn("git", ["http-backend"], {
    env: {
      ...process.env,
      GIT_PROJECT_ROOT: dir,
      GIT_HTTP_EXPORT_ALL: "1",
      GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method ?? "GET",
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      HTTP_CONTENT_ENCODING: String(request.headers["content-encoding"] ?? ""),
      REMOTE_ADDR: "127.0.0.1",
    },
    stdio: ["pipe", "pipe", "inherit"],
  });
  request.pipe(child.stdin);
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.on("close", () => {
    const out = Buffer.concat(chunks);
    const end = out.indexOf("\r\n\r\n");
    const headers = new Map<string, string>();
    for (const line of out.subarray(0, end).toString().split("\r\n")) {
      const colon = line.indexOf(":");
      headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    const status = Number.parseInt(headers.get("status") ?? "200", 10);
    headers.delete("status");
    response.writeHead(status, Object.fromEntries(headers)).end(out.subarray(end + 4));
  });
}

/** Serves until it is disposed of. */
export async function serveFiles(address: string, base: string): Promise<ServedFiles> {
  const dir = mkdtempSync(join(tmpdir(), "compare-served-"));
  writeArchives(dir);
  writeFileSync(join(dir, "plain.txt"), PLAIN);
  const commit = writeRepository(dir, base);
  mkdirSync(join(dir, "context"));
  writeFileSync(join(dir, "context/Dockerfile"), `FROM ${base}\nCOPY . /whole/\n`);
  writeFileSync(join(dir, "context/a"), "A\n");
  for (const name of ["a", "Dockerfile"]) utimesSync(join(dir, "context", name), TIME_SEC, TIME_SEC);
  execFileSync("tar", ["-C", join(dir, "context"), "-czf", join(dir, "context.tar.gz"), "Dockerfile", "a"]);
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://files/");
    if (url.pathname.startsWith("/app.git")) serveGit(dir, url, request, response);
    else if (url.pathname.startsWith("/redirect/"))
      response.writeHead(302, { location: url.pathname.slice("/redirect".length) }).end();
    else if (url.pathname === "/named/x")
      response.writeHead(200, { "content-disposition": 'attachment; filename="told.txt"' }).end(PLAIN);
    else if (url.pathname === "/dated/plain.txt")
      response.writeHead(200, { "last-modified": new Date(TIME_SEC * 1000).toUTCString() }).end(PLAIN);
    else if (/^\/(?:plain\.txt|files\.tar\.gz|context\.tar\.gz)$/.test(url.pathname))
      response.writeHead(200).end(readFileSync(join(dir, url.pathname)));
    else response.writeHead(404).end("no such file\n");
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const bound = server.address();
  const port = typeof bound === "object" && bound !== null ? bound.port : 0;
  const digest = createHash("sha256").update(PLAIN).digest("hex");
  return {
    fill: (text) =>
      text
        .replaceAll("http://files/", `http://${address}:${port}/`)
        .replaceAll("{sha256 plain.txt}", digest)
        .replaceAll("{commit}", commit),
    [Symbol.dispose]() {
      server.close();
      rmSync(dir, { recursive: true });
    },
  };
}
