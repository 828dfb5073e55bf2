import { expect, vi } from "vitest";

// Before anything looks for the addon.
vi.hoisted(() => {
  process.env.RINGBELL_NO_ADDON = "1";
});

import { pair } from "../channel/setup.js";
import { contractCodec, portContract } from "./contract.js";

portContract({
  name: "a channel over stream without the addon",
  async pair(capacity) {
    const { a, b } = await pair("stream", { capacity, codec: contractCodec });
    expect(a.peer.verified).toBe(false);
    return [a, b];
  },
});
