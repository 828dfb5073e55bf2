import { pair, transports } from "../channel/setup.js";
import { contractCodec, portContract } from "./contract.js";

for (const transport of transports) {
  portContract({
    name: `a channel over ${transport}`,
    async pair(capacity) {
      const { a, b } = await pair(transport, { capacity, codec: contractCodec });
      return [a, b];
    },
  });
  portContract({
    name: `a lane beside main over ${transport}`,
    async pair(capacity) {
      const lanes = { side: { capacity, codec: contractCodec } };
      const { a, b } = await pair(transport, { lanes }, { lanes });
      return [b.lane("side"), a.lane("side")];
    },
  });
}
