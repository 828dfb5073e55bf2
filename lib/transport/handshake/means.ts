import { TransportError } from "../../errors.js";
import type { Binding } from "../../native/binding.js";
import { addonFailure } from "../../native/load.js";
import type { Backing } from "./greetings.js";
import type { Means } from "./negotiate.js";

export type TransportChoice = "auto" | "shm" | "stream";

/** Returns what this process can do with its options. Throws a TransportError if the options ask for more. */
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

/** Returns the means for a peer of another user, which may only get a sealed region. */
export function meansForStranger(means: Means): Means {
  return { ...means, backings: means.backings.filter((backing) => backing === "sealed") };
}

/** Returns the most bytes that blocks may take here: 0 if ArrayBuffers can't show their memory. `wish`: the value of the option. */
export function ourBulkBytes(binding: Binding | undefined, wish: number): number {
  return binding?.externalBuffers === false ? 0 : wish;
}
