/// <reference types="node" preserve="true" />
// Node's own types are part of ours. This line brings them even if tsconfig.json does not name them.

export { Block } from "./bulk/block.js";
export {
  Channel,
  type ChannelStatistics,
} from "./channel/channel.js";
export { connect } from "./channel/connect.js";
export type { LaneDuplexOptions } from "./channel/duplex.js";
export { Lane } from "./channel/lane.js";
export type { LaneStatistics } from "./channel/lane-core.js";
export type { NoLanes, UnknownLanes } from "./channel/lane-types.js";
export { listen } from "./channel/listen.js";
export type {
  CommonOptions,
  ConnectOptions,
  LaneOptions,
  LanesOption,
  ListenOptions,
  RoleOptions,
  RolesListenOptions,
  RolesOption,
} from "./channel/options.js";
export type { RoleChannel } from "./channel/role-types.js";
export { type AcceptOptions, Server, type ServerEvents } from "./channel/server.js";
export { type Spawned, type SpawnOptions, spawn } from "./channel/spawn.js";
export type { LaneReadable, LaneWritable } from "./channel/web-streams.js";
export type { ChildExit, ChildOptions } from "./child.js";
export * from "./codec/index.js";
export type { CloseReason } from "./ending.js";
export * from "./errors.js";
export { type MemoryPairOptions, memoryPair } from "./memory-pair.js";
export type { Credentials } from "./native/binding.js";
export type {
  Cells,
  CloseInfo,
  CloseOptions,
  Port,
  PortEvents,
  ProgressOptions,
  Receiver,
  Sender,
  SendProgress,
  SignalOptions,
  TimeoutOptions,
  WaitOptions,
} from "./port.js";
export { type TestNamespace, testNamespace } from "./test-namespace.js";
export type { BulkStats, ConnectionStats, LaneStats } from "./transport/contract.js";
export type { Authorize, Peer } from "./transport/handshake/peer.js";
export type { LatencyHistogram } from "./transport/latency.js";
export type { Clock, RetryOptions } from "./transport/places/retry.js";
export {
  type EndpointInfo,
  type EndpointState,
  type EndpointStatus,
  type EndpointsOptions,
  endpoints,
  type HealthOptions,
  health,
} from "./transport/places/status.js";
export { type SweepOptions, type SweepReport, sweep } from "./transport/places/sweep.js";
