import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault, SysError } from "../../lib/errors.ts";
import type { IdMap } from "../../linux/idmap.ts";
import { withJoinedMappings } from "./joined-userns.ts";
import type { OciSpec } from "./oci.ts";

const MAP: IdMap = {
  uids: [{ inside: 0, outside: 1000, size: 10 }],
  gids: [{ inside: 0, outside: 2000, size: 20 }],
};
const OWN = {
  uidMappings: [{ containerID: 0, hostID: 1000, size: 10 }],
  gidMappings: [{ containerID: 0, hostID: 2000, size: 20 }],
};

const specOf = (linux: OciSpec["linux"] = {}): OciSpec => ({
  ociVersion: "1.2.0",
  linux: { namespaces: [{ type: "mount" }, { type: "user", path: "/run/userns" }], ...linux },
});

test("the maps are those of the namespace, and may be named as they are", () => {
  for (const linux of [{}, OWN]) {
    const { uidMappings, gidMappings } = withJoinedMappings(specOf(linux), () => MAP).linux ?? {};
    assert.deepEqual({ uidMappings, gidMappings }, OWN);
  }
});

test("other maps, and namespaces that are none, are refused; without a path nothing is read", () => {
  const isInvalid = (e: unknown) => e instanceof Fault && e.kind === "invalidParameter";
  const other = [{ containerID: 0, hostID: 5, size: 1 }];
  const wrong = specOf({ uidMappings: other, gidMappings: other });
  assert.throws(() => withJoinedMappings(wrong, () => MAP), isInvalid);
  const missing = (): IdMap => {
    throw new SysError("open", "/run/userns", 2, "no such file or directory");
  };
  assert.throws(() => withJoinedMappings(specOf(), missing), isInvalid);
  const plain: OciSpec = { ociVersion: "1.2.0", linux: { namespaces: [{ type: "user" }] } };
  assert.equal(withJoinedMappings(plain, missing), plain);
});
