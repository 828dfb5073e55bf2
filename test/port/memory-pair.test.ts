import { memoryPair } from "ringbell";
import { contractCodec, portContract } from "./contract.js";

portContract({
  name: "an end of a memoryPair()",
  pair(capacity) {
    const [one, other] = memoryPair({ capacity, codec: contractCodec });
    return [one, other];
  },
});
