import { expect, test } from "bun:test";
import { Jitter, jitterUs, StreamsJitter } from "../../src/measure/jitter.ts";
import { Samples } from "../../src/measure/samples.ts";

const US = 1000;

/** Delays in us by turns over so many connections. */
function figures(streams: number, delays: readonly number[]) {
  const samples = new Samples();
  const jitter = new StreamsJitter(streams);
  for (const [at, delay] of delays.entries()) {
    samples.record(delay * US);
    jitter.record(at % streams, delay * US);
  }
  return { ...jitterUs(jitter, samples), n: jitter.ipdv.count };
}

test("of one connection it is that of datagrams that all came in order", () => {
  const delays = [10, 30, 25, 25, 90, 11, 12];
  const [samples, jitter] = [new Samples(), new Jitter()];
  for (const [number, delay] of delays.entries()) {
    samples.record(delay * US);
    jitter.record(number, delay * US);
  }
  const { n, ...same } = figures(1, delays);
  expect(same).toEqual(jitterUs(jitter, samples));
  expect(n).toBe(6);
  // differences 20 5 0 65 79 1
  expect(same).toMatchObject({ ipdv_abs_p50: 5, ipdv_abs_p99: 79, pdv_p95_p50: 65 });
});

test("neighbours are those of one connection: that one is slower than the other is no jitter", () => {
  expect(figures(2, [10, 500, 10, 500, 10, 500])).toEqual({
    ipdv_abs_p50: 0,
    ipdv_abs_p99: 0,
    rfc3550: 0,
    pdv_p95_p50: 490,
    n: 4,
  });
  expect(figures(2, [10, 500, 40, 560])).toMatchObject({ ipdv_abs_p50: 30, ipdv_abs_p99: 60, n: 2 });
});

test("the running estimate of RFC 3550: a sixteenth of each difference", () => {
  // 16 / 16 = 1, then 1 + (17 - 1) / 16 = 2
  expect(figures(1, [0, 16, 33]).rfc3550).toBe(2);
});

test("without two on one connection it is unknown, and not 0", () => {
  expect(figures(1, [10])).toEqual({
    ipdv_abs_p50: null,
    ipdv_abs_p99: null,
    rfc3550: null,
    pdv_p95_p50: 0,
    n: 0,
  });
  expect(figures(2, [10, 20])).toMatchObject({ ipdv_abs_p50: null, ipdv_abs_p99: null, rfc3550: null, n: 0 });
});
