import { RoundTripTimer } from "./clock.mjs";

/**
 * Numbered messages, one after the other: each is sent when the one before was answered, and the answer must be its own.
 * @param {object} trips
 * @param {ReturnType<typeof import("./payload.mjs").payload>} trips.messages
 * @param {(number: number) => unknown} trips.send  The message of that number, by whichever link.
 * @param {(heard: (reply: any) => void) => void} trips.hear  Whom to tell of replies from now on.
 * @param {number} count
 */
export function roundTrips({ messages, send, hear }, count) {
  let expected = 0;
  const timer = new RoundTripTimer((number) => {
    expected = number;
    send(number);
  });
  hear((reply) => {
    const number = messages.number(reply);
    if (number !== expected) throw new Error(`the answer to ${number} arrived instead of ${expected}`);
    messages.check(reply);
    timer.answered();
  });
  return timer.run(count);
}
