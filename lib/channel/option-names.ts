const COMMON = [
  "codec",
  "lanes",
  "capacity",
  "spin",
  "backing",
  "transport",
  "addon",
  "namespace",
  "directory",
  "authorize",
  "maxMessageBytes",
  "maxBulkBytes",
  "bulkThreshold",
  "role",
  "signal",
  "handshakeTimeout",
];

/** The names of the options of `listen`, and of `connect`. */
export const LISTEN_OPTIONS: readonly string[] = [...COMMON, "mode", "roles", "lines", "tap"];
export const CONNECT_OPTIONS: readonly string[] = [...COMMON, "retry"];

const passedOn = (names: readonly string[]) => names.filter((name) => name !== "codec" && name !== "lanes");

/** The options that the upper floors pass on to `listen` or `connect`. They set the codec and the lanes by themselves. */
export const PASSED_TO_LISTEN: readonly string[] = passedOn(LISTEN_OPTIONS);
export const PASSED_TO_CONNECT: readonly string[] = passedOn(CONNECT_OPTIONS);
