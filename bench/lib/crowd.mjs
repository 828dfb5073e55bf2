import { connecting } from "./ringbell.mjs";

/**
 * The other ends of many channels on which nothing ever happens.
 * @param {import("./ringbell.mjs").Options & { channels: number }} options
 */
export async function crowd(options) {
  /** @type {{ close(): Promise<void> }[]} */
  const channels = [];
  for (let i = 0; i < options.channels; i++) channels.push((await connecting(options)).channel);
  return { close: () => Promise.all(channels.map((channel) => channel.close())) };
}
