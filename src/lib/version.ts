// The product's version and the commit it was built from; `make build` puts both in.

declare const BERTH_BUILD_VERSION: string | undefined;
declare const BERTH_BUILD_COMMIT: string | undefined;

/** Berth's version, as in package.json. */
export const BERTH_VERSION = typeof BERTH_BUILD_VERSION === "string" ? BERTH_BUILD_VERSION : "0.0.0-source";

/** Abbreviated commit, "unknown" when run from source. */
export const BERTH_COMMIT = typeof BERTH_BUILD_COMMIT === "string" ? BERTH_BUILD_COMMIT : "unknown";
