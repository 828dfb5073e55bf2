import { createStream } from "../../../dist/transport/stream.js";
import { connectNet } from "../../../dist/transport/wire.js";

export async function join(path, lanes, bulk) {
  return createStream(await connectNet(path), lanes, bulk);
}
