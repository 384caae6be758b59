/**
 * What one run of datagrams came to. Each datagram sent is exactly one of: lost, corrupt or limited on the way up; lost,
 * corrupt or delayed on the way down; received. What only the peer knows is null where it did not say, and never 0.
 */
import { type JitterFigures, jitterUs } from "./jitter.ts";
import type { RoundTrips } from "./round-trips.ts";
import { percent, type Summary, summaryUs } from "./summary.ts";

/** What the peer has counted; see the protocol's `counts`. */
export interface PeerCounts {
  readonly answered: number;
  readonly corrupt: number;
  readonly limited: number;
  readonly duplicates: number;
  readonly reordered: number;
  readonly extent: number;
}

export interface WayFigures {
  readonly lost: number | null;
  readonly duplicates: number | null;
  readonly reordered: number | null;
  readonly corrupt: number | null;
  /** Longest way back of a reordered one, datagrams. */
  readonly reorder_extent: number | null;
}

export interface UdpFigures {
  readonly sent: number;
  readonly received: number;
  readonly loss_percent: number | null;
  readonly bursts: number;
  readonly longest_burst: number;
  readonly up: WayFigures;
  readonly down: WayFigures;
  /** The two ways together, where they can't be told apart. */
  readonly both: WayFigures;
  readonly delayed: number;
  readonly rate_limited: number | null;
  readonly schedule_kept_percent: number | null;
  readonly rtt_us: Summary;
  readonly rtt_from_schedule_us: Summary;
  readonly server_us: Summary;
  readonly jitter_us: JitterFigures;
}

const UNKNOWN: WayFigures = {
  lost: null,
  duplicates: null,
  reordered: null,
  corrupt: null,
  reorder_extent: null,
};

/** `counts` null: the peer did not say; `helps`: it is one that could, so that its ways are told apart; `scheduled`: not each for itself after the one before. */
export function udpFigures(
  trips: RoundTrips,
  counts: PeerCounts | null,
  helps: boolean,
  scheduled = true,
): UdpFigures {
  const { sent, received, corrupt, delayed, duplicates, order, rtt, jitter } = trips;
  const bursts = trips.bursts();
  const here = { duplicates, reordered: order.reordered, corrupt, reorder_extent: order.extent };
  const back = received + corrupt + delayed;
  const seen = counts === null ? null : counts.answered + counts.corrupt + counts.limited;
  const upLost = seen === null ? null : sent - seen;
  const downLost = counts === null ? null : counts.answered - back;
  const lost = helps ? (upLost === null || downLost === null ? null : upLost + downLost) : sent - back;
  return {
    sent,
    received,
    loss_percent: lost === null ? null : percent(lost, sent),
    bursts: bursts.count,
    longest_burst: bursts.longest,
    up:
      counts === null
        ? UNKNOWN
        : {
            lost: upLost,
            duplicates: counts.duplicates,
            reordered: counts.reordered,
            corrupt: counts.corrupt,
            reorder_extent: counts.extent,
          },
    down: helps ? { lost: downLost, ...here } : UNKNOWN,
    both: helps
      ? {
          lost,
          duplicates: counts === null ? null : counts.duplicates + duplicates,
          reordered: counts === null ? null : counts.reordered + order.reordered,
          corrupt: counts === null ? null : counts.corrupt + corrupt,
          reorder_extent: counts === null ? null : Math.max(counts.extent, order.extent),
        }
      : { lost, ...here },
    delayed,
    rate_limited: counts?.limited ?? null,
    schedule_kept_percent: scheduled ? percent(trips.inTime, sent) : null,
    rtt_us: summaryUs(rtt),
    rtt_from_schedule_us: summaryUs(trips.fromSchedule),
    server_us: summaryUs(trips.held),
    jitter_us: jitterUs(jitter, rtt),
  };
}
