import { TransportError } from "../../errors.js";
import type { Binding } from "../../native/binding.js";
import { addonFailure } from "../../native/load.js";
import type { Backing } from "./greetings.js";
import type { Means } from "./negotiate.js";

export type TransportChoice = "auto" | "shm" | "stream";

/**
 * What this process can do with the options it was given. Throws a TransportError where the options ask for more.
 */
export function ourMeans(
  binding: Binding | undefined,
  transport: TransportChoice,
  backing: Backing | undefined,
): Means {
  if (transport === "stream" || binding === undefined) {
    if (transport === "shm") {
      const cause = addonFailure();
      throw new TransportError(
        `transport "shm" needs the addon; use "auto" to do without. ${cause?.message ?? ""}`.trimEnd(),
        { cause },
      );
    }
    return { transports: ["stream"], backings: [], abi: binding?.abiVersion ?? 0 };
  }
  const possible: readonly Backing[] = process.platform === "linux" ? ["sealed", "named"] : ["named"];
  if (backing !== undefined && !possible.includes(backing)) {
    throw new TransportError(
      `backing "${backing}" does not exist on ${process.platform}; it has ${possible.join(" and ")}`,
    );
  }
  return {
    transports: transport === "shm" ? ["shm"] : ["shm", "stream"],
    backings: backing === undefined ? possible : [backing],
    abi: binding.abiVersion,
  };
}

/** The same means for a peer of another user, whom only a sealed region is shown. */
export function meansForStranger(means: Means): Means {
  return { ...means, backings: means.backings.filter((backing) => backing === "sealed") };
}

/** Bytes that blocks may take here: none where nothing can look at their memory. `wish`: what the options say. */
export function ourBulkBytes(binding: Binding | undefined, wish: number): number {
  return binding?.externalBuffers === false ? 0 : wish;
}
