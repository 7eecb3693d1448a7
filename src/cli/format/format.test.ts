// Formatting that goldens reach only in part: JSON re-indentation, ports, typed values of templates, stats.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { int, list, map, nullable, optional, struct, text } from "../../lib/schema/schema.ts";
import { Template } from "../../template/template.ts";
import { formatPorts } from "./container.ts";
import { goValue } from "./go-value.ts";
import { compactJson, indentJson } from "./json-text.ts";
import { usageOf } from "./stats.ts";

test("indentJson lays out as JSON.stringify does and keeps the spelling of values", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const plain = JSON.stringify(value);
      assert.equal(indentJson(plain, "    "), JSON.stringify(value, null, 4));
      assert.equal(compactJson(JSON.stringify(value, null, 2)), plain);
    }),
  );
  assert.equal(
    indentJson('{"a":12345678901234567890,"b":"\\u003c","c":[],"d":{}}', " "),
    '{\n "a": 12345678901234567890,\n "b": "\\u003c",\n "c": [],\n "d": {}\n}',
  );
});

test("formatPorts merges neighbours and sorts as Docker does", () => {
  const port = (PrivatePort: number, PublicPort?: number, IP = "0.0.0.0", Type = "tcp") =>
    PublicPort === undefined ? { PrivatePort, Type } : { IP, PrivatePort, PublicPort, Type };
  const cases: [ReturnType<typeof port>[], string][] = [
    [[], ""],
    [[port(9988)], "9988/tcp"],
    [[port(9988, 8080)], "0.0.0.0:8080->9988/tcp"],
    [[port(80, 80), port(81, 81), port(82, 82)], "0.0.0.0:80-82->80-82/tcp"],
    [[port(80, 80), port(82, 82)], "0.0.0.0:80->80/tcp, 0.0.0.0:82->82/tcp"],
    [[port(80), port(81), port(80, 80, "::")], "80-81/tcp, [::]:80->80/tcp"],
    [[port(1, 1, "1.2.3.4", "udp"), port(1, 1)], "0.0.0.0:1->1/tcp, 1.2.3.4:1->1/udp"],
  ];
  for (const [ports, expected] of cases) assert.equal(formatPorts(ports), expected);
});

const schema = struct("pkg.Thing", {
  Name: text,
  Count: int,
  Labels: nullable(map(text)),
  List: list(text),
  Inner: optional(struct("pkg.Inner", { Value: text })),
});

test("goValue gives templates the zero values of what the daemon left out", () => {
  const render = (source: string, value: unknown): string =>
    new Template(source).execute(goValue(schema, value));
  const source = '{{.Name}}|{{.Count}}|{{.Labels}}|{{.List}}|{{.Inner}}|{{index .Labels "x"}}|{{len .List}}';
  assert.equal(render(source, {}), "|0|map[]|[]|<nil>||0");
  const full = { Name: "n", Count: 2, Labels: { x: "1", a: "2" }, List: ["p", "q"], Inner: { Value: "v" } };
  assert.equal(render(source, full), "n|2|map[a:2 x:1]|[p q]|{v}|1|2");
  assert.equal(render("{{json .}}", { Name: "n" }), '{"Name":"n","Count":0,"Labels":null,"List":null}');
  assert.throws(() => render("{{.Inner.Value}}", {}), /nil pointer evaluating \*pkg\.Inner\.Value/);
  assert.throws(() => render("{{.Nope}}", {}), /can't evaluate field Nope in type pkg\.Thing/);
});

test("usageOf computes what Docker computes from the kernel's counters", () => {
  const usage = usageOf({
    cpu_stats: { cpu_usage: { total_usage: 300 }, system_cpu_usage: 2000, online_cpus: 2 },
    precpu_stats: { cpu_usage: { total_usage: 100 }, system_cpu_usage: 1000 },
    memory_stats: { usage: 1000, limit: 4000, stats: { inactive_file: 200 } },
    blkio_stats: {
      io_service_bytes_recursive: [
        { op: "Read", value: 5 },
        { op: "write", value: 7 },
        { op: "Sync", value: 9 },
      ],
    },
    networks: { eth0: { rx_bytes: 1, tx_bytes: 2 }, eth1: { rx_bytes: 10, tx_bytes: 20 } },
    pids_stats: { current: 3 },
  } as unknown as Parameters<typeof usageOf>[0]);
  assert.deepEqual(usage, {
    cpuPercent: 40,
    memoryBytes: 800,
    memoryLimitBytes: 4000,
    receivedBytes: 11,
    sentBytes: 22,
    readBytes: 5,
    writtenBytes: 7,
    processes: 3,
  });
});
