import { overGrpc } from "../lib/grpc.mjs";

/** A call for each echo, the usual way; a flood goes by a stream. */
export const peer = {
  name: "grpc",
  title: "@grpc/grpc-js, Unix socket",
  file: import.meta.url,
  packages: ["@grpc/grpc-js", "@grpc/proto-loader"],
};

export const { serve, drive } = overGrpc(true);
