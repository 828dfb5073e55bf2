import type { Ending } from "../../ending.js";
import type { Outlet } from "./outlet.js";
import type { StreamBulk } from "./stream-bulk.js";

/** What the lanes of a stream and its blocks need of their connection. */
export interface StreamHost {
  readonly ending: Ending;
  readonly outlet: Outlet;
  readonly bulk: StreamBulk;
  /** Takes in what has arrived, where that can be done without the event loop. Calls no handler. */
  look(): void;
  /** A handler is to be called, soon and asynchronously. */
  schedule(): void;
}
