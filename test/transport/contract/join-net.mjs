import { createStream } from "../../../dist/transport/stream.js";
import { connectNet } from "../../../dist/transport/wire.js";

export async function join(path, lanes) {
  return createStream(await connectNet(path), lanes);
}
