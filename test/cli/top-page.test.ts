import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { request } from "node:http";
import { connect as netConnect } from "node:net";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { type Browser, chromium } from "playwright-core";
import { connect, listen } from "ringbell";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { EXECUTABLE } from "../bridge/devtools.js";
import { scratchDirectory } from "../transport/scratch.js";
import { MAIN, program, ringbell, runNode } from "./run.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The command, in a directory with an endpoint whose peer sends ten messages a second. */
async function paged(role = "<b>planner</b>") {
  const directory = scratchDirectory();
  const server = await listen("tools", { directory });
  onTestFinished(() => server.close());
  server.on("connection", (channel) => channel.on("message", () => {}));
  const channel = await connect("tools", { directory, role });
  const sending = setInterval(() => channel.trySend("x"), 100);
  onTestFinished(() => clearInterval(sending));
  const child = spawn(process.execPath, [MAIN, "top", "--page", "0", "-i", "200", "-d", directory]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const ended = once(child, "close");
  const [printed] = await once(child.stdout, "data");
  const link = String(printed).trim();
  return { link, end: () => child.kill("SIGINT"), ended };
}

/** The link that a command prints, in a directory without endpoints by default. */
async function linkOf(main: string, directory = scratchDirectory()): Promise<string> {
  const child = spawn(process.execPath, [main, "top", "--page", "0", "-d", directory]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const [printed] = await once(child.stdout, "data");
  return String(printed).trim();
}

/** The package as it is installed, with some packages beside it. Returns the path of the command. */
function installed(...beside: string[]): string {
  const place = scratchDirectory();
  cpSync(join(ROOT, "dist"), join(place, "dist"), { recursive: true });
  cpSync(join(ROOT, "package.json"), join(place, "package.json"));
  mkdirSync(join(place, "node_modules"));
  for (const name of beside) symlinkSync(join(ROOT, "node_modules", name), join(place, "node_modules", name));
  return join(place, "dist/cli/main.js");
}

/** The status of an answer, and its headers. */
async function got(link: string, path: string, host?: string, method = "GET") {
  const { hostname, port } = new URL(link);
  const asked = request({ hostname, port, path, method, headers: host === undefined ? {} : { host } }).end();
  const [response] = await once(asked, "response");
  response.resume();
  return { status: response.statusCode as number, headers: response.headers };
}

describe("ringbell top --page", () => {
  it("prints one link on the loopback, serves nothing but the page, and ends with Ctrl+C", async () => {
    const { link, end, ended } = await paged();
    expect(link).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#[\w-]{40,}$/);
    const page = await got(link, "/");
    expect(page.status).toBe(200);
    expect(page.headers["content-security-policy"]).toContain("default-src 'none'");
    expect((await got(link, "/package.json")).status).toBe(404);
    expect((await got(link, "/../../../package.json")).status).toBe(404);
    expect((await got(link, "/", "example.com")).status).toBe(421);
    expect((await got(link, "/", undefined, "POST")).status).toBe(405);
    expect((await got(link, "/?again")).status).toBe(200);
    for (const path of ["/ringbell", "/ringbell/", "/ringbell/page", "/ringbells"]) {
      expect((await got(link, path)).status, path).toBe(404);
    }
    expect((await got(link, "/ringbell/health?x")).status).toBe(200);
    end();
    expect((await ended)[0]).toBe(0);
  });
});

describe("the server of ringbell top --page", () => {
  it("answers an upgrade that is not the bridge's, and lives when the connection is reset meanwhile", async () => {
    const link = await linkOf(MAIN);
    const { hostname, port } = new URL(link);
    const head = `GET /other HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
    const dial = () => netConnect(Number(port), hostname).on("error", () => {});
    expect(await text(dial().end(head))).toMatch(/^HTTP\/1.1 404 /);
    for (let n = 0; n < 200; n++) {
      const socket = dial();
      await once(socket, "connect");
      socket.write(head);
      socket.resetAndDestroy();
    }
    expect((await got(link, "/")).status).toBe(200);
  });

  it("ends with the reason where ws is not installed", async () => {
    const { code, stderr } = await runNode([installed(), "top", "--page", "0"]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("npm install ws") });
  });

  it("serves its page also when the package is replaced meanwhile", async () => {
    const main = installed("ws");
    const link = await linkOf(main);
    rmSync(join(dirname(main), "top"), { recursive: true });
    expect((await got(link, "/style.css")).status).toBe(200);
  });

  it("says what a port is, and what does not go with a page", async () => {
    const said = async (...args: string[]) => {
      const { code, stderr } = await ringbell(["top", ...args]);
      expect(code).toBe(2);
      return stderr.trim();
    };
    expect(await said("--page", "x")).toBe('ringbell: --page must be a port from 0 to 65535; it is "x"');
    expect(await said("--page", "1.5")).toBe('ringbell: --page must be a whole number; it is "1.5"');
    expect(await said("--page", "0", "--json")).toBe("ringbell: --page does not go with --json");
    expect(await said("--page", "0", "-c", "3")).toBe("ringbell: --page does not go with --count");
  });
});

describe.skipIf(EXECUTABLE === undefined)("the page of ringbell top", { timeout: 60_000 }, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: EXECUTABLE!, args: ["--no-sandbox"] });
  }, 60_000);
  afterAll(() => browser?.close());

  it("shows live what the terminal shows, opens a row, and says when the command has ended", async () => {
    const { link, end } = await paged();
    const page = await (await browser.newContext()).newPage();
    const complaints: string[] = [];
    page.on("pageerror", ({ message }) => complaints.push(message));
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    await page.goto(link);
    const row = page.locator("tbody tr", { hasText: "active" });
    await row.waitFor();
    expect(page.url(), "the token is still in the address").not.toContain("#");
    const cells = await row.locator("th, td").allTextContents();
    expect(cells[0]).toBe("tools");
    expect(cells, "a role became markup").toContain("<b>planner</b>");
    await page
      .locator("tbody td", { hasText: /^[1-9]/ })
      .first()
      .waitFor();
    await row.click();
    await page.locator("#detail", { hasText: "→ tools (pid" }).waitFor();
    await page.locator("thead button", { hasText: "ENDPOINT" }).click();
    expect(await page.locator("thead [aria-sort=ascending]").textContent()).toContain("ENDPOINT");
    await page.getByRole("button", { name: "Processes" }).click();
    await page.locator("tbody tr", { hasText: "healthy" }).waitFor();
    await page.reload();
    await row.waitFor();
    expect(complaints).toEqual([]);
    end();
    await page.locator("#connection[data-state=over], #connection[data-state=reconnecting]").waitFor();
  });

  it("shows the state of a lane in a window of 1280 pixels, or of 1110, beside a role of any length", async () => {
    const { link } = await paged(`a role that goes ${"W".repeat(47)}`);
    const page = await (await browser.newContext({ viewport: { width: 1280, height: 700 } })).newPage();
    await page.goto(link);
    const row = page.locator("tbody tr", { hasText: "active" });
    await row.waitFor();
    for (const width of [1280, 1110]) {
      await page.setViewportSize({ width, height: 700 });
      await page.locator("tbody tr", { hasText: "active" }).waitFor();
      // In one look, for each new picture makes the table anew.
      const cut = await page.locator(".scroll").evaluate((one) => one.scrollWidth - one.clientWidth);
      expect(cut, `columns are out of sight at ${width} pixels`).toBe(0);
    }
    await page.locator("td[title^='a role that goes']").waitFor();
    await page.setViewportSize({ width: 390, height: 800 });
    await row.locator("button").click();
    const lines = page.locator("#detail");
    await lines.waitFor();
    expect(await lines.evaluate((one) => one.scrollWidth - one.clientWidth)).toBe(0);
  });

  it("says how many endpoints are dead, as the terminal does", async () => {
    const directory = scratchDirectory();
    const talker = await program("talker.mjs", "gone", JSON.stringify({ directory }));
    await talker.kill();
    const page = await (await browser.newContext()).newPage();
    await page.goto(await linkOf(MAIN, directory));
    await page.locator("#figures div", { hasText: /^Dead\s*1$/ }).waitFor();
  });

  it("lets nobody in without the token", async () => {
    const { link } = await paged();
    const page = await (await browser.newContext()).newPage();
    await page.goto(link.slice(0, link.indexOf("#")));
    await page.getByText("lacks its token").waitFor();
    await page.goto(`${link.slice(0, link.indexOf("#"))}#another`);
    await page.reload();
    await page.getByText("Not let in").waitFor();
    expect(await page.locator("tbody tr").count()).toBe(0);
  });
});
