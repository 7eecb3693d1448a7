import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { DeviceRequest } from "../../../api/schemas/host-config.ts";
import type { OciSpec } from "../../../runtime/spec/oci.ts";
import { withRequestedDevices } from "./device-requests.ts";

const SPEC: OciSpec = {
  ociVersion: "1.2.0",
  process: { user: { uid: 0, gid: 0 }, cwd: "/", env: [] },
  linux: {},
};

let dir = "";
before(async () => {
  dir = await mkdtemp(join(tmpdir(), "berth-gpus-"));
  const devices = ["all", "0", "1", "GPU-7"].map((name) => ({
    name,
    containerEdits: { env: [`GPU_${name.replace("-", "_")}=1`] },
  }));
  const spec = { cdiVersion: "0.5.0", kind: "nvidia.com/gpu", devices };
  await writeFile(join(dir, "nvidia.json"), JSON.stringify(spec));
});
after(() => rm(dir, { recursive: true, force: true }));

/** Returns the variables of a container that asks for this. */
async function got(request: Partial<DeviceRequest>, dirs: readonly string[] = [dir]): Promise<string> {
  const whole = { Driver: "", Count: 0, DeviceIDs: null, Capabilities: null, Options: null, ...request };
  const spec = await withRequestedDevices(SPEC, [whole], dirs);
  return (spec.process?.env ?? []).join(" ");
}

const GPU = { Capabilities: [["gpu"]] };

test("--gpus is the CDI devices of the vendor that has some", async () => {
  assert.equal(await got({ ...GPU, Count: -1 }), "GPU_all=1");
  assert.equal(await got({ ...GPU, Count: 2 }), "GPU_0=1 GPU_1=1");
  assert.equal(await got({ ...GPU, DeviceIDs: ["GPU-7", "1"] }), "GPU_GPU_7=1 GPU_1=1");
  assert.equal(await got({ Driver: "nvidia", Count: -1 }), "GPU_all=1", "by the driver's name");
});

test("GPUs that are not there are refused as by Docker without a driver, or by their names", async () => {
  const none = 'could not select device driver "" with capabilities: [[gpu]]';
  await assert.rejects(got({ ...GPU, Count: -1 }, []), { message: none, kind: "system" });
  await assert.rejects(got({ ...GPU, Driver: "amd", Count: -1 }), /could not select device driver "amd"/);
  await assert.rejects(got({ Capabilities: [["tpu"]], Count: 1 }), /capabilities: \[\[tpu\]\]/);
  await assert.rejects(got({ ...GPU, Count: 3 }), /unresolvable CDI devices nvidia\.com\/gpu=2/);
});

test("a request for CDI devices has names and nothing else", async () => {
  const DeviceIDs = ["nvidia.com/gpu=0"];
  assert.equal(await got({ Driver: "cdi", DeviceIDs }), "GPU_0=1");
  assert.equal(await got({ Driver: "cdi" }), "");
  await assert.rejects(got({ Driver: "cdi", DeviceIDs, Count: 1 }), /unexpected count in CDI device request/);
  await assert.rejects(got({ Driver: "cdi", DeviceIDs, Options: { a: "b" } }), /unexpected options/);
  await assert.rejects(got({ Driver: "cdi", DeviceIDs }, []), /no CDI specification directories specified/);
});
