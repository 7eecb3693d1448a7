import { string, strings } from "../../../lib/flags/spec.ts";
import type { Reference } from "../../../oci/reference.ts";
import { defineCommand, exactly } from "../../command.ts";
import { complain, describeFailure } from "../../failure.ts";
import { parseName, platformIn } from "../../manifests/listed.ts";
import { ManifestStore } from "../../manifests/store.ts";
import { table } from "../../../lib/table.ts";

/** What Docker lets a manifest be for. */
const PLATFORMS: Readonly<Record<string, string>> = table({
  darwin: "386 amd64 arm arm64",
  dragonfly: "amd64",
  freebsd: "386 amd64 arm",
  linux: "386 amd64 arm arm64 ppc64le mips64 mips64le riscv64 s390x",
  netbsd: "386 amd64 arm",
  openbsd: "386 amd64 arm",
  plan9: "386 amd64",
  solaris: "amd64",
  windows: "386 amd64",
});

export const command = defineCommand({
  operands: "[OPTIONS] MANIFEST_LIST MANIFEST",
  arity: exactly(2),
  flags: {
    arch: string("Set architecture"),
    os: string("Set operating system"),
    "os-features": strings("Set operating system feature"),
    "os-version": string("Set operating system version"),
    variant: string("Set architecture variant"),
  },
  async run({ globals }, { args, flags }) {
    const [target = "", image = ""] = args;
    const list = parseOperand(target, "manifest list");
    const reference = parseOperand(image, "manifest");
    const store = new ManifestStore(globals.config);
    if (!store.hasManifest(list, reference))
      throw complain(`manifest for image ${image} does not exist in ${target}`);
    const manifest = store.load(list, reference);
    const was = platformIn(manifest.platform);
    const features = new Set([...(was["os.features"] ?? []), ...flags["os-features"]]);
    // Through platformIn, so that the members keep the order that Docker gives them.
    const platform = platformIn({
      architecture: flags.arch || was.architecture,
      os: flags.os || was.os,
      "os.version": flags["os-version"] || was["os.version"],
      "os.features": [...features],
      variant: flags.variant || was.variant,
    });
    if (PLATFORMS[platform.os]?.split(" ").includes(platform.architecture) !== true)
      throw complain(
        `manifest entry for image has unsupported os/arch combination: ${flags.os}/${flags.arch}`,
      );
    store.save(list, reference, { ...manifest, platform });
  },
});

function parseOperand(text: string, what: string): Reference {
  try {
    return parseName(text);
  } catch (error) {
    throw complain(`annotate: error parsing name for ${what} ${text}: ${describeFailure(error)}`);
  }
}
