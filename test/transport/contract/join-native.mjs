import { loadBinding } from "../../../dist/native/load.js";
import { createStream } from "../../../dist/transport/stream/stream.js";
import { connectNative } from "../../../dist/transport/wire/addon-wire.js";

export async function join(path, lanes, bulk) {
  return createStream(connectNative(loadBinding(), path), lanes, bulk);
}
