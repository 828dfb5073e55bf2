// Sends back what comes, in any runtime. Arguments: the directory of the endpoint `n`.
import { connect } from "../../dist/index.js";

const channel = await connect("n", { directory: process.argv[2] });
for await (const message of channel) await channel.send(message);
