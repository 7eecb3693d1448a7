// Services as create requests.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ProjectDirectory } from "../load/project.fake.ts";
import { type ContainerRequest, containerRequest, type RequestOptions } from "./container.ts";

const directory = new ProjectDirectory();

/** The request for service `a` of a Compose file. */
async function request(text: string, options: Partial<RequestOptions> = {}): Promise<ContainerRequest> {
  const project = await directory.load(text);
  const service = project.services["a"];
  assert.ok(service);
  return containerRequest(project, service, { number: 1, imageId: "sha256:1", version: "9", ...options });
}

test("the labels by which Docker's tool and this one know a container", async () => {
  const { body } = await request(
    "services: {a: {image: i, labels: {own: x}, depends_on: {b: {condition: service_healthy}}}, b: {image: i}}",
  );
  const { "com.docker.compose.config-hash": hash, ...labels } = body.Labels ?? {};
  assert.match(hash ?? "", /^[0-9a-f]{64}$/);
  assert.deepEqual(labels, {
    own: "x",
    "com.docker.compose.project": "p",
    "com.docker.compose.service": "a",
    "com.docker.compose.version": "9",
    "com.docker.compose.project.working_dir": directory.path,
    "com.docker.compose.project.config_files": join(directory.path, "compose.yaml"),
    "com.docker.compose.oneoff": "False",
    "com.docker.compose.depends_on": "b:service_healthy:false",
    "com.docker.compose.container-number": "1",
    "com.docker.compose.image": "sha256:1",
  });
});

test("a container of run has a slug and no number", async () => {
  const { body } = await request("services: {a: {image: i}}", { number: 0, isOneOff: true, slug: "abc" });
  assert.equal(body.Labels?.["com.docker.compose.oneoff"], "True");
  assert.equal(body.Labels?.["com.docker.compose.slug"], "abc");
  assert.equal(body.Labels?.["com.docker.compose.container-number"], undefined);
});

test("what is not said is left to the image", async () => {
  const { body } = await request("services: {a: {image: i}}");
  assert.deepEqual([body.Cmd, body.Entrypoint, body.Env, body.User], [null, null, [], ""]);
  assert.equal(body.Image, "i");
  assert.equal(body.HostConfig?.NetworkMode, "p_default");
  assert.equal(body.Healthcheck, undefined);
  assert.equal(body.StopTimeout, undefined);
});

test("an empty command is not the image's", async () => {
  const { body } = await request("services: {a: {image: i, command: [], entrypoint: []}}");
  assert.deepEqual([body.Cmd, body.Entrypoint], [[], []]);
});

test("a variable without a value is passed by its name alone, after the client's proxies", async () => {
  const { body } = await request("services: {a: {image: i, environment: {B: 1, C: , A: ''}}}", {
    proxies: { http_proxy: "p", B: "proxy" },
  });
  assert.deepEqual(body.Env, ["A=", "B=1", "C", "http_proxy=p"]);
});

test("a service built without an image has the image of its own name", async () => {
  assert.equal((await request("services: {a: {build: .}}")).body.Image, "p-a");
});

test("ports are bound, unless they are to be handed over", async () => {
  const text = "services: {a: {image: i, ports: ['127.0.0.1:8080:80', '53:53/udp'], expose: ['9']}}";
  const { ExposedPorts, HostConfig } = (await request(text)).body;
  assert.deepEqual(Object.keys(ExposedPorts ?? {}).sort(), ["53/udp", "80/tcp", "9/tcp"]);
  assert.deepEqual(HostConfig?.PortBindings, {
    "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "8080" }],
    "53/udp": [{ HostIp: "", HostPort: "53" }],
  });
  assert.deepEqual((await request(text, { withholdsPorts: true })).body.HostConfig?.PortBindings, {});
});

test("networks: the service's name and its aliases, the first network by priority", async () => {
  const { networking } = await request(
    "services: {a: {image: i, networks: {n: {aliases: [x]}, m: {priority: 5, ipv4_address: 10.0.0.9}}}}\nnetworks: {n: , m: }",
  );
  assert.equal(networking.mode, "p_m");
  const first = (await request("services: {a: {image: i}}")).networking;
  assert.equal(first.mode, "p_default");
});

test("volumes: named ones are of the project, binds of the file's folder", async () => {
  const { body } = await request(
    "services: {a: {image: i, volumes: ['data:/data:ro', './x:/x', '/anonymous'], tmpfs: ['/run:size=1m', /tmp]}}\nvolumes: {data: }",
  );
  assert.deepEqual(body.HostConfig?.Tmpfs, { "/run": "size=1m", "/tmp": "" });
  const said = JSON.stringify([body.HostConfig?.Binds, body.HostConfig?.Mounts]);
  assert.match(said, /p_data/);
  assert.ok(said.includes(join(directory.path, "x")), said);
});

test("limits, capabilities, health and restart", async () => {
  const { body } = await request(`
services:
  a:
    image: i
    mem_limit: 64m
    cpus: 0.5
    pids_limit: 10
    cap_add: [NET_ADMIN]
    stop_grace_period: 1m30s
    restart: on-failure:3
    ulimits: {nofile: {soft: 1, hard: 2}}
    healthcheck: {test: ["CMD", "true"], interval: 2s, retries: 4}
`);
  const { HostConfig: host } = body;
  assert.equal(host?.Memory, 64 * 1024 * 1024);
  assert.equal(host?.NanoCpus, 500_000_000);
  assert.equal(host?.PidsLimit, 10);
  assert.deepEqual(host?.CapAdd, ["NET_ADMIN"]);
  assert.deepEqual(host?.RestartPolicy, { Name: "on-failure", MaximumRetryCount: 3 });
  assert.deepEqual(host?.Ulimits, [{ Name: "nofile", Soft: 1, Hard: 2 }]);
  assert.equal(body.StopTimeout, 90);
  assert.deepEqual(body.Healthcheck, { Test: ["CMD", "true"], Interval: 2_000_000_000, Retries: 4 });
});

test("security options: system paths are fields, profiles their text, others refused", async () => {
  writeFileSync(join(directory.path, "seccomp.json"), '{ "defaultAction": "SCMP_ACT_ALLOW" }');
  const { body } = await request(
    "services: {a: {image: i, security_opt: ['systempaths=unconfined', 'seccomp:seccomp.json', no-new-privileges]}}",
  );
  const host = body.HostConfig;
  assert.deepEqual(host?.MaskedPaths, []);
  assert.deepEqual(host?.SecurityOpt, ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}', "no-new-privileges"]);
  await assert.rejects(request("services: {a: {image: i, security_opt: [nonsense]}}"), {
    message: 'invalid security-opt: "nonsense"',
  });
  await assert.rejects(request("services: {a: {image: i, security_opt: ['seccomp=nowhere.json']}}"), {
    message: /^opening seccomp profile \(nowhere\.json\) failed: /,
  });
});

test("idmap goes through in the short form and as x-idmap", async () => {
  const { body } = await request(`services:
  a:
    image: i
    volumes:
      - /src:/a:ro,idmap
      - data:/b:idmap=uids=1-2-3
      - {type: bind, source: /src, target: /c, bind: {x-idmap: owner, propagation: rslave}}
      - {type: volume, source: data, target: /d, volume: {x-idmap: owner, subpath: s}}
volumes: {data: }
`);
  assert.deepEqual(body.HostConfig?.Binds, ["/src:/a:ro,idmap=owner", "p_data:/b:rw,idmap=uids=1-2-3"]);
  const [bind, volume] = body.HostConfig?.Mounts ?? [];
  assert.equal(bind?.BindOptions?.IDMap, "owner");
  assert.equal(volume?.VolumeOptions?.IDMap, "owner");
});
