// For webpack: see docs/bundlers.md.
import { connect, listen } from "ringbell";

const addon = new URL("ringbell/prebuilds/linux-x64/ringbell.glibc.node", import.meta.url);
const server = await listen("app", { addon });
const channel = await connect("app");
console.log(channel.transport); // shm
await server.close();
