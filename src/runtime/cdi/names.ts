// Names of CDI devices, `vendor.com/class=name` (Container Device Interface, SPEC.md "Kind" and "CDI Devices").

/** Vendors and classes begin with a letter, devices with a letter or digit; all end with one of these. */
const LABEL = /^[A-Za-z](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?$/;
const DEVICE = /^[A-Za-z0-9](?:[A-Za-z0-9_.:-]*[A-Za-z0-9])?$/;

/** Returns why a text is no kind (`vendor.com/class`), undefined when it is one. */
export function problemOfKind(kind: string): string | undefined {
  const [vendor = "", className, ...rest] = kind.split("/");
  if (className === undefined || rest.length > 0)
    return `${JSON.stringify(kind)} is not of the form vendor/class`;
  if (!LABEL.test(vendor)) return `invalid vendor ${JSON.stringify(vendor)}`;
  if (!LABEL.test(className)) return `invalid class ${JSON.stringify(className)}`;
  return undefined;
}

/** Returns why a text is no name of a device within its kind, undefined when it is one. */
export function problemOfName(name: string): string | undefined {
  return DEVICE.test(name) ? undefined : `invalid device name ${JSON.stringify(name)}`;
}

/** Returns whether a text is written as a CDI device. */
export function isQualifiedName(text: string): boolean {
  const [kind = "", ...name] = text.split("=");
  return name.length === 1 && problemOfKind(kind) === undefined && problemOfName(name[0] ?? "") === undefined;
}
