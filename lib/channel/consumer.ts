import { ConsumerBusyError } from "../errors.js";

/** The consumer of a lane's messages; a lane has one at a time. With `none`, calls of `receive` may be waiting. */
export type Consumer = "none" | "listener" | "iterator";

const NAMES: Readonly<Record<Consumer, string>> = {
  none: "a receive() that is waiting",
  listener: 'a "message" listener',
  iterator: "a for await loop",
};

/** Makes the error for a second consumer, which names the first. */
export function consumerBusy(first: Consumer): ConsumerBusyError {
  return new ConsumerBusyError(`this lane has a consumer already, ${NAMES[first]}; one at a time`);
}
