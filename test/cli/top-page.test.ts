import { spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { type Browser, chromium } from "playwright-core";
import { connect, listen } from "ringbell";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { EXECUTABLE } from "../bridge/devtools.js";
import { scratchDirectory } from "../transport/scratch.js";
import { MAIN, ringbell } from "./run.js";

/** The command, in a directory with an endpoint whose peer sends ten messages a second. */
async function paged() {
  const directory = scratchDirectory();
  const server = await listen("tools", { directory });
  onTestFinished(() => server.close());
  server.on("connection", (channel) => channel.on("message", () => {}));
  const channel = await connect("tools", { directory, role: "<b>planner</b>" });
  const sending = setInterval(() => channel.trySend("x"), 100);
  onTestFinished(() => clearInterval(sending));
  const child = spawn(process.execPath, [MAIN, "top", "--page", "0", "-i", "200", "-d", directory]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const ended = once(child, "close");
  const [printed] = await once(child.stdout, "data");
  const link = String(printed).trim();
  return { link, end: () => child.kill("SIGINT"), ended };
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
    end();
    expect((await ended)[0]).toBe(0);
  });
});

describe("ringbell top --page with what is no port", () => {
  it("says what a port is", async () => {
    const { code, stderr } = await ringbell(["top", "--page", "x"]);
    expect({ code, stderr: stderr.trim() }).toEqual({
      code: 2,
      stderr: 'ringbell: --page must be a port from 0 to 65535; it is "x"',
    });
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
