// --platform of image commands: `os[/arch[/variant]]`, sent as JSON of an OCI platform.

import { complain } from "../failure.ts";

/** Returns the JSON that the API takes, undefined for no platform. Throws a Fault with Docker's text. */
export async function platformJson(text: string): Promise<string | undefined> {
  if (text === "") return undefined;
  const { parsePlatform } = await import("../../oci/platform.ts");
  try {
    const { os, architecture, variant } = parsePlatform(text);
    return JSON.stringify({
      architecture,
      os,
      ...(variant === undefined || variant === "" ? {} : { variant }),
    });
  } catch (error) {
    throw complain(`invalid platform: ${(error as Error).message}`);
  }
}

/** The same as a list of at most one. */
export async function platformList(text: string): Promise<string[]> {
  const json = await platformJson(text);
  return json === undefined ? [] : [json];
}
