// Binds operations to handlers: one builder per kind of operation. A route without handler answers 501.
// The two-phase rule (api/call.ts) is kept here: status codes until the handler has validated, then the stream.

import type {
  ArchiveStream,
  ByteStream,
  Call,
  Hijack,
  OutputStream,
  PendingWait,
  ProgressSink,
  UploadBody,
} from "../api/call.ts";
import type { InputOf, OperationSpec } from "../api/contract.ts";
import { Fault, messageOf } from "../lib/errors.ts";
import { stringifyJson } from "../lib/json/parse.ts";
import type { Exchange } from "./exchange.ts";
import type { Answer } from "./ports.ts";
import { shapeResponse } from "./shape.ts";

/** Handles a request whose input has been read; throws for a status code. */
export type Handler = (input: unknown, exchange: Exchange) => Promise<void>;

export interface Route {
  readonly operation: OperationSpec;
  readonly handle: Handler | undefined;
}

function route<O extends OperationSpec, F>(
  operation: O,
  handler: F | undefined,
  handle: (handler: F, input: InputOf<O>, exchange: Exchange) => Promise<void>,
): Route {
  if (handler === undefined) return { operation, handle: undefined };
  return { operation, handle: (input, exchange) => handle(handler, input as InputOf<O>, exchange) };
}

/** An operation that answers one value, or nothing. */
export function answer<O extends OperationSpec>(operation: O, handler: Answer<O> | undefined): Route {
  return route(operation, handler, async (run, input, exchange) => {
    // The result's type would be inferred through the whole contract, only to be forgotten here.
    const value = await (run as (input: unknown, call: Call) => Promise<unknown>)(input, exchange.call);
    const { success } = operation;
    const shaped = shapeResponse(operation.name, exchange.call.version, value);
    if (success.kind === "json") exchange.json(success.status, shaped);
    else if (success.kind === "header") {
      const text = Buffer.from(stringifyJson(shaped)).toString("base64");
      exchange.send(success.status, { [success.header]: text }, undefined);
    } else exchange.send(success.status, {}, undefined);
  });
}

/** An operation that answers one value, or by `Upgrade` begins what it has created over the same connection. */
export function answerOrBegin<O extends OperationSpec>(
  operation: O,
  handler: Answer<O> | undefined,
  begin: ((input: InputOf<O>, hijack: Hijack, call: Call) => Promise<void>) | undefined,
  options: HijackOptions<O> = {},
): Route {
  const { handle } = answer(operation, handler);
  const begun = hijacked(operation, begin, options);
  if (handle === undefined || begun.handle === undefined) return { operation, handle };
  const { handle: handleBegun } = begun;
  return {
    operation,
    handle: (input, exchange) =>
      exchange.isUpgrade ? handleBegun(input, exchange) : handle(input, exchange),
  };
}

type Progress<O extends OperationSpec> = (input: InputOf<O>, out: ProgressSink, call: Call) => Promise<void>;

export interface ProgressOptions<O extends OperationSpec = OperationSpec> {
  /** Further headers of the answer. */
  readonly headers?: (input: InputOf<O>) => Readonly<Record<string, string>>;
  /** Which failures are a line even before the first one, the answer being 200; none when absent. */
  readonly failsInStream?: (error: unknown) => boolean;
}

/** An operation that reports progress; a failure after the first line becomes a line. */
export function progress<O extends OperationSpec>(
  operation: O,
  handler: Progress<O> | undefined,
  options: ProgressOptions<O> = {},
): Route {
  return route(operation, handler, async (run, input, exchange) => {
    const headers = options.headers?.(input) ?? {};
    const out = exchange.progress(headers);
    try {
      await run(input, out, exchange.call);
      if (!exchange.isAnswered) exchange.open({ "Content-Type": "application/json", ...headers });
    } catch (error) {
      if (!exchange.isAnswered && options.failsInStream?.(error) !== true) throw error;
      const message = messageOf(error);
      await out.write({ errorDetail: { message }, error: message });
    }
    exchange.end();
  });
}

type Upload<O extends OperationSpec> = (
  input: InputOf<O>,
  body: UploadBody,
  out: ProgressSink,
  call: Call,
) => Promise<void>;

/** As progress, with a request body that is a stream of bytes. */
export function uploadProgress<O extends OperationSpec>(
  operation: O,
  handler: Upload<O> | undefined,
  options: ProgressOptions<O> = {},
): Route {
  if (handler === undefined) return { operation, handle: undefined };
  return {
    operation,
    handle: (input, exchange) => {
      const { handle } = progress(
        operation,
        (value, out, call) => handler(value, exchange.req, out, call),
        options,
      );
      return handle?.(input, exchange) ?? Promise.resolve();
    },
  };
}

type Receive<O extends OperationSpec> = (input: InputOf<O>, body: UploadBody, call: Call) => Promise<void>;

/** An operation that takes a stream of bytes and answers nothing. */
export function receive<O extends OperationSpec>(operation: O, handler: Receive<O> | undefined): Route {
  return route(operation, handler, async (run, input, exchange) => {
    await run(input, exchange.req, exchange.call);
    exchange.send(operation.success.status, {}, undefined);
  });
}

/** RFC 7464: every JSON text begins with a record separator. */
export const JSON_SEQUENCE = "application/json-seq";
const RECORD_SEPARATOR = "\u001e";

type Lines<O extends OperationSpec, T> = (input: InputOf<O>, call: Call) => Promise<AsyncIterable<T>>;

export interface LinesOptions<O extends OperationSpec, T> {
  /** Whether only the first item is wanted. */
  readonly isSingle?: (input: InputOf<O>) => boolean;
  /** Media type by the API version and the request's Accept header; application/json when absent. */
  readonly contentType?: (version: string, accept: string) => string;
  readonly isKnown?: (version: string, item: T) => boolean;
}

/** An operation that answers JSON lines as they come; the head goes out as soon as the handler has accepted. */
export function jsonLines<O extends OperationSpec, T>(
  operation: O,
  handler: Lines<O, T> | undefined,
  options: LinesOptions<O, T> = {},
): Route {
  return route(operation, handler, async (run, input, exchange) => {
    const items = await run(input, exchange.call);
    const { version } = exchange.call;
    const accept = exchange.req.headers.accept ?? "";
    const type = options.contentType?.(version, accept) ?? "application/json";
    exchange.open({ "Content-Type": type });
    const before = type === JSON_SEQUENCE ? RECORD_SEPARATOR : "";
    const isSingle = options.isSingle?.(input) ?? false;
    await exchange.pipe(isSingle ? first(items) : items, (item) => {
      if (options.isKnown?.(version, item) === false) return undefined;
      return exchange.write(`${before}${stringifyJson(shapeResponse(operation.name, version, item))}\n`);
    });
    exchange.end();
  });
}

async function* first<T>(items: AsyncIterable<T>): AsyncGenerator<T, void, void> {
  for await (const item of items) {
    yield item;
    return;
  }
}

/** An operation that answers raw bytes. */
export function byteStream<O extends OperationSpec>(
  operation: O,
  handler: ((input: InputOf<O>, call: Call) => Promise<ByteStream>) | undefined,
): Route {
  return route(operation, handler, async (run, input, exchange) => {
    const content = await run(input, exchange.call);
    const { success } = operation;
    exchange.open({
      "Content-Type": success.kind === "bytes" ? success.contentType : "application/octet-stream",
    });
    await exchange.pipe(content, (chunk) => exchange.write(chunk));
    exchange.end();
  });
}

/** ContainerArchive: bytes with the path's metadata in a header. */
export function archiveStream<O extends OperationSpec>(
  operation: O,
  header: string,
  handler: ((input: InputOf<O>, call: Call) => Promise<ArchiveStream>) | undefined,
): Route {
  return route(operation, handler, async (run, input, exchange) => {
    const { stat, content } = await run(input, exchange.call);
    const text = Buffer.from(stringifyJson(stat)).toString("base64");
    exchange.open({ "Content-Type": "application/x-tar", [header]: text });
    await exchange.pipe(content, (chunk) => exchange.write(chunk));
    exchange.end();
  });
}

/** An operation that answers a container's output. */
export function outputStream<O extends OperationSpec>(
  operation: O,
  handler: ((input: InputOf<O>, call: Call) => Promise<OutputStream>) | undefined,
): Route {
  return route(operation, handler, async (run, input, exchange) => {
    const { isTty, batches } = await run(input, exchange.call);
    exchange.open({ "Content-Type": exchange.outputType(isTty) });
    await exchange.pipe(batches, (chunks) => exchange.write(exchange.encodeOutput(chunks, isTty)));
    exchange.end();
  });
}

/** ContainerWait: headers when the wait is registered, the value when it is over. */
export function pendingAnswer<O extends OperationSpec>(
  operation: O,
  handler: ((input: InputOf<O>, call: Call) => Promise<PendingWait>) | undefined,
): Route {
  return route(operation, handler, async (run, input, exchange) => {
    const { exit } = await run(input, exchange.call);
    exchange.open({ "Content-Type": "application/json" });
    exchange.end(`${stringifyJson(await exit)}\n`);
  });
}

export interface HijackOptions<O extends OperationSpec> {
  /** Runs instead of the handler when it returns true for the input. */
  readonly isDetached?: (input: InputOf<O>) => boolean;
  readonly detached?: ((input: InputOf<O>, call: Call) => Promise<void>) | undefined;
  /** Whether an error after `accept` is written to the stream. */
  readonly showsErrors?: boolean;
}

/** An operation that takes the connection over. */
export function hijacked<O extends OperationSpec>(
  operation: O,
  handler: ((input: InputOf<O>, hijack: Hijack, call: Call) => Promise<void>) | undefined,
  options: HijackOptions<O> = {},
): Route {
  return route(operation, handler, async (run, input, exchange) => {
    if (options.isDetached?.(input)) {
      if (options.detached === undefined)
        throw new Fault("notImplemented", `${operation.name} is not supported by this version`);
      await options.detached(input, exchange.call);
      exchange.send(200, {}, "");
      return;
    }
    try {
      await run(input, exchange.hijack, exchange.call);
      if (!exchange.isAnswered) exchange.send(200, {}, "");
      exchange.closeStream();
    } catch (error) {
      if (!exchange.isAnswered) throw error;
      exchange.closeStream(options.showsErrors === true ? error : undefined);
      throw error;
    }
  });
}
