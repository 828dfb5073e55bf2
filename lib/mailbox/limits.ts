/*
 * The limits of mailboxes, and what holds if nothing is said. Times are in ms.
 */

/** The longest text of a message, in bytes of UTF-8, unless `maxMessageBytes` says otherwise. */
export const MESSAGE_BYTES = 1_000_000;
/** The most that `maxMessageBytes` may be. */
export const MOST_MESSAGE_BYTES = 64 * 1024 * 1024;
/** How long `wait` and `receive` wait. */
export const WAIT = 60_000;
/** The longest time that `wait` and `receive` may be given. A longer one is refused. */
export const MOST_WAIT = 300_000;
/** How long `send` and `ping` take at most. */
export const SEND = 10_000;
/** How long a claim lasts that is not extended. */
export const LEASE = 30_000;
export const MOST_LEASE = 24 * 3600_000;
/** The longest delay or time to live: some ten years. */
export const MOST_TIME = 10 * 365 * 24 * 3600_000;
/** How long the ids that senders gave are remembered. */
export const DUPLICATE_WINDOW = 600_000;
/** How long a claim is kept for a process that has lost its broker, until it has found the next one. */
export const GRACE = 1000;
/** How long the broker may leave a request unanswered. */
export const STALL = 5000;
/** How long the outcomes are kept that a process may still ask for, after it has gone. */
export const OUTCOMES = 600_000;

/** The longest name of a box, a topic or a sender, in characters. */
export const LONGEST_NAME = 200;
/** The longest id or key, in characters. */
export const LONGEST_ID = 200;
/** The longest reason of a dead letter; a longer one is cut. */
export const LONGEST_REASON = 1000;
/** The most boxes of a broker. */
export const MOST_BOXES = 100_000;
/** The most messages of one answer, and the most bytes of text in it unless a single message has more. */
export const MOST_TAKEN = 1000;
export const MOST_TAKEN_BYTES = 16 * 1024 * 1024;
/** The most waits of one client. */
export const MOST_WAITS = 100_000;
/** The most patterns that all boxes subscribe to. */
export const MOST_SUBSCRIPTIONS = 100_000;
