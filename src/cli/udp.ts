import { resolveHost } from "../client/hosts.ts";
import { resolvePeer } from "../client/plain-peer.ts";
import { measurePlain, measureUdp, type UdpMeasured, type UdpOptions } from "../client/udp.ts";
import { SockError } from "../errors.ts";
import { type Threshold, verdictOf } from "../measure/verdict.ts";
import { percent } from "../measure/summary.ts";
import { Timeline } from "../measure/timeline.ts";
import { type UdpFigures, udpFigures } from "../measure/udp-figures.ts";
import { escapeForDisplay } from "../text/escape.ts";
import { FILE_FLAG_NAMES, FILE_FLAGS, RunFiles } from "./run-files.ts";
import { SampleLog } from "./sample-log.ts";
import { sessionOptions } from "./session-options.ts";
import {
  judged,
  isTimed,
  timeThresholds,
  TIME_LIMITS,
  TIME_LIMIT_NAMES,
  statusOf,
  thresholdLines,
} from "./thresholds.ts";
import { diagnosed } from "./udp-diagnosis.ts";
import { echoLines, echoText } from "./udp-echo.ts";
import { runOf, RUN_FLAGS } from "./udp-run-options.ts";
import { resultLines } from "./udp-words.ts";
import { TEXT_ARGS } from "./text-options.ts";
import { asText, sendsText } from "./text-or-measure.ts";
import { type Args, type Context, defineVerb } from "./verb.ts";

/** Time between two live lines, ms. */
const FRAME_MS = 100;

const share = (description: string) =>
  ({ type: "string", kind: "share", valueHint: "N%", description }) as const;

const args = {
  host: {
    type: "positional",
    required: false,
    description: "a joined server or udp://HOST:PORT; left out: the only one",
  },
  text: { type: "positional", required: false, variadic: true, description: "what to send" },
  ...TEXT_ARGS,
  interactive: { type: "boolean", alias: "i", description: "send each line that is typed" },
  ...RUN_FLAGS,
  "max-loss": share("most that may be lost, both ways together"),
  "max-loss-up": share("most on the way there"),
  "max-loss-down": share("most on the way back"),
  ...TIME_LIMITS,
  "max-reorder": share("most that may be overtaken, both ways together"),
  "max-dup": share("most that may come twice"),
  "min-sent": { type: "string", kind: "count", valueHint: "N", description: "fewest that must be sent" },
  samples: {
    type: "string",
    valueHint: "FILE",
    description: "write what became of each datagram, as NDJSON",
  },
  ...FILE_FLAGS,
} as const;

type UdpArgs = Args<typeof args>;

const LIMITS = [
  ...(["max-loss", "max-loss-up", "max-loss-down"] as const),
  ...TIME_LIMIT_NAMES,
  ...(["max-reorder", "max-dup", "min-sent"] as const),
] as const;

/** Flags that make no sense without a measurement. */
const MEASURING = [
  ...(["count", "duration", "interval", "rate", "size", "fill", "warmup"] as const),
  "samples",
  ...FILE_FLAG_NAMES,
  ...LIMITS,
] as const;

export default defineVerb({
  meta: {
    name: "udp",
    summary: "send text and see it back, or measure round trips and loss over UDP",
    usage: [
      "udp HOST TEXT...",
      "udp [HOST] < LINES",
      "udp -i [HOST]",
      "udp [HOST] --count N --interval DUR --size B",
    ],
    more: [
      "Without text it measures: loss each way, round trips, jitter. Limits decide the status, for CI: 3 if one is missed, 6 without any reply, 11 if this machine was too slow for a stated limit on round trips.",
    ],
    groups: [
      ["how it measures", Object.keys(RUN_FLAGS)],
      ["limits: status 3 where one is missed", LIMITS],
      ["what is written", ["samples", ...FILE_FLAG_NAMES]],
      ["text", ["interactive", ...Object.keys(TEXT_ARGS)]],
    ],
    examples: [
      { line: "sock udp web1 hello", does: "prints hello when it has been there and back" },
      { line: "sock udp web1 --duration 10s --interval 1ms", does: "10,000 datagrams, one each ms" },
      { line: "sock udp --count 500 --max-loss 0.5% --max-p99 20ms --json", does: "decides a CI job" },
      { line: "sock udp udp://192.0.2.7:7 --count 20", does: "measures against a plain echo server" },
    ],
  },
  args,
  async run(context, given) {
    const measured = MEASURING.find((flag) => given[flag] !== undefined);
    const echoes = sendsText(given, measured);
    if (given.host !== undefined && /^(tcp:\/\/|unix:)/i.test(given.host)) {
      throw new SockError("usage", `${given.host} is not for UDP`, `sock echo ${given.host}`);
    }
    if (!echoes) return measure(context, given, measured !== undefined);
    return given.text.length > 0
      ? echoText(context, given.host, given.text.join(" "), given, given.wait, (host) =>
          asText("udp", host, given),
        )
      : echoLines(context, given.host, given, given.wait);
  },
});

/** `asked`: by a flag of its own; without one the host may have been meant as the text. */
async function measure(context: Context, given: UdpArgs, asked: boolean): Promise<number> {
  const plain = given.host !== undefined && /^udp:\/\//i.test(given.host);
  const run = runOf(given, plain);
  const files = new RunFiles(given);
  const samples = given.samples === undefined ? undefined : new SampleLog(given.samples);
  const timeline = new Timeline();
  let shown = 0;
  const options: UdpOptions = {
    ...sessionOptions(context),
    ...run,
    onProgress: (trips) => {
      const now = performance.now();
      if (now - shown < FRAME_MS) return;
      shown = now;
      const lost = trips.sent - trips.back;
      context.ui.live(`${trips.sent} of ${run.count} sent, ${trips.back} back, ${lost} not yet`);
    },
    ...(samples === undefined && !files.hasPage ? {} : listeners(samples, timeline)),
  };
  const started = new Date();
  let name = given.host ?? "";
  let measured: UdpMeasured;
  try {
    if (plain && given.host !== undefined) {
      measured = await measurePlain(await resolvePeer(given.host), options);
    } else {
      const meant = asked ? undefined : (host: string) => asText("udp", host, given);
      const target = resolveHost(given.host, context.env, undefined, meant);
      ({ name } = target);
      measured = await measureUdp(target, options);
    }
  } catch (thrown) {
    if (!(thrown instanceof SockError)) throw thrown;
    await files.failed("udp", name, started, thrown);
    throw thrown;
  }
  context.ui.clearLive();
  return report(context, given, { name, measured, plain, run, timeline, files, samples });
}

function listeners(
  samples: SampleLog | undefined,
  timeline: Timeline,
): Pick<UdpOptions, "onSent" | "onReply" | "onCopy" | "onOvertaken"> {
  return {
    onSent: (number, at) => {
      timeline.send(at);
      samples?.listeners.onSent(number, at);
    },
    onReply: (number, rttUs) => {
      timeline.reply(number, rttUs);
      samples?.listeners.onReply(number, rttUs);
    },
    onCopy: (number) => timeline.copy(number),
    onOvertaken: (number) => timeline.overtaken(number),
  };
}

interface Outcome {
  name: string;
  measured: UdpMeasured;
  plain: boolean;
  run: ReturnType<typeof runOf>;
  timeline: Timeline;
  files: RunFiles;
  samples: SampleLog | undefined;
}

async function report(
  context: Context,
  given: UdpArgs,
  { name, measured, plain, run, timeline, files, samples }: Outcome,
): Promise<number> {
  const { counts, failure } = measured;
  const figures = udpFigures(measured.trips, counts ?? null, !plain, run.intervalNs > 0);
  const thresholds = thresholdsOf(given, figures);
  const verdict = verdictOf(thresholds);
  context.json.result({
    host: name,
    started: measured.started.toISOString(),
    address: measured.address,
    port: measured.port,
    size: run.size,
    interval_us: run.intervalNs / 1000,
    count: run.count,
    complete: failure === undefined,
    ...figures,
    own_drops: measured.ownDrops,
    own_full: measured.full,
    server_drops: counts?.drops ?? null,
    server_unsent: counts?.unsent ?? null,
    foreign: measured.foreign,
    seen_as: counts?.peer ?? null,
    moved: counts?.moved ?? null,
    moved_to: counts?.other ?? null,
    verdict,
  });
  if (!context.json.enabled) {
    for (const line of resultLines(escapeForDisplay(name), measured, figures, run)) context.ui.print(line);
    for (const line of thresholdLines(thresholds)) context.ui.print(`  ${line}`);
  }
  const ended =
    failure === undefined
      ? judged(() => statusOf(context.ui, thresholds, figures.schedule_kept_percent, isTimed(given)))
      : diagnosed(name, failure, measured, plain);
  const problem = ended instanceof SockError ? ended : undefined;
  await files.write(
    { verb: "udp", name, thresholds, failure: problem, started: measured.started },
    async () => {
      const { udpPage } = await import("./report/udp.ts");
      return udpPage({ name, measured, figures, limits: thresholds, problem, run, timeline });
    },
    async () => samples?.write(measured.trips),
  );
  if (ended instanceof SockError) throw ended;
  return ended;
}

function thresholdsOf(given: UdpArgs, figures: UdpFigures): Threshold[] {
  const { sent, up, down, both } = figures;
  const seen = up.lost === null ? null : sent - up.lost;
  const shares: [name: keyof UdpArgs & `max-${string}`, limit: number | undefined, value: number | null][] = [
    ["max-loss", given["max-loss"], figures.loss_percent],
    ["max-loss-up", given["max-loss-up"], shareOf(up.lost, sent)],
    ["max-loss-down", given["max-loss-down"], shareOf(down.lost, seen)],
    ["max-reorder", given["max-reorder"], shareOf(both.reordered, sent)],
    ["max-dup", given["max-dup"], shareOf(both.duplicates, sent)],
  ];
  const stated: Threshold[] = shares.flatMap(([name, limit, value]) =>
    limit === undefined ? [] : [{ name, limit: Number((limit * 100).toFixed(6)), value, unit: "%" }],
  );
  stated.push(...timeThresholds(given, figures.rtt_us, figures.jitter_us));
  const least = given["min-sent"];
  if (least !== undefined)
    stated.push({ name: "min-sent", limit: least, value: sent, unit: "", atLeast: true });
  return stated;
}

/** Unknown of an unknown. */
function shareOf(part: number | null, whole: number | null): number | null {
  return part === null || whole === null ? null : percent(part, whole);
}
