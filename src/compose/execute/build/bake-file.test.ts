// `build --print`; the text is what Docker Compose 5.5 prints for the same project.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Project, Service } from "../../model/project.ts";
import { bakeFile } from "./bake-file.ts";
import { settingsOf } from "./settings.ts";

const base = {
  name: "base",
  build: { context: "/p/base", args: { A: "x", B: null }, ssh: { default: null }, tags: ["other:1"] },
};
const web = {
  name: "my.web",
  image: "web:1",
  build: {
    context: "/p/web",
    additional_contexts: { base: "service:base", d: "/p/base" },
    secrets: [{ source: "s" }, { source: "e", target: "tok" }],
    labels: { "a.b": "c" },
    privileged: true,
    extra_hosts: { h: ["1.2.3.4", "1.2.3.5"] },
    ulimits: { nofile: { soft: 1, hard: 2 }, nproc: 3 },
    shm_size: 67108864,
    cache_from: ["x"],
    platforms: ["linux/amd64", "linux/arm64"],
    provenance: "mode=max",
    sbom: "true",
    network: "host",
    no_cache_filter: ["a"],
    dockerfile_inline: 'FROM base\nRUN echo "<>" && true\n',
  },
};
const project = {
  name: "p1",
  separator: "-",
  environment: new Map(),
  secrets: { s: { file: "/p/s" }, e: { environment: "HOME", content: "/root" } },
} as unknown as Project;

const EXPECTED = String.raw`{
  "group": {
    "default": {
      "targets": [
        "my_web"
      ]
    }
  },
  "target": {
    "base": {
      "context": "/p/base",
      "dockerfile": "/p/base/Dockerfile",
      "args": {
        "A": "x"
      },
      "labels": {
        "com.docker.compose.project": "p1",
        "com.docker.compose.service": "base",
        "com.docker.compose.version": "5.5.0"
      },
      "tags": [
        "other:1",
        "p1-base"
      ],
      "ssh": [
        "default="
      ],
      "output": [
        "type=docker"
      ]
    },
    "my_web": {
      "context": "/p/web",
      "contexts": {
        "base": "target:base",
        "d": "/p/base"
      },
      "dockerfile-inline": "FROM base\nRUN echo \"\u003c\u003e\" \u0026\u0026 true\n",
      "labels": {
        "a.b": "c",
        "com.docker.compose.project": "p1",
        "com.docker.compose.service": "my.web",
        "com.docker.compose.version": "5.5.0"
      },
      "tags": [
        "web:1"
      ],
      "cache-from": [
        "x"
      ],
      "secret": [
        "id=s,type=file,src=/p/s",
        "id=tok,type=env,env=HOME"
      ],
      "platforms": [
        "linux/amd64",
        "linux/arm64"
      ],
      "network": "host",
      "no-cache-filter": [
        "a"
      ],
      "shm-size": "67108864",
      "ulimits": [
        "nofile=1:2",
        "nproc=3"
      ],
      "entitlements": [
        "security.insecure"
      ],
      "extra-hosts": {
        "h": "1.2.3.4,1.2.3.5"
      },
      "output": [
        "type=image,push=true"
      ],
      "attest": [
        "type=provenance,mode=max",
        "type=sbom"
      ]
    }
  }
}
`;

function print(services: readonly object[], call?: "lint"): string {
  return bakeFile(project, {
    services: services as readonly Service[],
    built: [web as unknown as Service],
    settingsOf: (service) =>
      settingsOf({ version: "5.5.0" }, project, service, {
        isQuiet: false,
        push: true,
        isForAllPlatforms: true,
      }),
    dockerfileOf: ({ build }) => `${build?.context}/Dockerfile`,
    call,
  });
}

test("a project as a file of bake", () => {
  assert.equal(print([base, web]), EXPECTED);
});

test("a check has no output", () => {
  const { target } = JSON.parse(print([web], "lint")) as { target: Record<string, Record<string, unknown>> };
  assert.deepEqual([target["my_web"]?.["call"], target["my_web"]?.["output"]], ["lint", undefined]);
});

test("a variable of a Dockerfile is none of bake's", () => {
  const build = { ...web.build, dockerfile_inline: "RUN echo $" + "{X}" };
  const { target } = JSON.parse(print([{ ...web, build }])) as {
    target: Record<string, Record<string, unknown>>;
  };
  assert.equal(target["my_web"]?.["dockerfile-inline"], "RUN echo $$" + "{X}");
});

test("names that are the same without their dots stay different", () => {
  const { target } = JSON.parse(print([{ ...base, name: "a.b" }, { ...base, name: "a_b" }, web])) as {
    target: object;
  };
  assert.deepEqual(Object.keys(target).sort(), ["a_b", "a_b_", "my_web"]);
});
