import { spawn } from "ringbell";
import { connectAcp, serveAcp } from "ringbell/acp";
import { connectMcp, serveMcp, shareMcp } from "ringbell/mcp";
import { contract, open, serve, spawnService } from "ringbell/rpc";
import { attach, serveSession } from "ringbell/session";
import { connectJsonrpc, serveJsonrpc } from "ringbell/vscode-jsonrpc";
import { describe, expect, it } from "vitest";
import { UnknownOptionError } from "../lib/index.js";
import { join, relay } from "../lib/relay/relay.js";
import { relayFromSocket, relayToSocket } from "../lib/relay/socket.js";

const tools = contract("options", {});
const streams = { readable: process.stdin, writable: process.stdout };
type Given = Record<string, unknown>;

/** What stands on `listen` or `connect`: a call with options, and options of its own. */
const floors: Record<string, [(options: Given) => Promise<unknown>, string[]]> = {
  serve: [(options) => serve(tools, {}, options), ["concurrency", "onError"]],
  open: [(options) => open(tools, options), ["reconnect", "onPeerError"]],
  spawnService: [(options) => spawnService(tools, "true", [], options), ["startTimeout", "onPeerError"]],
  serveMcp: [(options) => serveMcp("options", () => ({}), options), ["blocks"]],
  connectMcp: [(options) => connectMcp("options", options), ["blocks", "reconnect"]],
  shareMcp: [(options) => shareMcp("options", ["true"], options), ["linger", "turns"]],
  serveSession: [(options) => serveSession("options", options), ["snapshot", "log", "signals"]],
  attach: [(options) => attach("options", options), ["from", "client"]],
  serveAcp: [(options) => serveAcp("options", () => {}, options), ["onPeerError"]],
  connectAcp: [(options) => connectAcp("options", options), ["retry"]],
  serveJsonrpc: [(options) => serveJsonrpc("options", () => {}, options), ["onPeerError"]],
  connectJsonrpc: [(options) => connectJsonrpc("options", options), ["retry"]],
  relay: [(options) => relay("options", ["true"], options), ["framing", "onChildEnd"]],
  join: [(options) => join("options", streams, options), ["framing"]],
  relayToSocket: [(options) => relayToSocket("options", { path: "none" }, options), ["onError"]],
  relayFromSocket: [(options) => relayFromSocket("options", "none", options), ["onError"]],
};

describe("an option that is misspelt", () => {
  it.each(Object.keys(floors))(
    "is refused by %s, with the options that it has, its own and others",
    async (name) => {
      const [call, own] = floors[name]!;
      const error = (await call({ reconect: true }).catch((reason: unknown) => reason)) as UnknownOptionError;
      expect(error).toMatchObject({ code: "ERR_RINGBELL_UNKNOWN_OPTION", option: "reconect" });
      expect(error.known).toEqual(expect.arrayContaining([...own, "directory", "maxMessageBytes"]));
      expect(error.known.filter((option) => option === "codec" || option === "lanes")).toEqual([]);
    },
  );

  it.each(Object.keys(floors))("is what codec is to %s, which has its own", async (name) => {
    const [call] = floors[name]!;
    await expect(call({ codec: {} })).rejects.toMatchObject({
      code: "ERR_RINGBELL_UNKNOWN_OPTION",
      option: "codec",
    });
  });

  it("is refused by spawn, with the options that it has", async () => {
    const error = (await spawn("true", [], { cdw: "/" } as object).catch(
      (reason: unknown) => reason,
    )) as UnknownOptionError;
    expect(error).toBeInstanceOf(UnknownOptionError);
    expect(error.known).toEqual(expect.arrayContaining(["cwd", "startTimeout", "lanes", "codec"]));
  });
});
