export { type ChildOptions, TextChild } from "./child.js";
export { type JoinOptions, join, type Relay, type RelayOptions, relay } from "./relay.js";
export {
  type FromSocketOptions,
  relayFromSocket,
  relayToSocket,
  type SocketAddress,
  type ToSocketOptions,
} from "./socket.js";
export { TextPipe } from "./text-pipe.js";
