// For esbuild, with --loader:.node=file: see docs/bundlers.md.

import { connect, listen } from "ringbell";
import file from "ringbell/prebuilds/linux-x64/ringbell.glibc.node";

const server = await listen("app", { addon: new URL(file, import.meta.url) });
const channel = await connect("app");
console.log(channel.transport); // shm
await server.close();
