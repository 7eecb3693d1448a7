import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DiskUsage } from "../api/schemas/system.ts";
import { isEventKnown, shapeDiskUsage, shapeResponse } from "./shape.ts";

type Json = Record<string, unknown>;
const shape = (operation: string, version: string, value: Json) =>
  shapeResponse(operation, version, value) as Json;

describe("responses for older clients", () => {
  test("the newest version gets the engine's value itself", () => {
    const value = { Id: "x" };
    assert.equal(shapeResponse("ContainerInspect", "1.56", value), value);
    assert.equal(shapeResponse("ContainerList", "1.41", null), null);
  });

  test("container inspect regains the flat bridge fields and the graph driver", () => {
    const value = {
      Id: "0123456789abcdef",
      Config: { Hostname: "h" },
      ImageManifestDescriptor: {},
      Storage: { RootFS: { Snapshot: { Name: "overlayfs" } } },
      NetworkSettings: {
        Networks: {
          bridge: { IPAddress: "172.17.0.2", IPPrefixLen: 16, Aliases: null },
          mine: { IPAddress: "10.0.0.2", Aliases: ["h"] },
        },
      },
    };
    const frozen = structuredClone(value);
    const v151 = shape("ContainerInspect", "1.51", value);
    assert.equal((v151["NetworkSettings"] as Json)["IPAddress"], "172.17.0.2");
    assert.deepEqual(v151["GraphDriver"], { Data: null, Name: "overlayfs" });
    assert.equal(v151["Storage"], undefined);
    assert.equal((v151["NetworkSettings"] as Json)["HairpinMode"], false);
    assert.equal((v151["Config"] as Json)["OnBuild"], null);
    assert.equal((v151["HostConfig"] as Json | undefined)?.["KernelMemory"], undefined);
    const v141 = shape("ContainerInspect", "1.41", value);
    assert.equal((v141["HostConfig"] as Json)["KernelMemory"], 0);
    const v143 = (v141["NetworkSettings"] as Json)["Networks"] as Record<string, Json>;
    assert.deepEqual([v143["bridge"]?.["DNSNames"], v143["bridge"]?.["GwPriority"]], [undefined, undefined]);
    const v144 = shape("ContainerInspect", "1.44", value);
    const networks = (v144["NetworkSettings"] as Json)["Networks"] as Record<string, Json>;
    assert.deepEqual(networks["mine"]?.["Aliases"], ["h", "0123456789ab"]);
    assert.equal(networks["bridge"]?.["Aliases"], null);
    assert.equal(v144["ImageManifestDescriptor"], undefined);
    assert.deepEqual(value, frozen, "the engine's value is not changed");
  });

  test("image summaries and inspections regain what was dropped", () => {
    const summary = { RepoTags: [], RepoDigests: [], Size: 5, Containers: 2, Descriptor: {} };
    const [v142] = shapeResponse("ImageList", "1.42", [summary]) as Json[];
    assert.deepEqual(v142, {
      RepoTags: ["<none>:<none>"],
      RepoDigests: ["<none>@<none>"],
      Size: 5,
      VirtualSize: 5,
      Containers: -1,
    });
    const tagged = { RepoTags: ["a:1"], RepoDigests: [], Size: 5 };
    assert.deepEqual(
      ["1.42", "1.43"].map((v) => (shapeResponse("ImageList", v, [tagged]) as Json[])[0]?.["RepoDigests"]),
      [null, []],
    );
    const v149 = shape("ImageInspect", "1.49", { Size: 5, Config: { Cmd: ["x"] } });
    assert.equal(v149["VirtualSize"], undefined);
    assert.equal(v149["Author"], "");
    assert.equal((v149["Config"] as Json)["Tty"], false);
    assert.deepEqual((v149["Config"] as Json)["Cmd"], ["x"]);
    const v151 = shape("ImageInspect", "1.51", { Size: 5, Config: {} });
    assert.equal((v151["Config"] as Json)["Tty"], undefined);
    assert.equal((v151["Config"] as Json)["Cmd"], null);
  });

  test("info tells commits twice before 1.49", () => {
    const info = { ContainerdCommit: { ID: "a" }, FirewallBackend: {}, Containerd: {} };
    const v148 = shape("SystemInfo", "1.48", info);
    assert.deepEqual(v148["ContainerdCommit"], { ID: "a", Expected: "a" });
    assert.equal(v148["FirewallBackend"], undefined);
    assert.deepEqual(v148["Containerd"], {});
    assert.equal(v148["BridgeNfIptables"], false);
  });

  test("creation of images is no event before 1.46", () => {
    assert.equal(isEventKnown("1.45", { Type: "image", Action: "create" }), false);
    assert.equal(isEventKnown("1.46", { Type: "image", Action: "create" }), true);
    assert.equal(isEventKnown("1.24", { Type: "container", Action: "create" }), true);
  });
});

describe("disk usage", () => {
  const usage = { ActiveCount: 1, TotalCount: 2, Reclaimable: 3, TotalSize: 4, Items: [] };
  const cached = { ...usage, Items: [{ ID: "c" }] } as unknown as NonNullable<DiskUsage["BuildCacheUsage"]>;
  const value: DiskUsage = { ImageUsage: usage, VolumeUsage: usage, BuildCacheUsage: cached };

  test("old clients get flat lists only", () => {
    assert.deepEqual(shapeDiskUsage("1.51", false, value), {
      LayersSize: 4,
      Images: [],
      Volumes: [],
      BuildCache: cached.Items,
    });
  });

  test("new clients get objects, with the items that there are when verbose, and flat lists beside them when not", () => {
    const { Items: _items, ...totals } = usage;
    const plain = JSON.parse(JSON.stringify(shapeDiskUsage("1.52", false, value)));
    assert.deepEqual(plain, {
      LayersSize: 4,
      Images: [],
      ImageUsage: totals,
      Volumes: [],
      VolumeUsage: totals,
      BuildCache: cached.Items,
      BuildCacheUsage: totals,
    });
    const verbose = JSON.parse(JSON.stringify(shapeDiskUsage("1.52", true, value)));
    assert.deepEqual(verbose, { ImageUsage: totals, VolumeUsage: totals, BuildCacheUsage: cached });
  });
});
