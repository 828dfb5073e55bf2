import { bool, f64, type ListenOptions, oneOf, struct, u32 } from "ringbell";
import { peer } from "./setup.js";

/* Messages of a struct of numbers, which may go through the ring without the addon. */

export const Step = struct({ n: u32, side: oneOf("left", "right"), last: bool, half: f64 });
const CHILDS_STEP =
  'ringbell.struct({ n: ringbell.u32, side: ringbell.oneOf("left", "right"), last: ringbell.bool, half: ringbell.f64 })';
export const step = (n: number) => ({
  n,
  side: n % 2 ? ("left" as const) : ("right" as const),
  last: false,
  half: n / 2,
});

/** A child that runs `code` with `channel`. `module`: the library that it takes, dist/ by default. */
export const child = (code: string, options: ListenOptions<unknown, unknown> = {}, module?: URL) =>
  peer("shm", code, { codec: Step as never, ...options }, {}, CHILDS_STEP, module);
