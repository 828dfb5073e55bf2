// The model: a process that streams tokens to whoever asks.

import { setTimeout as sleep } from "node:timers/promises";
import { serve } from "../../dist/rpc/index.js";
import { model } from "./contract.mjs";
import { endWithLauncher, place, speed } from "./process.mjs";

/** The time between two tokens, in ms: between the two. */
const PACE = [12, 48];

const service = await serve(
  model,
  {
    async *complete({ prompt }, call) {
      for (const token of prompt.match(/\s*\S+/g) ?? []) {
        const [least, most] = PACE;
        await sleep((least + Math.random() * (most - least)) / speed, undefined, { signal: call.signal });
        yield token;
      }
    },
    ping: () => "pong",
  },
  place,
);
endWithLauncher(() => service.close());
