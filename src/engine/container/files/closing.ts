// A stream of bytes that has something to give back at its end, whoever ends it.
import type { ByteStream } from "../../../api/call.ts";

/** Calls `close` once the items are at their end, failed or are not wanted any more. A generator that was never asked for anything runs no `finally`: closing is done outside of it. */
export function closing(items: AsyncGenerator<Uint8Array>, close: () => Promise<void>): ByteStream {
  const end = async (): Promise<IteratorResult<Uint8Array>> => {
    await items.return(undefined);
    await close();
    return { done: true, value: undefined };
  };
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    try {
      const item = await items.next();
      return item.done === true ? await end() : item;
    } catch (error) {
      await close();
      throw error;
    }
  };
  return { [Symbol.asyncIterator]: () => ({ next, return: end }) };
}
