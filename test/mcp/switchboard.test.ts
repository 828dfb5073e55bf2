import { describe, expect, it } from "vitest";
import { Switchboard } from "../../lib/mcp/share/switchboard.js";

// biome-ignore lint/suspicious/noExplicitAny: messages of every kind, into which the tests look.
type Message = Record<string, any>;

/** A switchboard, what its server has got, and clients with what they have got. */
function board(options = {}) {
  const server: Message[] = [];
  const switchboard = new Switchboard((message) => server.push(message as never), options);
  const client = (capabilities?: object) => {
    const got: Message[] = [];
    const it = { send: (message: object) => void got.push(message as never) };
    const say = (message: object) => switchboard.fromClient(it, { jsonrpc: "2.0", ...message });
    const hello = () => {
      say({ id: "hello", method: "initialize", params: { capabilities } });
      const last = server.at(-1);
      if (last?.method === "initialize" && last.params.capabilities === capabilities) {
        reply({ id: last.id, result: { protocolVersion: "1", capabilities: {} } });
      }
      say({ method: "notifications/initialized" });
      got.splice(0);
    };
    if (capabilities !== undefined) hello();
    return { got, say, leave: () => switchboard.leave(it) };
  };
  const reply = (message: object) => switchboard.fromServer({ jsonrpc: "2.0", ...message });
  return { server, client, reply, switchboard };
}

const call = (id: unknown, more: object = {}) => ({
  id,
  method: "tools/call",
  params: { name: "t", ...more },
});

describe("calls of many clients to one server", () => {
  it("get ids of their own on the way, and answers come to the client that asked, with its id", () => {
    const { server, client, reply } = board();
    const [a, b] = [client(), client()];
    a.say(call(1));
    b.say(call(1));
    b.say(call("x"));
    expect(new Set(server.map(({ id }) => id)).size).toBe(3);
    for (const { id } of [...server].reverse()) reply({ id, result: { was: id } });
    expect(a.got).toEqual([{ jsonrpc: "2.0", id: 1, result: { was: server[0]!.id } }]);
    expect(b.got.map(({ id, result }) => [id, result.was])).toEqual([
      ["x", server[2]!.id],
      [1, server[1]!.id],
    ]);
  });

  it("get reports of progress, by tokens of their own, until they are answered", () => {
    const { server, client, reply } = board();
    const [a, b] = [client(), client()];
    a.say(call(1, { _meta: { progressToken: "t", other: 1 } }));
    b.say(call(1, { _meta: { progressToken: "t" } }));
    const [tokenA, tokenB] = server.map(({ params }) => params._meta.progressToken);
    expect(tokenA).not.toBe(tokenB);
    expect(server[0]!.params._meta.other).toBe(1);
    const progress = (progressToken: unknown) =>
      reply({ method: "notifications/progress", params: { progressToken, progress: 1 } });
    progress(tokenB);
    progress("unknown");
    expect(a.got).toEqual([]);
    expect(b.got[0]).toMatchObject({ params: { progressToken: "t", progress: 1 } });
    reply({ id: server[1]!.id, result: {} });
    progress(tokenB);
    expect(b.got).toHaveLength(2);
  });

  it("get reports of a task also after the answer that named it, until the client goes", () => {
    const { server, client, reply } = board();
    const a = client();
    a.say(call(1, { _meta: { progressToken: "t" }, task: {} }));
    const token = server[0]!.params._meta.progressToken;
    reply({ id: server[0]!.id, result: { task: { taskId: "1" } } });
    reply({ method: "notifications/progress", params: { progressToken: token, progress: 1 } });
    expect(a.got).toHaveLength(2);
    a.leave();
    reply({ method: "notifications/progress", params: { progressToken: token, progress: 2 } });
    expect(a.got).toHaveLength(2);
  });

  it("are cancelled by their own client only, and an answer that comes all the same goes to nobody", () => {
    const { server, client, reply } = board();
    const [a, b] = [client(), client()];
    a.say(call(1));
    b.say({ method: "notifications/cancelled", params: { requestId: 1 } });
    b.say({ method: "notifications/cancelled", params: { requestId: server[0]!.id } });
    expect(server).toHaveLength(1);
    a.say({ method: "notifications/cancelled", params: { requestId: 1, reason: "enough" } });
    expect(server[1]).toMatchObject({
      method: "notifications/cancelled",
      params: { requestId: server[0]!.id, reason: "enough" },
    });
    reply({ id: server[0]!.id, result: {} });
    expect(a.got).toEqual([]);
  });

  it("are cancelled when their client goes", () => {
    const { server, client } = board();
    const [a, b] = [client(), client()];
    a.say(call(1));
    a.say(call(2));
    b.say(call(1));
    a.leave();
    const cancelled = server.filter(({ method }) => method === "notifications/cancelled");
    expect(cancelled.map(({ params }) => params.requestId)).toEqual([server[0]!.id, server[1]!.id]);
  });

  it("all get an error when the server ends, and so do later ones", () => {
    const { client, switchboard } = board();
    const [a, b] = [client(), client()];
    a.say(call(1));
    b.say(call(7));
    switchboard.end("the server has ended: signal SIGKILL");
    b.say(call(8));
    expect(a.got).toEqual([
      { jsonrpc: "2.0", id: 1, error: { code: -32000, message: "the server has ended: signal SIGKILL" } },
    ]);
    expect(b.got.map(({ id, error }) => [id, error.code])).toEqual([
      [7, -32000],
      [8, -32000],
    ]);
  });

  it("are refused where their id is under way, or too many are", () => {
    const { server, client } = board();
    const a = client();
    for (let id = 0; id < 1024; id++) a.say(call(id));
    a.say(call(5));
    a.say(call("more"));
    expect(a.got.map(({ id, error }) => [id, error.code])).toEqual([
      [5, -32600],
      ["more", -32000],
    ]);
    expect(server).toHaveLength(1024);
  });
});

describe("the handshake with a shared server", () => {
  it("is the first client's; the others get the same answer, also those that came while it was under way", () => {
    const { server, client, reply } = board();
    const [a, b, c] = [client(), client(), client()];
    const hello = { id: 0, method: "initialize", params: { capabilities: {} } };
    a.say(hello);
    b.say(hello);
    expect(server).toHaveLength(1);
    const result = { protocolVersion: "2025-11-25", serverInfo: { name: "s" } };
    reply({ id: server[0]!.id, result });
    c.say({ ...hello, id: "c" });
    expect([a.got[0], b.got[0], c.got[0]]).toEqual([
      { jsonrpc: "2.0", id: 0, result },
      { jsonrpc: "2.0", id: 0, result },
      { jsonrpc: "2.0", id: "c", result },
    ]);
    for (const each of [b, a, c]) each.say({ method: "notifications/initialized" });
    expect(server.map(({ method }) => method)).toEqual(["initialize", "notifications/initialized"]);
  });

  it("goes on when the first client leaves in the middle of it", () => {
    const { server, client, reply } = board();
    const [a, b] = [client(), client()];
    const hello = { id: 0, method: "initialize", params: { capabilities: {} } };
    a.say(hello);
    b.say(hello);
    a.leave();
    expect(server).toHaveLength(1);
    reply({ id: server[0]!.id, result: { protocolVersion: "1" } });
    expect(a.got).toEqual([]);
    expect(b.got[0]).toMatchObject({ result: { protocolVersion: "1" } });
  });

  it("is tried again by the next client after an error, and fails with the server", () => {
    const { server, client, reply, switchboard } = board();
    const [a, b, c] = [client(), client(), client()];
    const hello = { id: 0, method: "initialize", params: {} };
    a.say(hello);
    reply({ id: server[0]!.id, error: { code: 1, message: "no" } });
    expect(a.got[0]).toMatchObject({ error: { message: "no" } });
    b.say(hello);
    c.say(hello);
    expect(server).toHaveLength(2);
    switchboard.end("gone");
    expect([b.got[0], c.got[0]]).toMatchObject([{ error: { code: -32000 } }, { error: { code: -32000 } }]);
  });
});

describe("requests of a shared server", () => {
  const sample = { id: 1, method: "sampling/createMessage", params: {} };

  it("go to the client that has a call under way and offers it; its answer gets the server's id", () => {
    const { server, client, reply } = board();
    const [plain, a, b] = [client({}), client({ sampling: {} }), client({ sampling: {} })];
    plain.say(call(1));
    b.say(call(1));
    reply(sample);
    expect([plain.got, a.got]).toEqual([[], []]);
    const { id } = b.got[0]!;
    a.say({ id, result: { forged: true } });
    b.say({ id, result: { model: "m" } });
    b.say({ id, result: { twice: true } });
    expect(server.filter(({ result }) => result !== undefined)).toEqual([
      { jsonrpc: "2.0", id: 1, result: { model: "m" } },
    ]);
  });

  it("are refused where several clients could be meant; from then on their calls take turns", () => {
    const { server, client, reply } = board();
    const [a, b, plain] = [client({ sampling: {} }), client({ elicitation: {}, sampling: {} }), client({})];
    a.say(call(1));
    b.say(call(1));
    reply(sample);
    expect(server.at(-1)).toMatchObject({ id: 1, error: { code: -32000 } });
    expect([...a.got, ...b.got]).toEqual([]);
    const calls = () => server.filter(({ method }) => method === "tools/call");
    const answer = (n: number) => reply({ id: calls()[n]!.id, result: {} });
    b.say(call(2));
    expect(calls()).toHaveLength(2);
    answer(0);
    // Only b is left: its next call may begin, and a's has to wait.
    expect(calls()).toHaveLength(3);
    a.say(call(3));
    plain.say(call(1));
    expect(calls().map(({ params }) => params.name)).toHaveLength(4);
    reply({ ...sample, id: 2 });
    expect(b.got.at(-1)).toMatchObject({ method: sample.method });
    answer(1);
    answer(2);
    expect(calls()).toHaveLength(5);
    reply({ ...sample, id: 3 });
    expect(a.got.at(-1)).toMatchObject({ method: sample.method });
  });

  it("find the right one of many where calls take turns from the start; a call that waits can be cancelled", () => {
    const { server, client, reply } = board({ turns: true });
    const clients = Array.from({ length: 10 }, () => client({ sampling: {} }));
    for (const { say } of clients) say(call(1));
    clients[3]!.say({ method: "notifications/cancelled", params: { requestId: 1 } });
    clients[5]!.leave();
    const asked: number[] = [];
    for (let n = 0; n < 8; n++) {
      const calls = server.filter(({ method }) => method === "tools/call");
      expect(calls).toHaveLength(n + 1);
      reply({ ...sample, id: 100 + n });
      asked.push(clients.findIndex(({ got }) => got.at(-1)?.method === sample.method));
      reply({ id: calls[n]!.id, result: {} });
    }
    expect(asked).toEqual([0, 1, 2, 4, 6, 7, 8, 9]);
    expect(server.filter(({ method }) => method === "notifications/cancelled")).toEqual([]);
  });

  it("for roots go to the first client that has some; only its news of them is passed on", () => {
    const { server, client, reply } = board();
    const [, a, b] = [client({}), client({ roots: {} }), client({ roots: {}, sampling: {} })];
    b.say(call(1));
    reply({ id: 9, method: "roots/list" });
    expect([a.got.length, b.got.length]).toEqual([1, 0]);
    const before = server.length;
    b.say({ method: "notifications/roots/list_changed" });
    expect(server).toHaveLength(before);
    a.say({ method: "notifications/roots/list_changed" });
    expect(server).toHaveLength(before + 1);
    a.leave();
    expect(server.at(-1)).toMatchObject({ id: 9, error: { code: -32000, message: "the client has gone" } });
    reply({ id: 10, method: "roots/list" });
    expect(b.got).toHaveLength(1);
  });

  it("that nobody offers are refused, and pings are answered", () => {
    const { server, client, reply } = board();
    client({});
    reply({ id: 1, method: "ping" });
    reply({ id: 2, method: "elicitation/create", params: {} });
    reply({ id: 3, method: "unheard/of" });
    expect(server.slice(-3)).toMatchObject([
      { id: 1, result: {} },
      { id: 2, error: { code: -32601 } },
      { id: 3, error: { code: -32601 } },
    ]);
  });

  it("are cancelled and reported about between the server and the client that was asked", () => {
    const { server, client, reply } = board();
    const [a, b] = [client({ sampling: {} }), client({ sampling: {} })];
    a.say(call(1));
    reply({ ...sample, params: { _meta: { progressToken: "p" } } });
    const before = server.length;
    const progress = { method: "notifications/progress", params: { progressToken: "p", progress: 1 } };
    b.say(progress);
    expect(server).toHaveLength(before);
    a.say(progress);
    expect(server).toHaveLength(before + 1);
    reply({ method: "notifications/cancelled", params: { requestId: 1 } });
    expect(a.got.at(-1)).toMatchObject({ params: { requestId: a.got[0]!.id } });
    a.say({ id: a.got[0]!.id, result: {} });
    expect(server).toHaveLength(before + 1);
  });
});

describe("notifications of a shared server", () => {
  it("that lists have changed come to all that have had their handshake", () => {
    const { client, reply } = board();
    const [a, b, early] = [client({}), client({}), client()];
    early.say({ id: 1, method: "server/discover" });
    reply({ method: "notifications/tools/list_changed" });
    expect([a.got.length, b.got.length, early.got.length]).toEqual([1, 1, 0]);
  });

  it("of resources come to those that subscribed, and the server is told when nobody wants them any more", () => {
    const { server, client, reply } = board();
    const [a, b, c] = [client({}), client({}), client({})];
    const subscribe = { id: 1, method: "resources/subscribe", params: { uri: "file:///a" } };
    a.say(subscribe);
    b.say(subscribe);
    c.say({ ...subscribe, params: { uri: "file:///b" } });
    const updated = () =>
      reply({ method: "notifications/resources/updated", params: { uri: "file:///a/x" } });
    updated();
    expect([a, b, c].map(({ got }) => got.length)).toEqual([1, 1, 0]);
    a.say({ ...subscribe, id: 2, method: "resources/unsubscribe" });
    // Answered here: b still wants them.
    expect(a.got.at(-1)).toEqual({ jsonrpc: "2.0", id: 2, result: {} });
    updated();
    expect([a, b, c].map(({ got }) => got.length)).toEqual([2, 2, 0]);
    b.leave();
    expect(server.at(-1)).toMatchObject({ method: "resources/unsubscribe", params: { uri: "file:///a" } });
    reply({ id: server.at(-1)!.id, result: {} });
    expect([a, b, c].map(({ got }) => got.length)).toEqual([2, 2, 0]);
  });

  it("of a log come to each client from the level on that it has set, and the server gets the least", () => {
    const { server, client, reply } = board();
    const [a, b, c] = [client({}), client({}), client({})];
    const log = (level: string) => reply({ method: "notifications/message", params: { level, data: "" } });
    const levels = (got: Message[]) =>
      got.filter(({ method }) => method === "notifications/message").map(({ params }) => params.level);
    log("debug");
    expect([a, b, c].map(({ got }) => got.length)).toEqual([1, 1, 1]);
    for (const each of [a, b, c]) each.got.splice(0);
    a.say({ id: 1, method: "logging/setLevel", params: { level: "debug" } });
    b.say({ id: 1, method: "logging/setLevel", params: { level: "error" } });
    expect(server.slice(-2).map(({ params }) => params.level)).toEqual(["debug", "debug"]);
    for (const level of ["debug", "info", "error"]) log(level);
    expect(levels(a.got)).toEqual(["debug", "info", "error"]);
    expect(levels(b.got)).toEqual(["error"]);
    expect(levels(c.got)).toEqual(["info", "error"]);
    a.leave();
    expect(server.at(-1)).toMatchObject({ method: "logging/setLevel", params: { level: "error" } });
  });

  it("of a subscription of the newest revision come to the client that opened it, with its id", () => {
    const { server, client, reply } = board();
    const [a, b] = [client(), client()];
    for (const each of [a, b]) each.say({ id: "listen:0", method: "subscriptions/listen", params: {} });
    const tell = (id: unknown) =>
      reply({
        method: "notifications/tools/list_changed",
        params: { _meta: { "io.modelcontextprotocol/subscriptionId": id } },
      });
    tell(server[1]!.id);
    tell("listen:0");
    expect(a.got).toEqual([]);
    expect(b.got[0]!.params._meta).toEqual({ "io.modelcontextprotocol/subscriptionId": "listen:0" });
    b.leave();
    expect(server.at(-1)).toMatchObject({ params: { requestId: server[1]!.id } });
  });
});

describe("tasks of a shared server", () => {
  const RELATED = "io.modelcontextprotocol/related-task";
  const about = (method: string, taskId?: string) => ({ id: method, method, params: { taskId } });
  const INVALID = { error: { code: -32602, message: expect.stringContaining("there is no task") } };

  /** Two clients, of which each has begun a task: the one in the words of revision 2025-11-25, the other in those of 2026-07-28. */
  function working() {
    const made = board();
    const [a, b] = [made.client({ elicitation: {} }), made.client({ elicitation: {} })];
    a.say(call(1, { task: {}, _meta: { progressToken: "a" } }));
    made.reply({ id: made.server.at(-1)!.id, result: { task: { taskId: "of a", status: "working" } } });
    b.say(call(1));
    made.reply({ id: made.server.at(-1)!.id, result: { resultType: "task", taskId: "of b" } });
    for (const { got } of [a, b]) got.splice(0);
    made.server.splice(0);
    return { ...made, a, b };
  }

  it("are their client's alone: another can't read, change or cancel them", () => {
    const { server, a, b } = working();
    for (const method of ["tasks/get", "tasks/result", "tasks/cancel", "tasks/update"]) {
      b.say(about(method, "of a"));
      expect(b.got.pop()).toMatchObject({ id: method, ...INVALID });
    }
    a.say(about("tasks/get", "of b"));
    expect(a.got.pop()).toMatchObject(INVALID);
    expect(server).toEqual([]);
    a.say(about("tasks/get", "of a"));
    b.say(about("tasks/cancel", "of b"));
    expect(server.map(({ params }) => params.taskId)).toEqual(["of a", "of b"]);
  });

  it("are listed for their client only", () => {
    const { server, reply, a, b } = working();
    for (const { say } of [a, b]) say(about("tasks/list"));
    const tasks = [{ taskId: "of a" }, { taskId: "of b" }, { taskId: "of nobody" }, null];
    for (const { id } of [...server]) reply({ id, result: { tasks, nextCursor: "next" } });
    expect(a.got[0]!.result).toEqual({ tasks: [{ taskId: "of a" }], nextCursor: "next" });
    expect(b.got[0]!.result.tasks).toEqual([{ taskId: "of b" }]);
  });

  it("tell their state, messages and questions to their client only", () => {
    const { server, reply, a, b } = working();
    const _meta = { [RELATED]: { taskId: "of b" } };
    reply({ method: "notifications/tasks/status", params: { taskId: "of b", status: "working" } });
    reply({ method: "notifications/tasks/status", params: { taskId: "of nobody", status: "working" } });
    reply({ method: "notifications/message", params: { level: "error", data: 1, _meta } });
    reply({ id: 7, method: "elicitation/create", params: { message: "sure?", _meta } });
    reply({ id: 8, method: "sampling/createMessage", params: { _meta } });
    expect(a.got).toEqual([]);
    expect(b.got.map(({ method }) => method)).toEqual([
      "notifications/tasks/status",
      "notifications/message",
      "elicitation/create",
    ]);
    // It offers no sampling, and nobody else is asked in its place.
    expect(server).toMatchObject([{ id: 8, error: { code: -32601 } }]);
    b.say({ id: b.got[2]!.id, result: { action: "accept" } });
    expect(server[1]).toMatchObject({ id: 7, result: { action: "accept" } });
  });

  it("of a client that has gone belong to the first that asks for them by their id", () => {
    const { server, client, reply, a, b } = working();
    a.leave();
    const again = client({});
    server.splice(0);
    again.say(about("tasks/get", "of a"));
    reply({ id: server[0]!.id, result: { taskId: "of a", status: "working" } });
    expect(again.got.at(-1)).toMatchObject({ result: { taskId: "of a" } });
    b.say(about("tasks/cancel", "of a"));
    expect(b.got.pop()).toMatchObject(INVALID);
  });

  it("are forgotten beyond 1024 of one client, the oldest first, and those of others are kept", () => {
    const { server, reply, a, b } = working();
    for (let n = 0; n < 1024; n++) {
      b.say(call(`${n}`));
      reply({ id: server.at(-1)!.id, result: { task: { taskId: `${n}` } } });
    }
    const asked = (task: string) => {
      a.got.splice(0);
      a.say(about("tasks/cancel", task));
      const refused = a.got.length > 0;
      if (!refused) reply({ id: server.at(-1)!.id, result: {} });
      return refused ? "refused" : "passed on";
    };
    expect(["of a", "of b", "0", "1023"].map(asked)).toEqual([
      "passed on",
      "passed on",
      "refused",
      "refused",
    ]);
  });

  it("that a client has begun for the server are asked for at that client", () => {
    const { server, reply, client } = board();
    const [a, b] = [client({}), client({ sampling: {} })];
    reply({ id: 1, method: "sampling/createMessage", params: { task: {} } });
    b.say({ id: b.got[0]!.id, result: { task: { taskId: "done by b" } } });
    server.splice(0);
    reply({ id: 2, method: "tasks/result", params: { taskId: "done by b" } });
    reply({ id: 3, method: "tasks/result", params: { taskId: "of nobody" } });
    expect(a.got).toEqual([]);
    expect(b.got[1]).toMatchObject({ method: "tasks/result", params: { taskId: "done by b" } });
    b.say({ id: b.got[1]!.id, result: { role: "assistant" } });
    expect(server).toMatchObject([
      { id: 3, error: { code: -32601 } },
      { id: 2, result: { role: "assistant" } },
    ]);
  });
});

it("a switchboard drops what is no message, from either side", () => {
  const { server, switchboard } = board();
  const client = { send: () => expect.fail("nothing is to be sent") };
  const garbage = [
    null,
    5,
    "text",
    [],
    {},
    { jsonrpc: "1.0", id: 1, method: "a" },
    { jsonrpc: "2.0", id: {}, method: "a" },
    { jsonrpc: "2.0", id: null, method: "a" },
    { jsonrpc: "2.0", id: 1, method: "a", params: [1] },
    { jsonrpc: "2.0", id: 1, result: 5 },
    { jsonrpc: "2.0", id: 77, result: {} },
    { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: {} } },
    { jsonrpc: "2.0", method: "notifications/progress", params: {} },
  ];
  for (const value of garbage) {
    switchboard.fromClient(client, value);
    switchboard.fromServer(value);
  }
  expect(server).toEqual([]);
});
