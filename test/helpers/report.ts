/** Runs for reports, made up: the words of a peer that means no good, and as many datagrams as wanted. */
import type { UdpReport } from "../../src/cli/report/udp.ts";
import { SockError } from "../../src/errors.ts";
import { randomFrom } from "../../src/measure/random.ts";
import { RoundTrips } from "../../src/measure/round-trips.ts";
import { Timeline } from "../../src/measure/timeline.ts";
import type { Counts } from "../../src/protocol/udp-messages.ts";
import { udpFigures } from "../../src/measure/udp-figures.ts";

/** Ends elements, attributes, comments and scripts, where it is let; one line that is shown as it is. */
export const HOSTILE = `"'><img src=x onerror="hacked=1"><!-- </script></title></style><script>hacked=1</script>&amp;`;

/** What a server says of a run in which it answered so many. */
export function countsOf(answered: number, changes: Partial<Counts> = {}): Counts {
  const none = { corrupt: 0, limited: 0, duplicates: 0, reordered: 0, extent: 0, moved: 0, unsent: 0 };
  return { type: "counts", answered, ...none, drops: null, peer: null, other: null, ...changes };
}

/** A run of `count` datagrams, each `lose`th of them without a reply, at one a ms. */
export function reportOf(count: number, lose: number, counts?: Counts): UdpReport {
  const random = randomFrom(1);
  const trips = new RoundTrips(1e9);
  const timeline = new Timeline();
  for (let number = 0; number < count; number++) {
    trips.send(true);
    timeline.send(number * 1000.1);
    if (number % lose === lose - 1) continue;
    const rtt = Math.round(1e6 * (1 + random() ** 8));
    trips.reply({ number, intact: true, rtt, fromSchedule: rtt, held: undefined, place: undefined });
    timeline.reply(number, rtt / 1000);
  }
  return {
    name: "web1",
    measured: {
      address: "192.0.2.7",
      port: 7625,
      trips,
      counts,
      started: new Date(0),
      foreign: 0,
      full: 0,
      ownDrops: 0,
      failure: undefined,
    },
    figures: udpFigures(trips, counts ?? null, counts !== undefined),
    limits: [],
    problem: undefined,
    run: { count, size: 64, intervalNs: 1e6 },
    timeline,
  };
}

export function hostileReport(): UdpReport {
  const report = reportOf(50, 10, countsOf(45, { moved: 1, peer: HOSTILE, other: HOSTILE }));
  const problem = new SockError("lost", HOSTILE, HOSTILE);
  return {
    ...report,
    name: HOSTILE,
    problem,
    measured: { ...report.measured, address: HOSTILE, failure: problem },
  };
}
