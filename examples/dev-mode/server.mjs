// A tool server whose start is expensive. The namespace in the environment (RINGBELL_NAMESPACE) decides whether it is production or
// development; the program does not know.
import { setTimeout as sleep } from "node:timers/promises";
import { serve } from "ringbell/rpc";
import { tools } from "./tools.mjs";

/** Browsers, connections to a database, logins: what must not be done anew for each client. */
await sleep(500);

const [version = "1"] = process.argv.slice(2);
await serve(tools, {
  render: ({ page }) => ({ text: `<p>${page}</p>`, version, pid: process.pid }),
});
process.send?.("ready");
