import assert from "node:assert/strict";
import { hostname } from "node:os";
import { test } from "node:test";
import { extraAttributes, type LogInfo, logTag } from "./info.ts";

const info = (options: Record<string, string>): LogInfo => ({
  options,
  containerId: "0123456789abcdef".repeat(4),
  containerName: "web",
  command: ["sh", "-c", "true"],
  imageId: `sha256:${"f".repeat(64)}`,
  imageName: "nginx:1",
  createdAt: "2026-01-01T00:00:00Z",
  env: ["PATH=/bin", "A=env a", "ODD", "E="],
  labels: { a: "label a", "com.x.y": "1", A: "label A" },
});

test("labels and env are picked by name and by pattern, sorted, the last of a name wins", () => {
  assert.deepEqual(extraAttributes(info({})), {});
  assert.deepEqual(Object.entries(extraAttributes(info({ labels: "com.x.y,a,none", env: "E,ODD,A" }))), [
    ["A", "env a"],
    ["E", ""],
    ["a", "label a"],
    ["com.x.y", "1"],
  ]);
  assert.deepEqual(extraAttributes(info({ "labels-regex": "^com\\.", "env-regex": "(?i)^path$" })), {
    "com.x.y": "1",
    PATH: "/bin",
  });
  assert.deepEqual(
    extraAttributes(info({ labels: "a" }), (name) => `_${name}`),
    { _a: "label a" },
  );
  assert.throws(() => extraAttributes(info({ "env-regex": "(" })), /error parsing regexp: /);
});

test("the tag's template has Docker's fields and methods", () => {
  const tag = (text: string): string => logTag(info({ tag: text }), "{{.ID}}");
  assert.equal(logTag(info({}), "{{.ID}}"), "0123456789ab");
  assert.equal(logTag(info({}), ""), "");
  assert.equal(tag("{{.FullID}}"), "0123456789abcdef".repeat(4));
  assert.equal(tag("{{.Name}} {{.ImageName}} {{.DaemonName}}"), "web nginx:1 docker");
  assert.equal(tag("{{.ImageID}}|{{.ImageFullID}}"), `${"f".repeat(12)}|sha256:${"f".repeat(64)}`);
  assert.equal(tag("{{.Command}}"), "sh -c true");
  assert.equal(tag("{{.Hostname}}"), hostname());
  assert.equal(tag('{{upper .Name}}{{index .ContainerLabels "a"}}'), "WEBlabel a");
  assert.throws(
    () => tag("{{.Nope}}"),
    (e: Error) =>
      e.message ===
      `template: log-tag:1:2: executing "log-tag" at <.Nope>: can't evaluate field Nope in type *logger.Info`,
  );
  assert.throws(() => tag("{{.ID"), /^Fault: template: log-tag:1: unclosed action$/);
});
