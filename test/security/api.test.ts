// The daemon's API against clients that send anything: every operation of the contract, with parameters and bodies made from its own
// schemas and then spoilt. Whatever comes, the answer is not "internal error", the daemon lives, and its memory is bounded.
import { readFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";
import fc from "fast-check";
import type { OperationSpec, QuerySpec } from "../../src/api/contract.ts";
import { ALL_OPERATIONS } from "../../src/api/operations/all.ts";
import type { Schema } from "../../src/lib/schema/schema.ts";
import { attacks } from "./attack.ts";
import type { Bed } from "./bed.ts";

/** These ask a registry or another host, of which there is none here: that they cannot is no fault of the request. */
const ASK_OTHERS = new Set([
  "ImagePush",
  "DistributionInspect",
  "ImageSearch",
  "SystemAuth",
  "PluginPull",
  "GetPluginPrivileges",
  "PluginUpgrade",
  "PluginPush",
]);
/** compat: what Docker answers with 500 too, by its words: a request that cannot be carried out, and no fault of the daemon's. */
const REFUSED_AS_500: Readonly<Record<string, RegExp>> = {
  // criu refuses what the kernel, or the container, gives it.
  ContainerCheckpoint: /^cannot checkpoint container .+: criu failed to checkpoint container /s,
  ContainerDelete: /^Conflict, cannot remove the default link name of the container$/,
  ContainerUnpause: /is not paused/,
  ContainerRestart:
    /^Cannot restart container .*?: (?:invalid signal|the linux daemon does not support signal)/,
  ContainerStart: /^checkpoint .+ does not exist for container /s,
  NetworkDisconnect: /is not connected to (?:the )?network/,
  // The kernel refuses a limit, e.g. one beyond the parent's.
  ContainerUpdate: /^Cannot update container \w{64}: .*cgroup/,
};
/** The same requests in each run, so that a failure says something about the change; `make fuzz` tries others. */
const SEED = Number(process.env["BERTH_API_SEED"] ?? 20_210_128);
const REQUESTS_PER_OPERATION = Number(process.env["BERTH_API_REQUESTS"] ?? 14);
const ANSWER_MS = 15_000;

const names = fc.constantFrom("box", "stopped", "busybox", "bridge", "vol", "nobody");
const nasty = fc.constantFrom(
  "",
  " ",
  "\0",
  "..",
  "../../etc/passwd",
  "/",
  "//",
  "%",
  "%00",
  "%2e%2e%2f",
  "a".repeat(5000),
  "\u2028",
  "\u{1f4a5}",
  "-1",
  "0",
  "99999999999999999999",
  "1e999",
  "NaN",
  "true",
  "null",
  "{}",
  "[]",
  '{"a":',
  "sha256:",
  `sha256:${"0".repeat(64)}`,
  "x:y:z",
  "host",
  "container:",
  "container:box",
  "__proto__",
  "constructor",
  "toString",
  "1/tcp",
  "65536/udp",
  "-p",
  "$(id)",
  "`id`",
  "\x1b]0;x\x07",
  "127.0.0.1:99999",
  "::",
  "10.0.0.0/33",
);
const words = fc.oneof(names, nasty, fc.string({ maxLength: 30, unit: "binary" }));
const numbers = fc.oneof(
  fc.integer(),
  fc.constantFrom(0, -1, 1, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 63, -(2 ** 63), 1e308, 0.5, 1e-7),
);
const anything = fc.oneof(
  words,
  numbers,
  fc.boolean(),
  fc.constant(null),
  fc.constant([]),
  fc.constant({}),
  fc.json().map((t) => JSON.parse(t) as unknown),
);

/** A value of the schema; one in eight places has something else. */
function valueOf(schema: Schema, depth = 0): fc.Arbitrary<unknown> {
  const proper = (): fc.Arbitrary<unknown> => {
    switch (schema.kind) {
      case "string":
        return words;
      case "bool":
        return fc.boolean();
      case "int":
      case "float":
        return numbers;
      case "any":
        return anything;
      case "nullable":
      case "optional":
        return valueOf(schema.of, depth);
      case "list":
        return depth > 4 ? fc.constant([]) : fc.array(valueOf(schema.item, depth + 1), { maxLength: 3 });
      case "map":
        return depth > 4
          ? fc.constant({})
          : fc.dictionary(words, valueOf(schema.value, depth + 1), { maxKeys: 3, noNullPrototype: true });
      case "struct": {
        if (depth > 4) return fc.constant({});
        const fields = Object.entries(schema.fields).map(
          ([name, field]) => [name, valueOf(field, depth + 1)] as const,
        );
        return fc
          .record(Object.fromEntries(fields), { requiredKeys: [], noNullPrototype: true })
          .chain((whole) => {
            const keys = Object.keys(whole);
            // Few fields at a time: else one wrong one hides all others.
            return fc
              .subarray(keys, { maxLength: Math.min(keys.length, 5) })
              .map((kept) => Object.fromEntries(kept.map((k) => [k, whole[k]])));
          });
      }
    }
  };
  return fc.oneof({ weight: 7, arbitrary: proper() }, { weight: 1, arbitrary: anything });
}

const spoilt = (json: string): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 6, arbitrary: fc.constant(json) },
    { weight: 1, arbitrary: fc.nat(json.length).map((at) => json.slice(0, at)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        "",
        "null",
        "[]",
        "1",
        "{",
        "\xff\xfe",
        `{"a":${"[".repeat(100_000)}`,
        `${json}x`,
        `${json}${json}`,
      ),
    },
  );

const kindOf = (spec: QuerySpec): string => (typeof spec === "string" ? spec : spec.kind);
const wireOf = (name: string, spec: QuerySpec): string => (typeof spec === "string" ? name : spec.wire);

function queryValue(kind: string): fc.Arbitrary<string> {
  if (kind === "filters")
    return fc.oneof(
      fc
        .dictionary(words, fc.oneof(fc.array(words), fc.dictionary(words, fc.boolean()), anything))
        .map((f) => JSON.stringify(f)),
      words,
    );
  if (kind.startsWith("json")) return fc.oneof(fc.json(), words);
  return fc.oneof(words, numbers.map(String));
}

interface Hostile {
  readonly operation: OperationSpec;
  readonly target: string;
  readonly body: string | undefined;
}

async function hostile(operation: OperationSpec): Promise<fc.Arbitrary<Hostile>> {
  const path = operation.path
    .split(/(\{\w+\})/)
    .map((part) => (part.startsWith("{") ? words.map(encodeURIComponent) : fc.constant(part)));
  const query = Object.entries(operation.query ?? {}).map(([name, spec]) =>
    fc
      .option(queryValue(kindOf(spec)), { nil: undefined })
      .map((v) => (v === undefined ? "" : `${wireOf(name, spec)}=${encodeURIComponent(v)}`)),
  );
  const body =
    operation.body?.kind === "json"
      ? valueOf(await operation.body.schema()).chain((v) => spoilt(JSON.stringify(v) ?? "null"))
      : fc.oneof(fc.constant(undefined), words);
  return fc.tuple(fc.tuple(...path), fc.tuple(...query), body).map(([parts, pairs, text]) => ({
    operation,
    target: `/v1.51${parts.join("")}?${pairs.filter((p) => p !== "").join("&")}`,
    body: text,
  }));
}

interface Answer {
  /** 0 when the connection ended or nothing came, which streams may do. */
  readonly status: number;
  /** The beginning of what a failed request is told. */
  readonly text: string;
}

const SILENCE: Answer = { status: 0, text: "" };

function answerTo(socketPath: string, { operation, target, body }: Hostile): Promise<Answer> {
  return new Promise((resolve) => {
    const hijack = operation.success.kind === "hijack" ? { Connection: "Upgrade", Upgrade: "tcp" } : {};
    const request = httpRequest({
      socketPath,
      method: operation.method,
      path: target.replaceAll(/[^\x21-\x7e]/g, "_"),
      headers: {
        Host: "d",
        "Content-Type": operation.body?.kind === "json" ? "application/json" : "application/x-tar",
        ...hijack,
      },
      timeout: ANSWER_MS,
    });
    const done = (answer: Answer): void => {
      request.destroy();
      resolve(answer);
    };
    request.on("response", (response) => {
      const status = response.statusCode ?? 0;
      if (status !== 500) done({ status, text: "" });
      else response.once("data", (data: Buffer) => done({ status, text: messageIn(data) }));
    });
    request.on("upgrade", () => done({ status: 101, text: "" }));
    request.on("timeout", () => done(SILENCE));
    request.on("error", () => resolve(SILENCE));
    request.end(body);
  });
}

function messageIn(data: Buffer): string {
  const { message } = JSON.parse(data.toString()) as { message?: unknown };
  return String(message);
}

/** Whether the daemon says that it has failed, and not the request. */
function isInternal({ name }: OperationSpec, { status, text }: Answer): boolean {
  if (status !== 500 || ASK_OTHERS.has(name)) return false;
  return REFUSED_AS_500[name]?.test(text) !== true;
}

/** How long a server that takes nothing more is tried: it has refused what it was sent. */
const patience = (): Promise<boolean> => new Promise((resolve) => setTimeout(() => resolve(false), 1000));
const drained = (socket: Socket): Promise<boolean> =>
  new Promise((resolve) => socket.once("drain", () => resolve(true)));

async function memoryOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
}

async function residents(bed: Bed): Promise<void> {
  await bed.text(["run", "-d", "--name", "box", "-v", "vol:/v", "busybox", "sleep", "1000"]).catch(() => "");
  await bed.text(["create", "--name", "stopped", "busybox", "true"]).catch(() => "");
}

attacks(
  "the API",
  [
    {
      claim: "no request of any operation is answered with an internal error, and none ends the daemon",
      cves: ["CVE-2021-21285", "CVE-2022-23471", "CVE-2024-24557"],
      weakened: [
        [
          "src/server/input.ts",
          "    throw invalid(`strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`);",
          "    throw new Error(value);",
        ],
      ],
      async run(bed) {
        const got: string[] = [];
        for (const operation of ALL_OPERATIONS) {
          await residents(bed);
          const requests = fc.sample(await hostile(operation), {
            numRuns: REQUESTS_PER_OPERATION,
            seed: SEED,
          });
          const answers = await Promise.all(requests.map((r) => answerTo(bed.daemon.socket, r)));
          for (const [i, answer] of answers.entries()) {
            if (!isInternal(operation, answer)) continue;
            const { target, body } = requests[i] as Hostile;
            const asked = `${operation.method} ${target.slice(0, 300)} ${body?.slice(0, 400) ?? ""}`;
            got.push(`${operation.name}: ${asked} (seed ${SEED}): ${answer.text}`);
          }
          const alive = await bed.daemon.request("GET", "/_ping");
          if (alive.status !== 200) return [...got, `${operation.name} ended the daemon`];
        }
        return got;
      },
    },
    {
      claim: "bodies, heads and nesting without end are refused before they fill the memory",
      cves: ["CVE-2024-41110", "CVE-2025-64329", "CVE-2026-47262"],
      weakened: [
        [
          "src/server/whole-body.ts",
          "const MAX_JSON_BODY_BYTES = 16 * 1024 * 1024;",
          "const MAX_JSON_BODY_BYTES = 2 ** 40;",
        ],
      ],
      async run(bed) {
        const before = await memoryOf(bed.daemon.pid);
        const got: string[] = [];
        const flood = async (head: string, chunk: Buffer, bytes: number): Promise<void> => {
          const socket = connect({ path: bed.daemon.socket });
          socket.on("error", () => {}); // ignored: a refusal may close it
          socket.resume();
          const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
          socket.write(head);
          for (let sent = 0; sent < bytes && !socket.destroyed; sent += chunk.length) {
            if (socket.write(chunk)) continue;
            const takesMore = await Promise.race([drained(socket), closed.then(() => false), patience()]);
            if (!takesMore) break;
          }
          socket.destroy();
        };
        const json = "POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n";
        const chunk = Buffer.alloc(1 << 20, "[");
        const quoted = Buffer.alloc(1 << 20, "x");
        await flood(`${json}Content-Length: 1000000000\r\n\r\n`, chunk, 400e6);
        await flood(
          `${json}Transfer-Encoding: chunked\r\n\r\n`,
          Buffer.concat([Buffer.from("100000\r\n"), quoted, Buffer.from("\r\n")]),
          400e6,
        );
        await flood("GET /_ping HTTP/1.1\r\nX: ", quoted, 100e6);
        await flood(`GET /${"x".repeat(100)}`, quoted, 100e6);
        await flood("GET /_ping HTTP/1.1\r\n", Buffer.from("X: y\r\n".repeat(20_000)), 50e6);
        if ((await bed.daemon.request("GET", "/_ping")).status !== 200) got.push("the daemon is gone");
        const grown = (await memoryOf(bed.daemon.pid)) - before;
        return grown < 150e6 ? got : [...got, `the daemon's memory grew by ${Math.round(grown / 1e6)} MB`];
      },
    },
  ],
  { expectedErrors: /./ },
);
