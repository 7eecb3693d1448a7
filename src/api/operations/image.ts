// The image operations of the Engine API.

import { bytes, bytesBody, empty, json, lines, operation } from "../contract.ts";

const schemas = () => import("../schemas/image.ts");
const progressLine = async () => (await import("../schemas/progress.ts")).progressLine;

const registryAuth = { kind: "auth", wire: "X-Registry-Auth" } as const;
/** JSON of an OCI platform: {"os":"linux","architecture":"arm64","variant":"v8"}. */
const ociPlatforms = { kind: "texts", wire: "platform", since: "1.48" } as const;

export const imageList = operation({
  name: "ImageList",
  method: "GET",
  path: "/images/json",
  query: {
    all: "bool",
    filters: "filters",
    sharedSize: { kind: "bool", wire: "shared-size", since: "1.42" },
    digests: "bool",
    manifests: { kind: "bool", wire: "manifests", since: "1.47" },
    identity: { kind: "bool", wire: "identity", since: "1.54" },
  },
  success: json(async () => (await schemas()).imageSummaries),
});

export const imageInspect = operation({
  name: "ImageInspect",
  method: "GET",
  path: "/images/{name}/json",
  query: {
    manifests: { kind: "bool", wire: "manifests", since: "1.48" },
    platform: { kind: "text", wire: "platform", since: "1.49" },
  },
  success: json(async () => (await schemas()).imageInspect),
  errors: [404],
});

export const imageHistory = operation({
  name: "ImageHistory",
  method: "GET",
  path: "/images/{name}/history",
  query: { platform: { kind: "text", wire: "platform", since: "1.48" } },
  success: json(async () => (await schemas()).imageHistory),
  errors: [404],
});

/** What was said about an image where it was pulled from: in-toto statements, with their text where `statement` is set. */
export const imageAttestations = operation({
  name: "ImageAttestations",
  method: "GET",
  path: "/images/{name}/attestations",
  since: "1.56",
  query: {
    platform: { kind: "texts", wire: "platform" },
    type: { kind: "texts", wire: "type" },
    statement: "bool",
  },
  success: json(async () => (await schemas()).imageAttestations),
  errors: [404],
});

/** How the files of `name` become those of `to`: an extension. */
export const imageDiff = operation({
  name: "ImageDiff",
  method: "GET",
  path: "/images/{name}/diff",
  query: { to: "text" },
  success: json(async () => (await schemas()).imageDiff),
  errors: [404],
});

/** Pull (fromImage) or import (fromSrc: a URL, or "-" for the request's body). */
export const imageCreate = operation({
  name: "ImageCreate",
  method: "POST",
  path: "/images/create",
  query: {
    fromImage: "text",
    fromSrc: "text",
    repo: "text",
    /** Tag or digest. */
    tag: "text",
    message: "text",
    changes: "texts",
    /** `os[/arch[/variant]]`. */
    platform: "text",
  },
  headers: { registryAuth },
  body: bytesBody("application/octet-stream"),
  success: lines(progressLine),
  errors: [404],
});

export const imagePush = operation({
  name: "ImagePush",
  method: "POST",
  path: "/images/{name}/push",
  query: { tag: "text", platform: { kind: "text", wire: "platform", since: "1.46" } },
  headers: { registryAuth },
  success: lines(progressLine),
  errors: [404],
});

export const imageTag = operation({
  name: "ImageTag",
  method: "POST",
  path: "/images/{name}/tag",
  query: { repo: "text", tag: "text" },
  success: empty(201),
  errors: [404, 409],
});

export const imageDelete = operation({
  name: "ImageDelete",
  method: "DELETE",
  path: "/images/{name}",
  query: { force: "bool", noprune: "bool", platforms: { kind: "texts", wire: "platforms", since: "1.50" } },
  success: json(async () => (await schemas()).imageDelete),
  errors: [404, 409],
});

export const imageSearch = operation({
  name: "ImageSearch",
  method: "GET",
  path: "/images/search",
  query: { term: "text", limit: "int", filters: "filters" },
  headers: { registryAuth },
  success: json(async () => (await schemas()).imageSearch),
});

export const imagePrune = operation({
  name: "ImagePrune",
  method: "POST",
  path: "/images/prune",
  since: "1.25",
  query: { filters: "filters" },
  success: json(async () => (await schemas()).imagesPrune),
  errors: [409],
});

export const imageGet = operation({
  name: "ImageGet",
  method: "GET",
  path: "/images/{name}/get",
  query: { platforms: ociPlatforms },
  success: bytes(),
  errors: [404],
});

export const imageGetAll = operation({
  name: "ImageGetAll",
  method: "GET",
  path: "/images/get",
  query: { names: "texts", platforms: ociPlatforms },
  success: bytes(),
  errors: [404],
});

export const imageLoad = operation({
  name: "ImageLoad",
  method: "POST",
  path: "/images/load",
  query: { quiet: "boolTrue", platforms: ociPlatforms },
  body: bytesBody(),
  success: lines(progressLine),
});
