/* Draws the plots of a report; runs in the page, after uPlot. Times in its data are us, what it shows is ms. */
(() => {
  "use strict";
  const LANE = 14;
  const LANES_GAP = 8;
  const LEFT = 62;
  const RIGHT = 16;
  /** Marks stand in columns this wide. */
  const COLUMN = 2;
  const AXIS_FONT = "12px system-ui, sans-serif";
  const SMALL_FONT = "11px system-ui, sans-serif";
  const STEPS = [1, 2, 5];
  const data = JSON.parse(document.getElementById("data").textContent);
  const logarithmic = document.getElementById("logarithmic");
  const dark = matchMedia("(prefers-color-scheme: dark)");

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const ms = (us) => (us === null ? null : Math.max(us, 0.1) / 1000);
  const figure = (value) =>
    value >= 100 ? value.toFixed(0) : value >= 1 ? value.toPrecision(3) : value.toFixed(3);
  /** As short as it can be read. */
  const tick = (value) => String(Number(value.toPrecision(6)));

  function linearTicks(min, max, most) {
    const rough = (max - min) / Math.max(1, most);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough * 0.999);
    const first = Math.ceil(min / step - 1e-9);
    const count = Math.floor(max / step + 1e-9) - first + 1;
    return Array.from({ length: Math.max(0, count) }, (_, at) =>
      Number(((first + at) * step).toPrecision(12)),
    );
  }

  function logarithmicTicks(min, max, most) {
    if (!(min > 0) || max / min < 8) return linearTicks(min, max, most);
    const decades = Math.log10(max / min);
    const steps = decades * STEPS.length > most + 1 ? [1] : STEPS;
    const ticks = [];
    for (let power = Math.floor(Math.log10(min)); power <= Math.log10(max); power++) {
      for (const step of steps) ticks.push(Number((step * 10 ** power).toPrecision(3)));
    }
    return ticks.filter((one) => one >= min && one <= max);
  }

  /** [us of one, its name] by how long the run was. */
  function clock(us) {
    if (us < 2e6) return [1e3, "ms"];
    if (us < 3 * 60e6) return [1e6, "s"];
    return us < 3 * 3600e6 ? [60e6, "min"] : [3600e6, "h"];
  }

  const axis = (more) => ({
    stroke: color("dim"),
    font: AXIS_FONT,
    grid: { stroke: color("line"), width: 1 },
    ticks: { show: false },
    gap: 6,
    ...more,
  });

  function plot(place, height, options, rows) {
    place.textContent = "";
    const size = () => ({ width: place.clientWidth, height });
    const drawn = new uPlot({ ...size(), legend: { show: false }, ...options }, rows, place);
    const observer = new ResizeObserver(() => {
      if (drawn.width !== place.clientWidth) drawn.setSize(size());
    });
    observer.observe(place);
    return () => {
      observer.disconnect();
      drawn.destroy();
    };
  }

  /** Text in the canvas, px of the page. */
  function label(context, text, x, y, fill, align) {
    context.font = SMALL_FONT.replace("11", String(11 * uPlot.pxRatio));
    context.fillStyle = fill;
    context.textAlign = align;
    context.textBaseline = "middle";
    context.fillText(text, x, y);
  }

  function overTime() {
    const { points, lanes, limits } = data;
    const place = document.getElementById("over-time");
    if (place === null || points.at.length === 0) return () => undefined;
    const [unit, unitName] = clock(data.lasted);
    const at = points.at.map((one) => one / unit);
    const means = points.mean.map(ms);
    const colors = lanes.map(({ color: name }) => color(name));
    const isLogarithmic = logarithmic.checked;
    const readout = document.getElementById("over-time-readout");

    /** Where a kind of event was, as columns [px of the canvas, share of what was sent there]. */
    const columns = (u, counts) => {
      const { left, width } = u.bbox;
      const wide = COLUMN * uPlot.pxRatio;
      const last = Math.floor((width - 1) / wide);
      const place = (index) => Math.floor((u.valToPos(at[index], "x", true) - left) / wide);
      const shares = new Map();
      for (const [index, count] of counts.entries()) {
        if (count === 0) continue;
        const first = place(index);
        // a point lasts until the next one, but for the last
        const end = index + 1 < at.length ? Math.max(first + 1, place(index + 1)) : first + 1;
        const share = Math.min(1, count / points.sent[index]);
        for (let column = Math.max(0, first); column < Math.min(end, last + 1); column++) {
          shares.set(column, Math.max(share, shares.get(column) ?? 0));
        }
        if (first === last + 1) shares.set(last, Math.max(share, shares.get(last) ?? 0));
      }
      return [...shares].map(([column, share]) => [left + column * wide, share]);
    };
    const stripes = (u) => {
      const lost = lanes.findIndex(({ event }) => event === "lost");
      if (lost < 0) return;
      u.ctx.save();
      u.ctx.fillStyle = colors[lost];
      for (const [x, share] of columns(u, lanes[lost].counts)) {
        u.ctx.globalAlpha = 0.05 + 0.17 * share;
        u.ctx.fillRect(x, u.bbox.top, COLUMN * uPlot.pxRatio, u.bbox.height);
      }
      u.ctx.restore();
    };
    const marks = (u) => {
      const { ctx } = u;
      const ratio = uPlot.pxRatio;
      ctx.save();
      for (const [lane, { name, counts }] of lanes.entries()) {
        const top = u.bbox.top - ((lanes.length - lane) * LANE + LANES_GAP) * ratio;
        label(ctx, name, u.bbox.left - 6 * ratio, top + (LANE / 2) * ratio, color("dim"), "right");
        ctx.fillStyle = colors[lane];
        for (const [x, share] of columns(u, counts)) {
          const high = (LANE - 4) * ratio * (0.4 + 0.6 * share);
          ctx.fillRect(x, top + (LANE - 2) * ratio - high, COLUMN * ratio, high);
        }
      }
      for (const { name, us } of limits) {
        const y = u.valToPos(ms(us), "y", true);
        if (y < u.bbox.top || y > u.bbox.top + u.bbox.height) continue;
        ctx.strokeStyle = color("dim");
        ctx.lineWidth = ratio;
        ctx.setLineDash([5 * ratio, 4 * ratio]);
        ctx.beginPath();
        ctx.moveTo(u.bbox.left, y);
        ctx.lineTo(u.bbox.left + u.bbox.width, y);
        ctx.stroke();
        const words = `${name} ${figure(ms(us))}`;
        const beside = y - 8 * ratio > u.bbox.top ? -8 : 8;
        label(ctx, words, u.bbox.left + u.bbox.width - 4 * ratio, y + beside * ratio, color("dim"), "right");
      }
      ctx.restore();
    };
    const read = (u) => {
      const index = u.cursor.idx;
      if (index === null || index === undefined) {
        readout.textContent = "";
        return;
      }
      const number = index * data.width;
      const many = points.sent[index] > 1;
      const [least, mean, longest] = [points.min, points.mean, points.max].map((row) => ms(row[index]));
      const words = [`${tick(Number(at[index].toPrecision(4)))} ${unitName}`];
      words.push(many ? `#${number} to #${number + points.sent[index] - 1}` : `#${number}`);
      if (mean !== null) {
        words.push(
          many ? `${figure(least)} to ${figure(longest)} ms, mean ${figure(mean)}` : `${figure(mean)} ms`,
        );
      }
      for (const { name, counts } of lanes) {
        if (counts[index] > 0) words.push(many ? `${name} ${counts[index]}` : name);
      }
      readout.textContent = words.join(" · ");
    };
    const alone = (u, series, show) =>
      show
        ? null
        : means.flatMap((one, index) =>
            one !== null && (means[index - 1] ?? null) === null && (means[index + 1] ?? null) === null
              ? [index]
              : [],
          );
    const highest = limits.reduce((most, { us }) => Math.max(most, ms(us)), 0);
    const range = (u, min, max) => {
      if (min === null || max === null) return [0, 1];
      // a limit not far away is shown, one that is would squash all the rest
      const top = Math.max(max, highest < 2 * max ? highest : 0);
      return isLogarithmic ? [Math.min(min, top) * 0.8, top * 1.25] : [0, top * 1.08];
    };
    const ticks = (u, _axis, min, max) =>
      isLogarithmic ? logarithmicTicks(min, max, 7) : linearTicks(min, max, 5);
    const none = { width: 0, points: { show: false } };
    const above = lanes.length === 0 ? 8 : 4 + lanes.length * LANE + LANES_GAP;
    const isEmpty = means.every((one) => one === null);
    return plot(
      place,
      230 + above,
      {
        padding: [above, RIGHT, 0, 0],
        scales: { x: { time: false }, y: { range, ...(isLogarithmic ? { distr: 3, log: 10 } : {}) } },
        axes: [
          axis({
            size: 28,
            splits: (u, _axis, min, max) => linearTicks(min, max, u.width / 90),
            values: (u, splits) => splits.map((one) => `${tick(one)} ${unitName}`),
            grid: { show: false },
          }),
          axis({
            size: LEFT,
            splits: ticks,
            values: (u, splits) => splits.map((one) => (isEmpty ? "" : tick(one))),
            filter: (u, splits) => splits,
          }),
        ],
        series: [
          {},
          { ...none },
          { ...none },
          { stroke: color("time"), width: 1.25, points: { filter: alone, size: 4, fill: color("time") } },
        ],
        bands: [{ series: [1, 2], fill: color("band") }],
        cursor: { y: false, points: { show: false } },
        hooks: { drawClear: [stripes], draw: [marks], setCursor: [read] },
      },
      [at, points.max.map(ms), points.min.map(ms), means],
    );
  }

  function spread() {
    const { limits, counts } = data.spread;
    const place = document.getElementById("spread");
    if (place === null || counts.length === 0) return () => undefined;
    const bins = counts.length;
    const readout = document.getElementById("spread-readout");
    const measuring = document.createElement("canvas").getContext("2d");
    const [least, most] = [ms(limits[0]), ms(limits[bins])];
    const bin = (value) => (bins * Math.log(value / least)) / Math.log(most / least);
    const value = (at) => least * (most / least) ** (at / bins);
    const bars = (u) => {
      const base = u.bbox.top + u.bbox.height;
      u.ctx.save();
      u.ctx.fillStyle = color("time");
      for (const [at, count] of counts.entries()) {
        if (count === 0) continue;
        const from = Math.round(u.valToPos(at, "x", true));
        const to = Math.round(u.valToPos(at + 1, "x", true));
        // one of a million is still there to be seen
        const high = Math.max(2 * uPlot.pxRatio, base - u.valToPos(count, "y", true));
        u.ctx.fillRect(from, base - high, Math.max(1, to - from - uPlot.pxRatio), high);
      }
      u.ctx.restore();
    };
    /** Where the labels of the percentiles stand over a plot of that width: as low as they don't touch. */
    const labels = (width) => {
      const ends = [];
      return data.marks.map(({ name, us }) => {
        const words = `${name} ${figure(ms(us))}`;
        const x = Math.min(width, Math.max(0, (bin(ms(us)) / bins) * width));
        measuring.font = SMALL_FONT;
        const wide = measuring.measureText(words).width;
        const begin = Math.min(width - wide, Math.max(0, x - wide / 2));
        const free = ends.findIndex((end) => end < begin);
        const row = free < 0 ? ends.length : free;
        ends[row] = begin + wide + 8;
        return { words, x, begin, row };
      });
    };
    const rows = (width) =>
      labels(width - LEFT - RIGHT).reduce((most, { row }) => Math.max(most, row + 1), 0);
    const marks = (u) => {
      const ratio = uPlot.pxRatio;
      const { left, top, width, height } = u.bbox;
      u.ctx.save();
      u.ctx.strokeStyle = color("dim");
      u.ctx.lineWidth = ratio;
      u.ctx.setLineDash([3 * ratio, 3 * ratio]);
      for (const { words, x, begin, row } of labels(width / ratio)) {
        const y = top - (row + 0.5) * LANE * ratio;
        label(u.ctx, words, left + begin * ratio, y, color("ink"), "left");
        u.ctx.beginPath();
        u.ctx.moveTo(left + x * ratio, y + (LANE / 2) * ratio);
        u.ctx.lineTo(left + x * ratio, top + height);
        u.ctx.stroke();
      }
      u.ctx.restore();
    };
    const read = (u) => {
      const at = u.cursor.left >= 0 ? Math.floor(u.posToVal(u.cursor.left, "x")) : -1;
      readout.textContent =
        at < 0 || at >= bins
          ? ""
          : `${figure(ms(limits[at]))} to ${figure(ms(limits[at + 1]))} ms · ${counts[at]} round trips`;
    };
    return plot(
      place,
      210,
      {
        padding: [(u) => 4 + rows(u.width) * LANE, RIGHT, 0, 0],
        scales: {
          x: { time: false, range: [0, bins] },
          y: { range: (u, _min, max) => [0, Math.max(1, max) * 1.05] },
        },
        axes: [
          axis({
            size: 28,
            splits: (u) => logarithmicTicks(least, most, u.width / 70).map(bin),
            values: (u, splits) => splits.map((at) => tick(Number(value(at).toPrecision(4)))),
            grid: { show: false },
          }),
          axis({
            size: LEFT,
            splits: (u, _axis, min, max) => linearTicks(min, max, 4).filter(Number.isInteger),
            values: (u, splits) => splits.map(tick),
          }),
        ],
        series: [{}, { stroke: "transparent", width: 0, points: { show: false } }],
        cursor: { y: false, points: { show: false }, drag: { x: false, setScale: false } },
        hooks: { draw: [bars, marks], setCursor: [read] },
      },
      [counts.map((_, at) => at + 0.5), counts],
    );
  }

  let clear = [];
  const draw = () => {
    for (const one of clear) one();
    clear = [overTime(), spread()];
  };
  logarithmic?.addEventListener("change", draw);
  dark.addEventListener("change", draw);
  draw();
})();
