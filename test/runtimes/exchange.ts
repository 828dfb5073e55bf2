import type { Channel } from "ringbell";
import { expect } from "vitest";

/** Sends messages and a block to echo.mjs, looks at what comes back, and closes. */
export async function exchange(channel: Channel): Promise<void> {
  for (let n = 0; n < 300; n++) {
    await channel.send({ n });
    expect(await channel.receive()).toEqual({ n });
  }
  const block = await channel.allocate(1 << 20);
  block.bytes.fill(7);
  await channel.send({ block });
  const answer = (await channel.receive()) as { block: typeof block };
  expect(answer.block.bytes.every((byte) => byte === 7)).toBe(true);
  await channel.close();
}
