import { string } from "../../../lib/flags/spec.ts";

export const checkpointDir = string("Use a custom checkpoint storage directory");
