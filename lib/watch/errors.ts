import { brand } from "../brand.js";
import { RingbellError } from "../errors.js";

/** The file is no recording, is of a newer version, or is damaged. A recording that only lacks its end is none of these. */
export class RecordingError extends RingbellError {
  override readonly name = "RecordingError";
  override readonly code = "ERR_RINGBELL_RECORDING";
  constructor(
    readonly path: string,
    /** Where in the file, in bytes. */
    readonly offset: number,
    why: string,
  ) {
    super(`${path} can't be replayed: ${why} (at byte ${offset})`);
  }
}
brand(RecordingError, "ERR_RINGBELL_RECORDING");
