// The body of every error response.

import { type Output, struct, text } from "../../lib/schema/schema.ts";

export const errorResponse = struct("common.ErrorResponse", { message: text });
export type ErrorResponse = Output<typeof errorResponse>;
