import { overGrpc } from "../lib/grpc.mjs";

/** A stream in both directions for all echoes, which saves starting a call for each. */
export const peer = {
  name: "grpc-stream",
  title: "@grpc/grpc-js, Unix socket, one stream",
  file: import.meta.url,
  packages: ["@grpc/grpc-js", "@grpc/proto-loader"],
  // A flood goes by a stream in any case.
  workloads: ["echo", "paced"],
};

export const { serve, drive } = overGrpc(false);
