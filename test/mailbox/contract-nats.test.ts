import { mailboxes } from "ringbell/mailbox";
import { afterAll, beforeAll, describe, it } from "vitest";
import { cases } from "./contract/cases.js";
import { slowStage } from "./contract/stage.js";
import { NatsServer, withoutNats } from "./nats-server.js";

const server = new NatsServer();

describe.skipIf(withoutNats !== undefined)("mailboxes in NATS", () => {
  beforeAll(() => server.start());
  afterAll(() => server.end());

  it.concurrent.each(Object.keys(cases))(
    "%s",
    async (title) => {
      const { end, ...actors } = slowStage(mailboxes, {
        engine: "nats",
        servers: server.servers,
        name: title.slice(0, 200),
        silence: 2000,
      });
      try {
        await cases[title]!(actors);
      } finally {
        await end();
      }
    },
    30_000,
  );
});
