import { describe, expect, expectTypeOf, it } from "vitest";
import type { Channel } from "../../lib/channel/channel.js";
import { connect } from "../../lib/channel/connect.js";
import type { NoLanes } from "../../lib/channel/lane-types.js";
import { listen } from "../../lib/channel/listen.js";
import type { ConnectOptions, ListenOptions } from "../../lib/channel/options.js";
import type { Server } from "../../lib/channel/server.js";
import { connectSettings, listenSettings, offeredLanes } from "../../lib/channel/settings.js";
import { bytes } from "../../lib/codec/bytes.js";
import { json } from "../../lib/codec/json.js";
import { text } from "../../lib/codec/text.js";
import { InvalidArgumentError, TransportError, UnknownOptionError } from "../../lib/errors.js";
import { DEFAULT_RETRY } from "../../lib/transport/places/retry.js";

type Any = ListenOptions<unknown, unknown> & ConnectOptions<unknown, unknown>;

describe("options", () => {
  it("that do not exist are refused by name, with those that do", () => {
    const misspelt = { capasity: 4096 } as unknown as Any;
    expect(() => listenSettings(misspelt, {})).toThrow(UnknownOptionError);
    expect(() => connectSettings(misspelt, {})).toThrow(/"capasity"; the options are codec, lanes, capacity/);
    expect(() => connectSettings({ mode: 0o600 } as Any, {})).toThrow(UnknownOptionError);
    expect(() => listenSettings({ retry: false } as Any, {})).toThrow(UnknownOptionError);
    const lane = { lanes: { control: { capasity: 1 } } } as unknown as Any;
    expect(() => listenSettings(lane, {})).toThrow(/"lanes\.control\.capasity"/);
    expect(() => connectSettings({ retry: { tries: 1 } } as unknown as Any, {})).toThrow(/"retry\.tries"/);
  });

  const wrong: [string, unknown][] = [
    ["codec", {}],
    ["codec", null],
    ["codec", "json"],
    ["codec", { send: json() }],
    ["capacity", 0],
    ["capacity", 2048],
    ["capacity", 5000],
    ["capacity", 2 ** 31],
    ["capacity", 4096.5],
    ["capacity", "4096"],
    ["lanes", []],
    ["lanes", null],
    ["lanes", { "a b": {} }],
    ["lanes", { control: null }],
    ["lanes", { control: { capacity: 1 } }],
    ["lanes", Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`lane${i}`, {}]))],
    ["spin", -1],
    ["spin", 1001],
    ["spin", Number.NaN],
    ["spin", "fast"],
    ["backing", "paper"],
    ["transport", "pigeon"],
    ["authorize", true],
    ["maxMessageBytes", 0],
    ["maxMessageBytes", 2 ** 30 + 1],
    ["role", "r".repeat(65)],
    ["role", 7],
    ["handshakeTimeout", 0],
    ["handshakeTimeout", 600_001],
    ["handshakeTimeout", "5 s"],
    ["signal", {}],
  ];
  it.each(wrong)("with a value that can't be are refused: %s %o", (option, value) => {
    const options = { [option]: value } as unknown as Any;
    for (const call of [() => listenSettings(options, {}), () => connectSettings(options, {})]) {
      expect(call).toThrow(InvalidArgumentError);
      expect(call).toThrow(option === "lanes" ? /lane/ : `options.${option}`);
    }
  });

  it.each([
    ["mode", 0o1777],
    ["mode", -1],
    ["mode", "0600"],
  ])("of listen: %s %o", (option, value) => {
    expect(() => listenSettings({ [option]: value } as unknown as Any, {})).toThrow(`options.${option}`);
  });

  it.each([
    ["", []],
    ["", "agent"],
    ["", {}],
    ["", Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`role${i}`, {}]))],
    [".agent", { agent: null }],
    [".agent.codec", { agent: { codec: {} } }],
    [".agent.capacity", { agent: { capacity: 5000 } }],
    [".agent.lanes", { agent: { lanes: [] } }],
    [".agent.lanes.video.codec", { agent: { lanes: { video: { codec: 1 } } } }],
  ])("of listen: roles%s %j", (place, roles) => {
    const options = { roles } as unknown as Any;
    expect(() => listenSettings(options, {})).toThrow(InvalidArgumentError);
    expect(() => listenSettings(options, {})).toThrow(`options.roles${place}`);
  });

  it("of listen: a role whose name is too long, or none; an entry with what does not exist", () => {
    const wrong = (roles: unknown) => () => listenSettings({ roles } as unknown as Any, {});
    expect(wrong({ ["r".repeat(65)]: {} })).toThrow(/the name of a role must be a string of 1 to 64/);
    expect(wrong({ "": {} })).toThrow(/the name of a role/);
    expect(wrong({ agent: { role: "x" } })).toThrow(
      /"roles\.agent\.role"; the options are codec, lanes, capacity/,
    );
    expect(() => connectSettings({ roles: { agent: {} } } as unknown as Any, {})).toThrow(UnknownOptionError);
  });

  it.each([
    ["attempts", 0],
    ["minDelay", -1],
    ["maxDelay", Number.POSITIVE_INFINITY],
    ["maxTotal", -1],
    ["random", 4],
    ["clock", {}],
  ])("of retry: %s %o", (option, value) => {
    const options = { retry: { [option]: value } } as unknown as Any;
    expect(() => connectSettings(options, {})).toThrow(`options.retry.${option}`);
  });

  it("that are left out, or undefined, have the documented defaults", () => {
    const settings = listenSettings({ capacity: undefined, lanes: { control: {} }, mode: undefined }, {});
    expect(settings.mode).toBe(0o600);
    expect(settings.handshake).toEqual({
      transport: "auto",
      backing: undefined,
      bulkBytes: 2 ** 30,
      spin: -1,
      authorize: undefined,
      role: undefined,
      timeout: 5000,
    });
    expect(offeredLanes(settings).map(({ name, capacity }) => [name, capacity])).toEqual([
      ["main", 262144],
      ["control", 262144],
    ]);
    expect(settings.codecs[0]!.send.name).toBe("json");
    expect(connectSettings({}, {}).retry).toEqual(DEFAULT_RETRY);
    expect(connectSettings({ retry: { attempts: 2, minDelay: undefined } }, {}).retry).toMatchObject({
      attempts: 2,
      minDelay: 10,
    });
    expect(connectSettings({ retry: { minDelay: 1000 } }, {}).retry).toMatchObject({
      minDelay: 1000,
      maxDelay: 1000,
    });
    expect(connectSettings({ retry: false }, {}).retry.attempts).toBe(1);
  });

  it("of the whole go for lanes that have none of their own, and main may be named", () => {
    const codec = text();
    const lanes = { control: { capacity: 4096 }, main: { codec } };
    const offered = offeredLanes(listenSettings({ capacity: 8192, lanes: lanes as never }, {}));
    expect(offered.map(({ name, capacity }) => [name, capacity])).toEqual([
      ["main", 8192],
      ["control", 4096],
    ]);
    expect(offered[0]!.codecs[0]!.send).toBe(codec);
    expect(offered[1]!.codecs[0]!.send.name).toBe("json");
  });

  it("the limits of messages and blocks are bytes, with defaults and bounds", () => {
    expect(listenSettings({}, {}).limits).toEqual({ maxMessageBytes: 2 ** 28, bulkThreshold: 65536 });
    expect(listenSettings({}, {}).handshake.bulkBytes).toBe(2 ** 30);
    expect(connectSettings({ maxBulkBytes: 0, bulkThreshold: 0, maxMessageBytes: 1 }, {})).toMatchObject({
      limits: { maxMessageBytes: 1, bulkThreshold: 0 },
      handshake: { bulkBytes: 0 },
    });
    expect(() => listenSettings({ maxMessageBytes: 2 ** 30 + 1 }, {})).toThrow(/from 1 to 1073741824/);
    expect(() => connectSettings({ maxBulkBytes: -1 }, {})).toThrow(InvalidArgumentError);
    expect(() => connectSettings({ maxBulkBytes: 2 ** 40 + 1 }, {})).toThrow(InvalidArgumentError);
    expect(() => connectSettings({ bulkThreshold: 0.5 }, {})).toThrow(InvalidArgumentError);
  });

  it("of the environment: RINGBELL_TRANSPORT, unless the option says otherwise", () => {
    expect(listenSettings({}, { RINGBELL_TRANSPORT: "stream" }).handshake.transport).toBe("stream");
    expect(listenSettings({ transport: "shm" }, { RINGBELL_TRANSPORT: "stream" }).handshake.transport).toBe(
      "shm",
    );
    expect(listenSettings({}, { RINGBELL_TRANSPORT: "" }).handshake.transport).toBe("auto");
    expect(() => listenSettings({}, { RINGBELL_TRANSPORT: "pigeon" })).toThrow(/RINGBELL_TRANSPORT/);
  });

  it("decide the types of what is sent and received", () => {
    // Never called: only their types count.
    const served = () => listen("n", { codec: text() });
    const joined = () => connect("n", { codec: { send: text(), receive: bytes() } });
    const plain = () => connect("n");
    expectTypeOf(served).returns.resolves.toEqualTypeOf<Server<Channel<string, string, NoLanes>>>();
    expectTypeOf(joined).returns.resolves.toEqualTypeOf<Channel<string, Uint8Array>>();
    expectTypeOf(plain).returns.resolves.toEqualTypeOf<Channel<unknown, unknown>>();
  });

  it("reject, not throw, also for a name that is none", async () => {
    await expect(listen(undefined as unknown as string)).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(connect(7 as unknown as string)).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(listen("a/b")).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(connect("n", null as never)).rejects.toBeInstanceOf(InvalidArgumentError);
  });

  it.skipIf(process.platform === "linux")("sealed memory is refused where there is none", async () => {
    await expect(listen("n", { backing: "sealed" })).rejects.toBeInstanceOf(TransportError);
  });
});
