import { RoundTripTimer } from "../lib/clock.mjs";
import { echoFacts } from "../lib/messages.mjs";
import { pair } from "../lib/pair.mjs";
import { connecting, expectNumber, listening } from "../lib/ringbell.mjs";

/**
 * `trySend` and `on("message")` at both ends: as most programs would.
 * @param {string} name
 * @param {string} what
 * @param {string} codec
 * @param {Record<string, unknown>} [more] further options at both ends
 * @param {string} [peer]
 */
function loop(name, what, codec, more = {}, peer = "ringbell") {
  return pair({
    name: `loop-${name}`,
    peer,
    title: `ringbell, event loop, ${what}`,
    file: import.meta.url,
    options: { codec, listening: more, connecting: more },
    ...echoFacts(codec),
  });
}

export const loopStruct = loop("struct", "struct()", "struct");
export const loopBytes = loop("bytes", "bytes()", "bytes");
export const loopJson = loop("json", "json()", "json");
export const loopNoSpin = loop("spin-0", "struct(), spin: 0", "struct", { spin: 0 }, "ringbell-parked");
export const loopStream = loop(
  "stream",
  'struct(), transport: "stream"',
  "struct",
  { transport: "stream" },
  "ringbell-stream",
);

/** @param {import("../lib/ringbell.mjs").Options} options */
export async function serve(options) {
  const { server } = await listening(options);
  void (async () => {
    for await (const channel of server) {
      channel.on("message", (/** @type {unknown} */ message) => {
        if (!channel.trySend(message)) throw new Error("no room for one message");
      });
    }
  })();
  return { round() {}, close: () => server.close() };
}

/** @param {import("../lib/ringbell.mjs").Options} options */
export async function drive(options) {
  const { channel, messages } = await connecting(options);
  let number = 0;
  const timer = new RoundTripTimer((i) => {
    number = i;
    if (!channel.trySend(messages.make(i))) throw new Error("no room for one message");
  });
  channel.on("message", (/** @type {unknown} */ message) => {
    expectNumber(messages.number(message), number);
    timer.answered();
  });
  return { round: (/** @type {number} */ count) => timer.run(count), close: () => channel.close() };
}
