/** Looks at the endpoints of a machine from outside: what they say of themselves, and what that makes in a second. */
export { Decoding, type Reading } from "./decoding.js";
export { RecordingError } from "./errors.js";
export {
  type ChannelEntry,
  type EndpointEntry,
  type LaneEntry,
  type Listing,
  type Look,
  look,
  type WayEntry,
} from "./listing.js";
export { type Figures, type Flow, type Load, Meter, type ProcessLoad } from "./meter.js";
export { Recorder, type RecordingHeader, type RecordingIndex } from "./recorder.js";
export { Recording } from "./recording.js";
export { type Stream, Tap, type TapEvent, type TapOptions } from "./tap.js";
