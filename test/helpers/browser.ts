/** A real browser that looks at a file, and says what it asked for and what it complained about. */
import { type Browser, chromium, type Page } from "playwright-core";
import { pathToFileURL } from "node:url";

export const CHROMIUM = ["chromium", "chromium-browser", "google-chrome"]
  .map((name) => Bun.which(name))
  .find((path) => path !== null);

const FLAGS = [
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-quic",
  "--host-resolver-rules=MAP * ~NOTFOUND",
];

/** With a profile of its own, gone with it. `home`: an empty folder. */
export async function openBrowser(home: string): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM ?? "chromium",
    args: FLAGS,
    env: { PATH: process.env["PATH"] ?? "", HOME: home },
  });
}

export interface Seen extends AsyncDisposable {
  readonly page: Page;
  /** Addresses that were asked for, the file itself first. */
  readonly requests: string[];
  /** Errors of scripts, and what was written to the console: policies that were broken, too. */
  readonly complaints: string[];
}

export async function look(browser: Browser, path: string, { width = 1000 } = {}): Promise<Seen> {
  const context = await browser.newContext({ viewport: { width, height: 900 } });
  const page = await context.newPage();
  const requests: string[] = [];
  const complaints: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("dialog", (dialog) => {
    complaints.push(dialog.message());
    void dialog.dismiss();
  });
  await page.goto(pathToFileURL(path).href);
  return { page, requests, complaints, [Symbol.asyncDispose]: () => context.close() };
}

// what runs in the page is text here: its world, with documents and canvases, is none that the tests' types know
const TABLES = `(() => {
  const text = (element) => element.textContent.trim().replaceAll(/\\s+/g, " ");
  return Object.fromEntries([...document.querySelectorAll("table:has(caption)")].map((table) => {
    const columns = [...table.querySelectorAll("thead th")].map(text);
    const rows = [...table.querySelectorAll("tbody tr")].map((row) => {
      const [name, ...cells] = [...row.children].map(text);
      return [name, Object.fromEntries(cells.map((cell, at) => [columns[at + 1], cell]))];
    });
    return [text(table.querySelector("caption")), Object.fromEntries(rows)];
  }));
})()`;

const PIXELS = `((plot, name) => {
  const sample = new OffscreenCanvas(1, 1).getContext("2d");
  sample.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  sample.fillRect(0, 0, 1, 1);
  const wanted = sample.getImageData(0, 0, 1, 1).data;
  const canvas = document.querySelector("#" + plot + " canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let found = 0;
  for (let at = 0; at < data.length; at += 4) {
    if (wanted.every((one, part) => data[at + part] === one)) found += 1;
  }
  return found;
})`;

type Tables = Record<string, Record<string, Record<string, string>>>;

/** The cells of the tables: caption, then row, then column. */
export async function tablesOf(page: Page): Promise<Tables> {
  return page.evaluate<Tables>(TABLES);
}

/** How many pixels of a plot have exactly that colour, one of the page's own (`--bad`). */
export async function pixels(page: Page, plot: "over-time" | "spread", color: string): Promise<number> {
  return Number(await page.evaluate(`${PIXELS}(${JSON.stringify(plot)}, ${JSON.stringify(color)})`));
}
