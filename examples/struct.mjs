// Typed messages: a struct codec lays objects out as a C compiler would, checks every value, and names the
// field that does not fit. Two sides with different structs find out when they connect.
//
//   node examples/struct.mjs
//
// Prints:
//   ACME buy 2.5
//   ERR_RINGBELL_ENCODE price: must be a number; it is "2.5"
//   ERR_RINGBELL_SCHEMA

import { connect, f64, listen, oneOf, struct, text, u32 } from "ringbell";

const Order = struct({ id: u32, side: oneOf("buy", "sell"), price: f64, symbol: text() });

const server = await listen("orders", { codec: Order });
server.on("connection", (channel) => {
  channel.on("message", ({ symbol, side, price }) => console.log(symbol, side, price));
});

const channel = await connect("orders", { codec: Order });
await channel.send({ id: 1, side: "buy", price: 2.5, symbol: "ACME" });
await channel.flush(); // The other side has taken it.
try {
  await channel.send({ id: 2, side: "buy", price: "2.5", symbol: "ACME" });
} catch (error) {
  console.log(error.code, error.message);
}

try {
  await connect("orders", { codec: struct({ id: u32, price: f64 }) });
} catch (error) {
  console.log(error.code);
}

await channel.close();
await server.close();
