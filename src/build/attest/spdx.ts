// A bill of materials of an image as an SPDX 2.3 document (JSON). Equal packages give an equal document but for its time.

import { createHash } from "node:crypto";
import { BERTH_VERSION } from "../../lib/version.ts";
import type { InstalledPackage } from "./packages.ts";

export const SPDX_PREDICATE = "https://spdx.dev/Document";

export interface SbomSubject {
  /** How the image is called. */
  readonly name: string;
  readonly imageId: string;
  /** RFC 3339. */
  readonly createdAt: string;
}

const idOf = (purl: string): string =>
  `SPDXRef-Package-${createHash("sha256").update(purl).digest("hex").slice(0, 16)}`;

/** compat: SPDX wants whole seconds. */
const wholeSeconds = (time: string): string => time.replace(/\.\d+Z?$/, "Z").replace(/Z?$/, "Z");

/** Returns the document. */
export function spdxDocument(packages: readonly InstalledPackage[], subject: SbomSubject): object {
  const root = "SPDXRef-DocumentRoot-Image";
  return {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: subject.name,
    documentNamespace: `https://spdx.org/spdxdocs/berth/${subject.imageId.replace(":", "/")}`,
    creationInfo: { creators: [`Tool: berth-${BERTH_VERSION}`], created: wholeSeconds(subject.createdAt) },
    packages: [
      {
        name: subject.name,
        SPDXID: root,
        versionInfo: subject.imageId,
        downloadLocation: "NOASSERTION",
        filesAnalyzed: false,
        primaryPackagePurpose: "CONTAINER",
      },
      ...packages.map(({ name, version, purl, license, foundIn }) => ({
        name,
        SPDXID: idOf(purl),
        versionInfo: version,
        downloadLocation: "NOASSERTION",
        filesAnalyzed: false,
        sourceInfo: `found in ${foundIn}`,
        licenseConcluded: "NOASSERTION",
        // As the package says; it need not be an SPDX expression.
        licenseDeclared: "NOASSERTION",
        ...(license === undefined ? {} : { licenseComments: license }),
        copyrightText: "NOASSERTION",
        externalRefs: [
          { referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: purl },
        ],
      })),
    ],
    relationships: [
      { spdxElementId: "SPDXRef-DOCUMENT", relatedSpdxElement: root, relationshipType: "DESCRIBES" },
      ...packages.map(({ purl }) => ({
        spdxElementId: root,
        relatedSpdxElement: idOf(purl),
        relationshipType: "CONTAINS",
      })),
    ],
  };
}
