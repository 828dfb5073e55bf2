/**
 * What a mechanism has to be able to do to be compared: a file under peers/, with the same three exports in each.
 *
 * ```js
 * export const peer = { name, title, file: import.meta.url, … };  // Peer
 * export async function serve(place, answer) {…}   // in the process that answers: resolves when it can be reached
 * export async function drive(place, heard) {…}    // in the process that asks: resolves with a Link
 * ```
 *
 * `answer(message)` returns the reply to a message, or undefined where there is none; `heard(reply)` takes a reply. Both are
 * synchronous, and an error that they throw must end the process: nobody catches it. `serve` resolves with an object that has `close()`.
 *
 * A message is what `place.payload` says. "bytes": a Uint8Array whose length may differ from message to message; where the mechanism
 * carries no bytes, it turns them into a base64 string and back, as its users have to. "object": a plain object of JSON's types, sent in the way that
 * is usual for the mechanism. Whoever hands over a Uint8Array to `answer` or `heard` may reuse it after a reply made of it has been sent.
 *
 * Messages arrive in the order in which they were sent; the answering end of "flood" checks it.
 *
 * @typedef {object} Peer
 * @property {string} name  For `--peers`, unique; the name of the file.
 * @property {string} title  As it stands in the tables.
 * @property {string} file  Its own URL.
 * @property {string[]} [packages]  npm packages of bench/package.json that it needs; their versions go into the record.
 * @property {boolean} [spawns]  `drive` starts the answering process by itself (`startAnswerer` in lib/answerer.mjs), as a child or a thread.
 * @property {boolean} [polls]  Its processes never sleep, so they are stopped (SIGSTOP) while others are measured.
 * @property {boolean} [one]  Its file makes one link only between two processes, whatever the mechanism could do, so it isn't asked for more.
 * @property {number} [minBytes]  The shortest message it is asked for; absent: any.
 * @property {number} [maxBytes]  The longest; absent: any. Its file says why.
 * @property {readonly ("bytes" | "object")[]} [payloads]  Absent: both.
 * @property {readonly ("echo" | "paced" | "flood")[]} [workloads]  Absent: all.
 * @property {Record<string, unknown>} [more]  For `place.more`: variants of one mechanism.
 *
 * @typedef {object} Place  Where two ends meet, and for what. Travels as JSON.
 * @property {string} peer  URL of the peer's file.
 * @property {string} directory  Private to the run: for sockets, pipes, files.
 * @property {string} endpoint  A name for those, unique in the run, short enough for a socket's path.
 * @property {"bytes" | "object"} payload
 * @property {number} bytes  Length of a message; of an object: about that long as JSON.
 * @property {"echo" | "flood"} workload  "echo": each message is answered by itself. "flood": one way; only the last of a round is answered.
 * @property {number} [core]  Where the answering end is to run, for those who start it.
 * @property {Record<string, unknown>} [more]  What the peer's file says itself (`peer.more`).
 *
 * @typedef {object} Link  One connection, at the asking end.
 * @property {(message: any) => boolean | void} send  Hands a message over. False: it was taken, but `ready` must be awaited before the
 *   next. The message may be reused as soon as `send` has returned anything else, or `ready` has resolved.
 * @property {() => Promise<unknown>} [ready]  Resolves when there is room again. Asked for at once after `send` has returned false, and only then.
 * @property {(count: number, make: (i: number) => any) => Promise<void>} [flood]  Sends `count` messages in the way that is the fastest
 *   for it, say in batches. Absent: one `send` a message. `make` returns the same message each time, with another number in it.
 * @property {number} [pid]  Of the answering process, where `drive` started it.
 * @property {() => unknown} close
 *
 * @typedef {{ close(): unknown }} Server
 */

export {};
