import { createStream } from "../../../dist/transport/stream/stream.js";
import { connectNet } from "../../../dist/transport/wire/net-wire.js";

export async function join(path, lanes, bulk) {
  return createStream(await connectNet(path), lanes, bulk);
}
