// What is said where the daemon cannot be asked everything, and of states that are hard to bring about.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerInspect } from "../../api/schemas/container.ts";
import type { ContainerFacts } from "../../api/schemas/facts.ts";
import { explainContainer } from "./container.ts";
import { explainDisk } from "./disk.ts";
import { explanationText } from "./explanation.ts";
import { explainContainerPort } from "./port.ts";
import { remedyFor } from "./start-errors.ts";

const inspect = (state: object = {}): ContainerInspect =>
  ({
    Id: "a".repeat(64),
    Name: "/web",
    Path: "httpd",
    Args: [],
    RestartCount: 0,
    State: { Status: "running", Running: true, Pid: 7, ExitCode: 0, Error: "", OOMKilled: false, ...state },
    HostConfig: {
      NetworkMode: "bridge",
      Memory: 0,
      RestartPolicy: { Name: "no" },
      PortBindings: { "80/tcp": [{ HostIp: "", HostPort: "8080" }] },
      LogConfig: { Type: "local" },
    },
    Config: {},
    NetworkSettings: {
      Networks: { bridge: {} },
      Ports: { "80/tcp": [{ HostIp: "0.0.0.0", HostPort: "8080" }] },
    },
  }) as unknown as ContainerInspect;

const listener = { Protocol: "tcp", Address: "0.0.0.0", Port: 80, Pid: 9, Command: "httpd" };
const rule = {
  Protocol: "tcp",
  HostIp: "0.0.0.0",
  HostPort: 8080,
  ContainerIp: "172.17.0.2",
  ContainerPort: 80,
};
const facts = (more: Partial<ContainerFacts>): ContainerFacts => ({
  Id: "a",
  Listeners: [listener],
  Rules: [rule],
  ...more,
});
const asked = { port: 80, protocol: "tcp" };

test("a rule that is not in the kernel, and a table that is gone, are the cause", () => {
  const explained = (f: ContainerFacts | undefined) =>
    explainContainerPort({ inspect: inspect(), internal: [], facts: f }, asked, "berth");
  assert.match(
    explained(facts({ Rules: [] })).Because[0] ?? "",
    /firewall rule for 0\.0\.0\.0:8080 is not in/,
  );
  assert.match(explained(facts({ Rules: null })).Because[0] ?? "", /table cannot be read/);
  assert.deepEqual(explained(facts({})).Because, []);
});

test("of a Docker Engine is said what it cannot know", () => {
  const port = explainContainerPort({ inspect: inspect(), internal: [], facts: undefined }, asked, "docker");
  assert.match(port.Verdict, /what is behind it is not known/);
  assert.match(port.Unknown.join(), /firewall rules.*Docker Engine.*listens/);
  const container = explainContainer(
    { inspect: inspect(), events: [], log: [], facts: undefined },
    { program: "docker", nowMs: 0 },
  );
  assert.match(container.Unknown.join(), /Docker Engine's API does not tell/);
  assert.match(explainDisk({}, undefined, "docker").Unknown.join(), /logs/);
});

test("processes that the kernel killed in a container that goes on are told", () => {
  const { Facts } = explainContainer(
    {
      inspect: inspect(),
      events: [],
      log: [],
      facts: facts({ Memory: { OomKills: 2, UsageBytes: 1, LimitBytes: 1 << 20 } }),
    },
    { program: "berth", nowMs: 0 },
  );
  assert.match(
    Facts.join(),
    /killed 2 of its processes for want of memory, not its first one: it may have 1MiB/,
  );
});

test("SIGKILL that nobody asked the daemon for is not said to come from it", () => {
  const dead = inspect({ Status: "exited", Running: false, ExitCode: 137 });
  const e = explainContainer(
    { inspect: dead, events: [], log: undefined, facts: undefined },
    { program: "berth", nowMs: 0 },
  );
  assert.match(e.Because.join(), /SIGKILL ended it.*nobody asked the daemon/);
  assert.match(e.Unknown.join(), /who sent SIGKILL/);
  assert.match(e.Unknown.join(), /its log driver, local, lets nobody read/);
});

test("errors of a start have a remedy where one is known", () => {
  for (const [error, remedy] of [
    ['exec: "x": executable file not found in $PATH', /PATH/],
    ["exec /run.sh: exec format error", /processor/],
    ["Bind for 0.0.0.0:80 failed: port is already allocated", /docker explain port/],
    ["bind source path does not exist: /srv/x", /make \/srv\/x/],
    ["network back not found", /docker network create/],
    ["unable to find user bob: no matching entries in passwd file", /passwd/],
    ["write /x: no space left on device", /docker explain disk/],
  ] as const)
    assert.match(remedyFor(error, "docker") ?? "", remedy);
  assert.equal(remedyFor("something new", "docker"), undefined);
});

test("the text is a chain, and escapes what comes out of containers", () => {
  const text = explanationText({
    Subject: "container web",
    Verdict: "exited",
    Because: ["a", "b"],
    Facts: [],
    Log: ["\u001b[31mred"],
    Advice: ["do"],
    Unknown: [],
  });
  assert.equal(
    text,
    "container web exited\n  because a\n    because b\n\nIts last lines:\n  | \\x1b[31mred\n\nWhat to do:\n  - do\n",
  );
});
