import { fileURLToPath } from "node:url";
import { describe, it } from "vitest";
import { tryBinding } from "../../../lib/native/load.js";
import { createStream } from "../../../lib/transport/stream/stream.js";
import { wrapNet } from "../../../lib/transport/wire/net-wire.js";
import { transportContract } from "../contract/suite.js";
import { acceptNative, acceptNet, nativePair, netPair } from "../wire/wires.js";

const fixture = (name: string) => fileURLToPath(new URL(`../contract/${name}`, import.meta.url));

transportContract(
  "stream over node:net",
  async (lanes, bulk) => {
    const [a, b] = await netPair();
    return [createStream(a, lanes, bulk), createStream(b, lanes, bulk)];
  },
  {
    blocking: false,
    tries: false,
    blocks: true,
    processes: {
      join: fixture("join-net.mjs"),
      host: async (path, lanes, bulk) => {
        const accept = await acceptNet(path);
        return async () => createStream(wrapNet(await accept()), lanes, bulk);
      },
    },
  },
);

const binding = tryBinding();
if (binding === undefined) {
  describe("the transport contract: stream over the addon", () => it.skip("needs the addon", () => {}));
} else {
  transportContract(
    "stream over the addon",
    async (lanes, bulk) => {
      const [a, b] = await nativePair(binding);
      return [createStream(a, lanes, bulk), createStream(b, lanes, bulk)];
    },
    {
      blocking: false,
      tries: true,
      blocks: true,
      processes: {
        join: fixture("join-native.mjs"),
        host: async (path, lanes, bulk) => {
          const accept = acceptNative(binding, path);
          return async () => createStream(await accept(), lanes, bulk);
        },
      },
    },
  );
}
