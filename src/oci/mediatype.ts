// The media types of images that Docker, OCI tools and registries exchange, and what they imply.
// Constants and classification only.

export const MEDIA_TYPES = {
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerManifestList: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar",
  dockerLayerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  dockerLayerZstd: "application/vnd.docker.image.rootfs.diff.tar.zstd",
  dockerForeignLayerGzip: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociIndex: "application/vnd.oci.image.index.v1+json",
  ociConfig: "application/vnd.oci.image.config.v1+json",
  ociLayer: "application/vnd.oci.image.layer.v1.tar",
  ociLayerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  ociLayerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  ociEmpty: "application/vnd.oci.empty.v1+json",
} as const;

const M = MEDIA_TYPES;

/** Whether it names a list of manifests for several platforms. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === M.ociIndex || mediaType === M.dockerManifestList;
}

/** Whether it names the manifest of one image. */
export function isManifestType(mediaType: string): boolean {
  return mediaType === M.ociManifest || mediaType === M.dockerManifest;
}

/** Whether it names an image configuration. */
export function isConfigType(mediaType: string): boolean {
  return mediaType === M.ociConfig || mediaType === M.dockerConfig;
}

/** Whether it names a file system layer in a form that can be unpacked. */
export function isLayerType(mediaType: string): boolean {
  return layerCompression(mediaType) !== undefined;
}

/** Whether it names a layer that registries need not have: it is to be had elsewhere. */
export function isForeignLayerType(mediaType: string): boolean {
  return (
    mediaType === M.dockerForeignLayerGzip ||
    mediaType.startsWith("application/vnd.oci.image.layer.nondistributable.v1.tar")
  );
}

/** Returns the compression that a layer's media type promises, undefined when it is no layer. */
export function layerCompression(mediaType: string): "none" | "gzip" | "zstd" | undefined {
  switch (mediaType) {
    case M.dockerLayer:
    case M.ociLayer:
      return "none";
    case M.dockerLayerGzip:
    case M.dockerForeignLayerGzip:
    case M.ociLayerGzip:
      return "gzip";
    case M.dockerLayerZstd:
    case M.ociLayerZstd:
      return "zstd";
    default:
      return undefined;
  }
}
