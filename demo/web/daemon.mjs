// The daemon: the agent, its session, and the bridge to windows. It has no window of its own, and needs none.

import { createServer } from "node:http";
import { serveBridge } from "../../dist/bridge/index.js";
import { open } from "../../dist/rpc/index.js";
import { serveSession } from "../../dist/session/index.js";
import { Agent, nameOf } from "./agent.mjs";
import { inputs, model, tools } from "./contract.mjs";
import { Keys } from "./keys.mjs";
import { Picture } from "./picture.mjs";
import { endWithLauncher, place } from "./process.mjs";
import { serveSite } from "./site.mjs";

let over = false;
const keys = new Keys(process.env.DEMO_SECRET);
const reconnect = { reconnect: true, ...place };
const services = { model: await open(model, reconnect), tools: await open(tools, reconnect) };

const agent = new Agent(services);
const session = await serveSession("agent", {
  ...place,
  state: "idle",
  snapshot: () => ({ activities: agent.activities }),
  log: { maxEvents: 5000 },
  // A window that is slow needs no token of the past: the bytes of the terminal have them all.
  classes: { token: "drop" },
  inputs,
  handlers: {
    ...agent.handlers,
    delivered: (times) => {
      picture.delivered = times;
      return null;
    },
  },
});

const server = createServer();
await new Promise((resolve, reject) => {
  server.once("error", reject);
  server.listen(Number(process.env.DEMO_PORT ?? 0), "127.0.0.1", resolve);
});
const { port } = server.address();
const hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
const bridge = await serveBridge({
  session,
  server,
  origins: hosts.map((host) => `http://${host}`),
  authenticate: (token) => keys.identify(token),
  roles: { operator: ["approve", "reject", "abort"], viewer: [] },
  heartbeat: { interval: 2000 },
});
serveSite(server, { keys, hosts: () => hosts });

const terminal = bridge.terminal("agent");
const picture = new Picture({
  ...{ place, agent, session, bridge, services },
  show: (drawn) => session.retain("picture", drawn),
});
// The scribe comes by shared memory; it is no window.
const isWindow = ({ peer }) => peer === undefined && !over;
session.on("attach", (info) => {
  if (isWindow(info)) agent.note("opened", `${capital(nameOf(info.client))} opened`);
});
session.on("detach", (info) => {
  if (isWindow(info)) agent.note("closed", `${capital(nameOf(info.client))} closed`);
});

endWithLauncher(async () => {
  over = true;
  picture.close();
  await session.close({ over: true, grace: 1000 });
  server.close();
  server.closeAllConnections();
  await Promise.all(Object.values(services).map((service) => service.close()));
});
// Another link is a new ticket.
process.on("message", (message) => {
  if (message === "link") process.send({ link: link() });
});
const link = () => `http://127.0.0.1:${port}/#${keys.ticket("operator")}`;
process.send({ port, link: link() });
await agent.run(session, terminal).catch((error) => {
  if (!over) throw error;
});

function capital(text) {
  return text[0].toUpperCase() + text.slice(1);
}
