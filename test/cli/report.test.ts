import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { escapeHtml, html, scriptJson } from "../../src/cli/report/html.ts";
import { udpPage } from "../../src/cli/report/udp.ts";
import { verdictOfRun } from "../../src/cli/report/verdict.ts";
import { SockError } from "../../src/errors.ts";
import { MOST_POINTS } from "../../src/measure/timeline.ts";
import { countsOf, HOSTILE, hostileReport, reportOf } from "../helpers/report.ts";

const MOST_BYTES = 1_000_000;

interface Data {
  width: number;
  points: { at: number[]; sent: number[]; mean: (number | null)[] };
  lanes: { event: string; counts: number[] }[];
  spread: { limits: number[]; counts: number[] };
}

function dataOf(page: string): Data {
  const [, text = ""] = /<script type="application\/json" id="data">([^<]*)<\/script>/.exec(page) ?? [];
  return JSON.parse(text) as Data;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, one) => all + one, 0);
}

/** What a browser makes of a character reference. */
function unescaped(text: string): string {
  const names: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };
  return text.replace(/&(#?\w+);/g, (all, name: string) => names[name] ?? all);
}

describe("text", () => {
  test("of any kind stays text: no markup begins or ends in it, and it reads as before", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), (text) => {
        const escaped = escapeHtml(text);
        expect(escaped).not.toMatch(/[<>"']/);
        expect(escaped.replace(/&(amp|lt|gt|quot|#39);/g, "")).not.toContain("&");
        if (!/[\\\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(text)) expect(unescaped(escaped)).toBe(text);
      }),
    );
    expect(escapeHtml("a\u202eb\nc")).toBe("a\\u202eb\\x0ac");
  });

  test("in a template is escaped, a template in it is not, and nothing is nothing", () => {
    const words = ["<b>", "c&d"].map((one) => html`<li>${one}</li>`);
    const list = html`<ul title="${'"'}">
      ${words}${undefined}${3}
    </ul>`;
    expect(list.text.replaceAll(/\s+(?=<|\d)|(?<=\d)\s+/g, "")).toBe(
      '<ul title="&quot;"><li>&lt;b&gt;</li><li>c&amp;d</li>3</ul>',
    );
  });

  test("as JSON ends no script, opens no comment, has no line ends of scripts, and is the same", () => {
    const hostile = fc.constantFrom("</script>", "<!--", "-->", "]]>", "\u2028", "\u2029", "<", "&", "\\");
    fc.assert(
      fc.property(fc.array(fc.oneof(hostile, fc.string({ unit: "binary" }))), (parts) => {
        const value = { [parts.join("")]: parts };
        const { text } = scriptJson(value);
        expect(text).not.toMatch(/[<>&\u2028\u2029]/);
        expect(JSON.parse(text)).toEqual(value);
      }),
    );
  });
});

describe("the page", () => {
  test("lets run what it brought and nothing else", () => {
    const page = udpPage(hostileReport());
    const [, policy = ""] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page) ?? [];
    expect(policy).toContain("default-src &#39;none&#39;");
    for (const element of ["style", "script"]) {
      const [, text = ""] = new RegExp(`<${element}>([^]*?)</${element}>`).exec(page) ?? [];
      const digest = new Bun.CryptoHasher("sha256").update(text).digest("base64");
      expect(policy).toContain(`${element}-src &#39;sha256-${digest}&#39;`);
    }
    expect(policy).not.toContain("unsafe");
    expect(page.match(/<script/g)).toHaveLength(2);
    expect(page.includes("<img")).toBe(false);
    expect(page.split(escapeHtml(HOSTILE)).length).toBeGreaterThan(5);
  });

  test("names the licence of what it brought", () => {
    const [, comment] = /<script>\/\*!([^]*?)\*\//.exec(udpPage(reportOf(10, 5))) ?? [];
    expect(comment).toContain("Copyright (c) 2022 Leon Sorokin");
    expect(comment).toContain("The above copyright notice and this permission notice shall be included");
  });

  test("of ten million datagrams is as small as that of a few thousand, and none is missing", () => {
    const count = 10_000_000;
    const page = udpPage(reportOf(count, 1000));
    expect(page.length).toBeLessThan(MOST_BYTES);
    const { points, lanes, spread, width } = dataOf(page);
    expect(points.at.length).toBeLessThanOrEqual(MOST_POINTS);
    expect(width).toBe(8192);
    expect(sum(points.sent)).toBe(count);
    expect(lanes.map(({ event, counts }) => [event, sum(counts)])).toEqual([["lost", count / 1000]]);
    expect(sum(spread.counts)).toBe(count - count / 1000);
  }, 60_000);

  test("each datagram has its own point where there are few", () => {
    const { points, lanes, width } = dataOf(udpPage(reportOf(MOST_POINTS, 4)));
    expect([width, points.at.length]).toEqual([1, MOST_POINTS]);
    expect(points.mean.slice(0, 8).map((one) => one === null)).toEqual([0, 0, 0, 1, 0, 0, 0, 1].map(Boolean));
    expect(lanes[0]?.counts.slice(0, 4)).toEqual([0, 0, 0, 1]);
  });

  test("of nothing that was sent says so", () => {
    const page = udpPage(reportOf(0, 1));
    expect(page.includes("Nothing was sent.")).toBe(true);
    expect(page.includes("Nothing came back.")).toBe(true);
  });

  test("does not call lost what came damaged to the other end", () => {
    const words = (page: string) => /id="over-time-words">([^<]*)/.exec(page)?.[1];
    expect(words(udpPage(reportOf(100, 10)))).toContain("10 lost, between");
    expect(words(udpPage(reportOf(100, 10, countsOf(90, { limited: 4 }))))).toContain("10 no reply, between");
  });

  test("has no element for what there is not", () => {
    const page = udpPage(reportOf(10, 20));
    expect(/<caption>\s*Limits/.test(page)).toBe(false);
    expect(/class="key lost"/.test(page)).toBe(false);
    expect(/seen there as/.test(page)).toBe(false);
  });
});

describe("the verdict", () => {
  const run = {
    limits: [],
    problem: undefined,
    complete: true,
    sent: 10,
    count: 10,
    unit: "datagram",
    kept: 100,
  };
  const met = { name: "max-loss", limit: 1, value: 0.5, unit: "%" };
  const missed = { name: "max-p99", limit: 20_000, value: 31_400, unit: "us" };
  const unknown = { name: "max-p99.9", limit: 20_000, value: null, unit: "us" };

  test("is what the limits say, each missed one by name", () => {
    expect(verdictOfRun(run)).toEqual({ mood: "none", title: "No limit was stated", lines: [] });
    expect(verdictOfRun({ ...run, limits: [met] })).toMatchObject({
      mood: "good",
      title: "The limit is met",
    });
    expect(verdictOfRun({ ...run, limits: [met, met] }).title).toBe("Both limits are met");
    expect(verdictOfRun({ ...run, limits: [met, met, met] }).title).toBe("All 3 limits are met");
    expect(verdictOfRun({ ...run, limits: [met, missed, unknown] })).toEqual({
      mood: "bad",
      title: "2 of 3 limits missed",
      lines: ["max-p99: 31.4 ms, stated is at most 20.0 ms", "max-p99.9: unknown, stated is at most 20.0 ms"],
    });
  });

  test("of a run that ended early is why, and how far it came", () => {
    const problem = new SockError("lost", "the server is gone", "is it up?");
    expect(verdictOfRun({ ...run, limits: [met], problem, complete: false, sent: 4 })).toEqual({
      mood: "bad",
      title: "the server is gone",
      lines: ["is it up?", "not complete: 4 of 10 datagrams were sent"],
    });
    // it ended without a reply, and not early
    expect(verdictOfRun({ ...run, problem, complete: false, sent: run.count }).lines).toEqual(["is it up?"]);
  });

  test("of a machine that was too slow is that", () => {
    const problem = new SockError("not-trusted", "this machine was too slow");
    expect(verdictOfRun({ ...run, limits: [missed], problem, kept: 50 })).toMatchObject({ mood: "warn" });
    expect(verdictOfRun({ ...run, kept: 50 }).lines).toEqual([
      "this machine was too slow: 50.0 % of the schedule kept",
    ]);
  });
});
