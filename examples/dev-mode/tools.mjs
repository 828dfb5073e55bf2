// The contract that the servers and their clients import.
import { contract, request } from "ringbell/rpc";
import { z } from "zod";

export const tools = contract("tools", {
  // It may run twice: a client that comes back repeats it.
  render: request(
    z.object({ page: z.string() }),
    z.object({ text: z.string(), version: z.string(), pid: z.number() }),
    {
      idempotent: true,
    },
  ),
});
