import { connecting, expectNumber } from "../lib/ringbell.mjs";

/**
 * Connects, sends one message to an end that answers each, and waits for the answer.
 * @param {import("../lib/ringbell.mjs").Options} options
 * @returns {Promise<any>} the channel
 */
export async function firstReply(options) {
  const { channel, messages } = await connecting(options);
  channel.trySend(messages.make(1));
  expectNumber(messages.number(await channel.receive()), 1);
  return channel;
}
