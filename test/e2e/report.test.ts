/** `--report`, as a person sees it: in a real browser, which must ask for nothing beside the page. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import { pathToFileURL } from "node:url";
import { udpPage } from "../../src/cli/report/udp.ts";
import { ms } from "../../src/cli/thresholds.ts";
import { CHROMIUM, look, openBrowser, pixels, type Seen, tablesOf } from "../helpers/browser.ts";
import { codeAt, start } from "../helpers/child.ts";
import type { DatagramFaults } from "../helpers/datagrams.ts";
import { HOSTILE, hostileReport } from "../helpers/report.ts";
import { Relay } from "../helpers/relay.ts";
import { resultOf, sock } from "../helpers/run.ts";
import { serve, type Serving } from "../helpers/serve.ts";
import { type TemporaryFolder, temporaryFolder } from "../helpers/temp.ts";
import { until } from "../helpers/until.ts";

const NEEDS = CHROMIUM === undefined ? " (skipped: chromium is not installed)" : "";

interface Way {
  readonly lost: number;
  readonly duplicates: number;
  readonly reordered: number;
  readonly corrupt: number;
}
interface Times {
  readonly min: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  readonly n: number;
}

let server: Serving;
let browser: Browser;
let folder: TemporaryFolder;

describe.skipIf(CHROMIUM === undefined)(`a report in a browser${NEEDS}`, () => {
  beforeAll(async () => {
    folder = await temporaryFolder();
    [server, browser] = await Promise.all([serve(), openBrowser(folder.path)]);
  }, 60_000);
  afterAll(async () => {
    await browser.close();
    await server[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  /** A run through a relay, and where its page is. */
  async function run(
    name: string,
    args: readonly string[],
    faults: { up?: Partial<DatagramFaults>; down?: Partial<DatagramFaults> } = {},
  ) {
    await using relay = await Relay.withDatagrams(server.port, 5);
    Object.assign(relay.datagrams.faults.up, faults.up);
    Object.assign(relay.datagrams.faults.down, faults.down);
    const path = folder.join(`${name}.html`);
    const ran = await sock(["udp", ...args, "--report", path, "--json"], {
      env: { SOCK_JOIN: codeAt(server.join, relay.port) },
    });
    return { path, status: ran.status, result: resultOf(ran.stdout), size: ran.stdout.length };
  }

  /** What is true of every page. */
  async function expectQuiet({ page, requests, complaints }: Seen, path: string): Promise<void> {
    expect(complaints).toEqual([]);
    expect(requests).toEqual([pathToFileURL(path).href]);
    const [wide, window] = await page.evaluate<[number, number]>(
      "[document.documentElement.scrollWidth, innerWidth]",
    );
    expect(wide).toBeLessThanOrEqual(window);
  }

  const COUNT = ["--count", "400", "--interval", "2ms", "--size", "100", "--fill", "random"];
  let once: ReturnType<typeof run> | undefined;

  /** One run that has something of everything, for all who look at it. */
  function impaired() {
    once ??= run("impaired", [...COUNT, "--max-loss=1%", "--max-p99=1us", "--min-sent=400"], {
      up: { drop: 0.05, delayMs: 2 },
      down: { drop: 0.05, double: 0.05, reorder: 0.05, corrupt: 0.05 },
    });
    return once;
  }

  test("the plots, and the figures of --json; the verdict with each limit that was missed", async () => {
    const { path, result, status, size } = await impaired();
    expect(status).toBe(3);
    expect(size).toBeLessThan(4096);
    await using seen = await look(browser, path);
    await expectQuiet(seen, path);
    const { page } = seen;

    expect(await page.title()).toContain("2 of 3 limits missed");
    expect(await page.locator(".verdict.bad h2").textContent()).toContain("2 of 3 limits missed");
    const words = await page.locator(".verdict").innerText();
    expect(words).toContain(`max-loss: ${Number(result["loss_percent"])} %, stated is at most 1 %`);
    expect(words).toContain("max-p99:");
    expect(words).not.toContain("min-sent");

    const tables = await tablesOf(page);
    expect(tables["Limits"]).toMatchObject({
      "max-loss": { stated: "at most 1 %", verdict: "missed" },
      "max-p99": { verdict: "missed" },
      "min-sent": { stated: "at least 400", measured: "400", verdict: "met" },
    });
    for (const way of ["up", "down"] as const) {
      const { lost, duplicates, reordered, corrupt } = result[way] as Way;
      expect(lost).toBeGreaterThan(3);
      expect(tables["Datagrams each way"]?.[way]).toMatchObject({
        lost: String(lost),
        duplicate: String(duplicates),
        reordered: String(reordered),
        corrupt: String(corrupt),
      });
    }
    for (const [row, key] of [
      ["round trip", "rtt_us"],
      ["from schedule", "rtt_from_schedule_us"],
      ["in the server", "server_us"],
    ] as const) {
      const { min, mean, p50, p90, p99, max, n } = result[key] as Times;
      expect(tables["Times ms"]?.[row]).toEqual({
        min: ms(min),
        mean: ms(mean),
        p50: ms(p50),
        p90: ms(p90),
        p99: ms(p99),
        "p99.9": "-",
        max: ms(max),
        n: String(n),
      });
    }
    const tiles = await page.locator(".tiles > div").allInnerTexts();
    expect(tiles[0]).toContain(`${Number(result["loss_percent"]).toFixed(2)} %`);

    for (const plot of ["over-time", "spread"] as const) {
      expect(await pixels(page, plot, "--time")).toBeGreaterThan(100);
    }
    for (const kind of ["--bad", "--corrupt", "--copies", "--overtaken"]) {
      expect(await pixels(page, "over-time", kind)).toBeGreaterThan(20);
    }
    expect(await page.locator(".keys").innerText()).toMatch(/lost\s+(late\s+)?corrupt\s+copies\s+overtaken/);
  }, 30_000);

  test("without losses there are no marks, and it says so", async () => {
    const { path, result } = await run("clean", [...COUNT, "--max-loss=1%"]);
    expect(result).toMatchObject({ loss_percent: 0 });
    await using seen = await look(browser, path);
    await expectQuiet(seen, path);
    expect(await pixels(seen.page, "over-time", "--bad")).toBe(0);
    expect(await pixels(seen.page, "over-time", "--time")).toBeGreaterThan(100);
    expect(await seen.page.locator("#over-time-words").innerText()).toMatch(
      /^400 datagrams in .*, none lost\.$/,
    );
    expect(await seen.page.locator(".verdict.good h2").innerText()).toContain("The limit is met");
  }, 30_000);

  test("any width: nothing to scroll sideways at 400 px, and the plots follow the window", async () => {
    const { path } = await impaired();
    await using seen = await look(browser, path, { width: 400 });
    await expectQuiet(seen, path);
    const width = () => seen.page.locator("#over-time canvas").evaluate((canvas) => canvas.clientWidth);
    expect(await width()).toBeLessThanOrEqual(400);
    await seen.page.setViewportSize({ width: 900, height: 900 });
    await until(async () => (await width()) > 700, "plots that follow");
    await seen.page.setViewportSize({ width: 320, height: 900 });
    await until(async () => (await width()) <= 320, "plots that follow");
    await expectQuiet(seen, path);
    expect(await pixels(seen.page, "over-time", "--bad")).toBeGreaterThan(20);
  }, 30_000);

  test("light and dark, and from one to the other; logarithmic; what is under the cursor", async () => {
    const { path } = await impaired();
    await using seen = await look(browser, path);
    const { page } = seen;
    const paper = () => page.evaluate("getComputedStyle(document.body).backgroundColor");
    const light = await paper();
    const wasLight = await pixels(page, "over-time", "--time");
    await page.emulateMedia({ colorScheme: "dark" });
    expect(await paper()).not.toBe(light);
    // --time is another colour now: pixels of it are there when the plots are drawn anew
    await until(async () => (await pixels(page, "spread", "--time")) > 100, "plots in the other colours");
    expect(await pixels(page, "over-time", "--time")).toBeGreaterThan(wasLight / 2);

    const before = await page.locator("#over-time canvas").evaluate(shownBy);
    await page.getByLabel("logarithmic").check();
    await until(
      async () => (await page.locator("#over-time canvas").evaluate(shownBy)) !== before,
      "another scale",
    );
    const readout = page.locator("#over-time-readout");
    await page.locator("#over-time .u-over").hover();
    expect(await readout.innerText()).toMatch(/^[\d.]+ (ms|s) · #\d+/);
    await page.locator("#spread .u-over").hover();
    expect(await page.locator("#spread-readout").innerText()).toMatch(
      /^[\d.]+ to [\d.]+ ms · \d+ round trips$/,
    );
    await expectQuiet(seen, path);
  }, 30_000);

  test("those who see no plot have their words, and tables", async () => {
    const { path, result } = await impaired();
    await using seen = await look(browser, path);
    const { page } = seen;
    for (const title of ["Round trips over time", "Distribution"]) {
      expect(await page.getByRole("img", { name: title }).count()).toBe(1);
      expect(await page.getByRole("heading", { name: title }).count()).toBe(1);
    }
    expect(await page.getByRole("heading", { level: 1 }).count()).toBe(1);
    const { lost } = result["both"] as Way;
    expect(await page.locator("#over-time-words").innerText()).toContain(`, ${lost} lost, between `);
    await page.getByText("The same as a table").click();
    const rows = await page.locator("details tbody tr").allInnerTexts();
    expect(rows.length).toBe(20);
    expect(rows.reduce((sum, row) => sum + Number(row.split("\t")[2]), 0)).toBe(lost);
  }, 30_000);

  test("no reply at all: a page that says so, with every datagram marked", async () => {
    const { path, status } = await run("silent", ["--count", "50", "--max-loss=1%"], { up: { drop: 1 } });
    expect(status).toBe(6);
    await using seen = await look(browser, path);
    await expectQuiet(seen, path);
    const words = await seen.page.locator(".verdict.bad").innerText();
    expect(words).toContain("saw 0 of 50 probes");
    expect(words).not.toContain("not complete");
    expect(words).toContain("max-loss: 100 %");
    expect(await pixels(seen.page, "over-time", "--bad")).toBeGreaterThan(1000);
    expect(await seen.page.getByText("Nothing came back.").count()).toBe(1);
  }, 30_000);

  test("stopped half-way: the page has what there was, and says that it is not all", async () => {
    const path = folder.join("stopped.html");
    await using relay = await Relay.withDatagrams(server.port, 5);
    await using child = await start(["udp", "--duration", "60s", "--report", path, "--json"], {
      env: { SOCK_JOIN: codeAt(server.join, relay.port) },
    });
    await until(() => relay.datagrams.counts.down.seen > 20, "some replies");
    child.process.kill("SIGINT");
    expect(await child.ended()).toBe(130);
    const { sent, received } = resultOf(child.stdout());
    expect(Number(received)).toBeGreaterThan(3);
    await using seen = await look(browser, path);
    await expectQuiet(seen, path);
    expect(await seen.page.locator(".verdict.bad").innerText()).toContain(
      `not complete: ${String(sent)} of 6,000 datagrams were sent`,
    );
    expect(await seen.page.locator(".others").innerText()).toMatch(/complete\s+no/);
    expect(await pixels(seen.page, "over-time", "--time")).toBeGreaterThan(20);
  }, 30_000);

  test("what a peer says is text, whatever it is", async () => {
    const path = folder.join("hostile.html");
    await Bun.write(path, udpPage(hostileReport()));
    await using seen = await look(browser, path);
    await expectQuiet(seen, path);
    const { page } = seen;
    expect(await page.evaluate<boolean>("'hacked' in window")).toBe(false);
    expect(await page.locator("img, iframe, object, form, base").count()).toBe(0);
    expect(await page.locator("script").count()).toBe(2);
    expect(await page.title()).toBe(`sock udp ${HOSTILE}: ${HOSTILE}`);
    expect(await page.locator("h1").innerText()).toBe(HOSTILE);
    expect(await page.locator(".facts").innerText()).toContain(`seen there as ${HOSTILE}`);
    expect(await page.locator(".others").innerText()).toContain(`(${HOSTILE})`);
    expect(await page.locator(".verdict").innerText()).toContain(HOSTILE);
    expect(await pixels(page, "over-time", "--time")).toBeGreaterThan(20);
  });

  test("sock echo has the same page", async () => {
    const path = folder.join("echo.html");
    const args = ["echo", "--count", "3000", "--conns", "3", "--max-p50=1us", "--report", path, "--json"];
    const ran = await sock(args, { env: { SOCK_JOIN: server.join } });
    expect(ran.status).toBe(3);
    const times = resultOf(ran.stdout)["rtt_us"] as Times;
    await using seen = await look(browser, path);
    await expectQuiet(seen, path);
    const tables = await tablesOf(seen.page);
    expect(tables["Times ms"]?.["round trip"]).toMatchObject({ p50: ms(times.p50), n: "3,000" });
    expect(await seen.page.locator(".verdict.bad h2").innerText()).toContain("The limit is missed");
    expect(await seen.page.locator(".keys").innerText()).toContain("the mean of each 2 frames");
    expect(await pixels(seen.page, "over-time", "--time")).toBeGreaterThan(100);
    expect(await pixels(seen.page, "over-time", "--bad")).toBe(0);
    expect(await pixels(seen.page, "spread", "--time")).toBeGreaterThan(100);
  }, 30_000);
});

test("a page that can't be written is said before anything is sent; text is not measured", async () => {
  await using folder = await temporaryFolder();
  await using one = await serve();
  await using relay = await Relay.withDatagrams(one.port);
  const env = { SOCK_JOIN: codeAt(one.join, relay.port) };
  for (const verb of ["udp", "echo"]) {
    const ran = await sock([verb, "--count", "5", "--report", folder.join("none/page.html")], { env });
    expect([ran.status, ran.stdout]).toEqual([1, ""]);
    expect(ran.stderr).toMatch(/^sock: can't write ".*none\/page.html": no such file or folder$/m);
    const said = await sock([verb, "web1", "hello", "--report", folder.join("page.html")], { env });
    expect([said.status, said.stderr]).toEqual([2, expect.stringContaining("--report measures")]);
  }
  expect(relay.accepted).toBe(0);
});

/** Runs in the page. */
function shownBy(canvas: { toDataURL(): string }): string {
  return canvas.toDataURL();
}
