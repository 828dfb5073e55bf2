export { type ChildOptions, TextChild } from "./child.js";
export { type JoinOptions, join, type Relay, type RelayOptions, relay } from "./relay.js";
export { TextPipe } from "./text-pipe.js";
