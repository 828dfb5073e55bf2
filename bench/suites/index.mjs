import { bulk } from "./bulk.mjs";
import { connects } from "./connect.mjs";
import { floods } from "./flood.mjs";
import { latency } from "./latency.mjs";
import { scale } from "./scale.mjs";
import { throughput } from "./throughput.mjs";

/** In the order in which they are run. */
export const suites = [latency, throughput, scale, floods, connects, ...bulk];
