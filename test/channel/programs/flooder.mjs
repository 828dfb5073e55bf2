// Opens channels, keeps them full, and takes what comes back, without ever letting its event loop turn; for a minute at most.
import { bytes, connect } from "../../../dist/index.js";

const [name, options, count] = [process.argv[2], JSON.parse(process.argv[3]), Number(process.argv[4])];
const batch = Array.from({ length: 64 }, () => new Uint8Array(32));
const channels = [];
for (let i = 0; i < count; i++)
  channels.push(await connect(name, { codec: bytes({ copy: false }), ...options }));
for (const end = performance.now() + 60_000; performance.now() < end; ) {
  for (const channel of channels) {
    while (channel.trySendMany(batch) === batch.length);
    while (channel.tryReceive() !== undefined);
  }
}
