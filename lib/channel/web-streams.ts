import { ReadableStream as NodeReadableStream, WritableStream as NodeWritableStream } from "node:stream/web";
import { ClosedError } from "../errors.js";
import { resumeInTurn, turnIsOver } from "../transport/loop-turn.js";
import type { Endable, LaneCore } from "./lane-core.js";

/**
 * A Web Stream with the types of both the globals and `node:stream/web`. In a program with a browser's
 * globals (TypeScript's lib "dom"), these are two types of the same object.
 */
export type LaneReadable<Message> = ReadableStream<Message> & NodeReadableStream<Message>;

/** Like LaneReadable, for the writable side. */
export type LaneWritable<Message> = WritableStream<Message> & NodeWritableStream<Message>;

/**
 * Makes a Web Stream of the messages of a lane. The stream becomes the consumer of the lane with its first
 * read, and takes only messages that were asked for. `over` is called when the stream is finished while the
 * lane goes on.
 */
export function readableOf<Send, Receive>(
  core: LaneCore<Send, Receive>,
  over: () => void,
): NodeReadableStream<Receive> {
  let messages: AsyncIterableIterator<Receive> | undefined;
  let cancelled = false;
  return new NodeReadableStream<Receive>(
    {
      async pull(controller) {
        try {
          messages ??= core.receiver.iterate();
        } catch (error) {
          over();
          throw error;
        }
        const next = await messages.next();
        if (cancelled) return;
        if (next.done !== true) {
          controller.enqueue(next.value);
          return;
        }
        // A loop ends without an error when this side destroys the channel. A pipe must not take that for the
        // end of its data.
        const why = await core.whyEnded();
        if (cancelled) return;
        if (why instanceof ClosedError) controller.close();
        else controller.error(why);
      },
      async cancel() {
        cancelled = true;
        over();
        await messages?.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

/**
 * Makes a Web Stream that sends what is written. Closing it waits until all has been taken, and closes
 * `channel`, which is given for the lane `main` only. Aborting it destroys `channel`. `over` as for
 * `readableOf`.
 */
export function writableOf<Send, Receive>(
  core: LaneCore<Send, Receive>,
  channel: Endable | undefined,
  over: () => void,
): NodeWritableStream<Send> {
  let signal: AbortSignal;
  let ignoreEnd: () => void;
  const leave = () => {
    ignoreEnd();
    over();
  };
  return new NodeWritableStream<Send>({
    start(controller) {
      // `signal` is missing in the types of Node 20.
      signal = (controller as unknown as { readonly signal: AbortSignal }).signal;
      // A pipe whose source is silent must learn of the channel's end, too.
      ignoreEnd = core.whenEnded(() => void core.whyEnded().then((why) => controller.error(why)));
    },
    async write(message) {
      try {
        await core.sender.send(message, signal);
      } catch (error) {
        leave();
        throw error;
      }
      if (turnIsOver()) await new Promise<void>(resumeInTurn);
    },
    async close() {
      leave();
      try {
        await core.sender.flush(signal);
      } catch (error) {
        // An abort during the flush never reaches `abort`, so it is handled here.
        if (signal.aborted) channel?.destroy(errorOf(signal.reason));
        throw error;
      }
      await channel?.close();
    },
    abort(reason) {
      leave();
      channel?.destroy(errorOf(reason));
    },
  });
}

/** Returns the reason of an abort as an error. */
function errorOf(reason: unknown): Error | undefined {
  if (reason === undefined || reason instanceof Error) return reason;
  return new ClosedError("the writable stream was aborted", { cause: reason });
}
