import type { Ending } from "../../ending.js";
import type { Outlet } from "./outlet.js";

/** The part of a stream's connection that its lanes and its blocks use. */
export interface StreamHost {
  readonly ending: Ending;
  readonly outlet: Outlet;
  /** Reads what has arrived, if the wire can do that without the event loop. Calls no handler. */
  look(): void;
  /** Has the handlers called soon, asynchronously. */
  schedule(): void;
}
