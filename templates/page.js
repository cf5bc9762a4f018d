"use strict";
// Draw all charts of the page. A figure names its colours var(--NAME), as custom properties of the style sheet.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)").matches;
  const config = { displayModeBar: false, responsive: true, showTips: false };
  const LETTER = 6.8; // px, about the width of a character of a tick label
  const PAPER = { width: 800, height: 0.65 }; // px, a little more than paper has; a share of the height on a screen
  let printing = false;

  // Unpack plotly.js in a self-contained page. In other pages, the script element before this one has loaded it.
  async function unpackPlotly() {
    const packed = document.getElementById("plotly-packed");
    if (!packed) return;
    const script = document.createElement("script");
    script.textContent = await new Response(unpacked(packed)).text(); // the content-security policy allows it by its hash
    document.head.append(script);
    for (const figure of document.querySelectorAll("script.packed:not(#arrays-figure)")) {
      figure.textContent = await new Response(unpacked(figure)).text();
    }
  }

  const bytesOf = (base64) => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const unpacked = (element) => new Blob([bytesOf(element.textContent)]).stream()
    .pipeThrough(new DecompressionStream("gzip"));

  // The bytes of the arrays that the charts of the page share.
  async function sharedArrays() {
    const element = document.getElementById("arrays-figure");
    if (!element?.classList.contains("packed")) return parsed("arrays").map(bytesOf);
    const bytes = new Uint8Array(await new Response(unpacked(element)).arrayBuffer());
    let at = bytes.indexOf(10) + 1; // after the line of lengths
    return JSON.parse(new TextDecoder().decode(bytes.slice(0, at))).map((length) => inOrder(bytes.slice(at, at += length)));
  }

  // Put the bytes of floats in order again: the page has their first bytes first, then their second ones, and so on.
  function inOrder(bytes) {
    const ordered = new Uint8Array(bytes.length);
    let at = 0;
    for (let place = 0; place < 4; place += 1) {
      for (let target = place; target < bytes.length; target += 4) ordered[target] = bytes[at++];
    }
    return ordered;
  }

  const parsed = (id, reviver) => JSON.parse(document.getElementById(`${id}-figure`)?.textContent ?? "[]", reviver);
  const KINDS = { f4: Float32Array, f8: Float64Array, i1: Int8Array };
  let arrays;

  // A reviver for JSON.parse that replaces var(--NAME) in the colours of a figure by the value in the present theme, and
  // #NUMBER by a shared array.
  function resolver() {
    const style = getComputedStyle(document.documentElement);
    const resolve = (value) => typeof value === "string"
      ? value.replace(/^var\((--[\w-]+)\)$/, (_, name) => style.getPropertyValue(name).trim())
      : value;
    return (key, value) => {
      if (value?.bdata?.[0] === "#") return new KINDS[value.dtype](arrays[value.bdata.slice(1)].buffer);
      return !/colou?r$/i.test(key) ? value : Array.isArray(value) ? value.map(resolve) : resolve(value);
    };
  }

  const withThreeDigits = (value) => Number(value.toPrecision(3)).toLocaleString("en");

  function duration(seconds) {
    if (seconds < 60) return `${withThreeDigits(seconds)} s`;
    const [size, large, small, part] = seconds < 3600 ? [60, "min", "s", 1]
      : seconds < 86400 ? [3600, "h", "min", 60] : [86400, "d", "h", 3600];
    const rounded = Math.round(seconds / part) * part;
    return `${Math.floor(rounded / size)} ${large} ${Math.floor((rounded % size) / part)} ${small}`;
  }

  // The local time at a second of the time axis, as Wed 8 Apr 14:50:10.
  function localTime(second, { start_s: start, offsets }) {
    const offset = offsets.findLast(([from]) => from <= second)[1];
    const [day, date, month, , time] = new Date((start + second + offset) * 1000).toUTCString().split(" ");
    return `${day.slice(0, 3)} ${Number(date)} ${month} ${time.replace(/:00$/, "")}`;
  }

  // The text of each point of the timeline: its time, its regime and its loads in their units.
  function textsOf({ hover, ...clock }, x) {
    const text = ({ before, values, after, is_duration: isDuration }, at) => Number.isNaN(values[at]) ? []
      : `${before}${(isDuration ? duration : withThreeDigits)(values[at])}${after}`;
    return [...x].map((second, at) => [
      `<b>${localTime(second, clock)}, ${hover.regimes[hover.regime[at]]}</b>`, ...hover.lines.flatMap((line) => text(line, at)),
    ].join("<br>"));
  }

  const widthOf = (chart) => printing ? PAPER.width : chart.clientWidth;

  // Intervals of ticks and the form of each, from coarse to fine.
  const DAY = 86400;
  const INTERVALS = [
    [28 * DAY, "month"], [7 * DAY, "date"], [DAY, "number"], [DAY, "weekday"],
    ...[43200, 21600, 10800, 3600, 1800, 900, 300, 60, 30, 10, 5, 1].map((interval) => [interval, "clock"]),
  ];

  function labelOf(local, form) {
    const [day, date, month, year, time] = new Date(local * 1000).toUTCString().split(" ");
    if (form === "month") return month === "Jan" ? `${month} ${year}` : month;
    if (form === "number") return String(Number(date));
    if (form === "date") return `${Number(date)} ${month}`;
    return form === "clock" && local % DAY ? time.replace(/:00$/, "") : `${day.slice(0, 3)} ${Number(date)}`;
  }

  // Return the ticks at the multiples of an interval on the local clock: Mondays for a week, the first of each month.
  function ticksAt([interval, form], { start_s: start, offsets }, [from, until]) {
    const ticks = [];
    offsets.forEach(([begin, offset], at) => {
      const zero = start + offset; // the local time at second 0 of the axis, as long as this offset holds
      const last = Math.min(until, offsets[at + 1]?.[0] ?? Infinity);
      const monday = interval === 7 * DAY ? 4 * DAY : 0; // 1 January 1970 was a Thursday
      const step = form === "month" ? DAY : interval;
      const first = Math.ceil((zero + Math.max(from, begin) - monday) / step) * step + monday;
      for (let local = first; local - zero < last || local - zero === until; local += step) {
        const isTick = form !== "month" || new Date(local * 1000).getUTCDate() === 1;
        if (isTick) ticks.push([local - zero, labelOf(local, form)]);
      }
    });
    return ticks;
  }

  // Return the finest ticks that the chart has room for, none in less than a second. Other charts keep Plotly's ticks.
  function tickSettings(chart, layout, range) {
    const fits = ([interval]) => (range[1] - range[0]) / interval <= 100;
    const width = (ticks) => ticks.length * LETTER * (Math.max(...ticks.map(([, text]) => text.length)) + 0.8);
    const room = widthOf(chart) - 66; // px of margins
    const levels = INTERVALS.filter(fits).map((each) => ticksAt(each, layout.meta, range)).filter((found) => found.length);
    const coarsest = levels[0] ?? [];
    const every = Math.ceil(width(coarsest) / room); // where not even these fit
    const ticks = levels.findLast((found) => width(found) <= room) ?? coarsest.filter((_, at) => at % every === 0);
    return { tickvals: ticks.map(([at]) => at), ticktext: ticks.map(([, text]) => text) };
  }

  let texts = null; // of the points of the timeline, which several charts share

  function figureOf(chart) {
    const figure = parsed(chart.id, resolver());
    const layout = figure.layout;
    for (const trace of figure.data.filter((each) => each.hovertemplate?.includes("hovertext") && !each.hovertext)) {
      texts ??= textsOf(layout.meta, trace.x);
      trace.hovertext = texts;
    }
    if (printing) layout.width = PAPER.width; // on a screen it follows the window
    layout.height = printing ? PAPER.height * chart.clientHeight : chart.clientHeight;
    if (chart.layout) layout.xaxis.range = chart.layout.xaxis.range; // drawn anew, a chart stays zoomed
    if (touch) layout.dragmode = false; // a finger on a chart scrolls the page and does not zoom
    if (layout.meta) Object.assign(layout.xaxis, tickSettings(chart, layout, layout.xaxis.range));
    return figure;
  }

  // After a zoom or a resize, other ticks fit.
  function updateTicks(chart) {
    const { tickvals, ticktext } = tickSettings(chart, chart.layout, chart.layout.xaxis.range);
    if (chart.layout.xaxis.tickvals.join() !== tickvals.join()) {
      Plotly.relayout(chart, { "xaxis.tickvals": tickvals, "xaxis.ticktext": ticktext });
    }
  }

  // Paper scales the drawing as a whole to the width of its box, whatever size it was drawn in.
  function makeScalable(chart) {
    const [width, height] = ["width", "height"].map((side) => chart.querySelector(".main-svg").getAttribute(side));
    for (const layer of chart.querySelectorAll(".main-svg")) layer.setAttribute("viewBox", `0 0 ${width} ${height}`);
    chart.style.aspectRatio = `${width} / ${height}`;
  }

  async function draw(chart) {
    const still = chart.parentElement.querySelector(".still");
    chart.hidden = false;
    if (still) still.hidden = true;
    const figure = figureOf(chart);
    await Plotly.react(chart, figure.data, figure.layout, config);
  }

  async function print(begins) {
    printing = begins;
    if (begins) document.documentElement.dataset.theme = "light";
    else delete document.documentElement.dataset.theme;
    await drawAll();
    if (!begins) charts.filter(isShown).forEach((chart) => Plotly.Plots.resize(chart)); // Plotly keeps the width of the paper otherwise
  }

  const charts = [...document.querySelectorAll(".chart")];
  const isShown = (chart) => !chart.closest("details:not([open])");
  const drawAll = () => Promise.all(charts.filter(isShown).map(draw));

  const timed = () => charts.filter((chart) => chart.layout?.meta && isShown(chart));
  const reset = document.querySelector(".reset");
  const wholes = new Map(); // the range of each chart as the page shows it first
  let zoomed = null;

  // Move all time axes to a range, and back to their own without one.
  async function zoom(range) {
    zoomed = range;
    reset.hidden = !range;
    await Promise.all(timed().map((chart) => {
      const wanted = range ?? wholes.get(chart.id);
      const is = chart.layout.xaxis.range;
      return is[0] === wanted[0] && is[1] === wanted[1] ? null : Plotly.relayout(chart, { "xaxis.range": [...wanted] });
    }));
  }

  function followZoom(chart, change) {
    const isZoom = Object.keys(change).some((key) => key.startsWith("xaxis."));
    const [from, until] = chart.layout.xaxis.range;
    const is = (range) => range?.[0] === from && range[1] === until;
    const whole = is(wholes.get(chart.id));
    return !isZoom || printing || (zoomed ? is(zoomed) : whole) ? null : zoom(whole ? null : [from, until]);
  }

  async function prepare(chart) {
    makeScalable(chart);
    chart.on("plotly_afterplot", () => makeScalable(chart));
    if (!chart.layout.meta) return;
    wholes.set(chart.id, [...chart.layout.xaxis.range]);
    chart.on("plotly_relayout", (change) => {
      updateTicks(chart);
      if (reset) followZoom(chart, change);
    });
    new ResizeObserver(() => updateTicks(chart)).observe(chart);
  }

  // A chart in a closed part has no width: it is drawn when the part is opened.
  async function open(part) {
    const inside = charts.filter((chart) => part.contains(chart));
    if (!part.open || document.documentElement.dataset.charts !== "drawn" || inside.every((chart) => chart.layout)) return;
    await Promise.all(inside.map(draw));
    inside.forEach(prepare);
    if (zoomed) await zoom(zoomed);
  }

  function zoomToIncident(event) {
    const link = event.target.closest("a[data-from]");
    if (!link) return;
    const [from, until] = [Number(link.dataset.from), Number(link.dataset.until)];
    const margin = Math.max((until - from) * 0.3, 1);
    zoom([from - margin, until + margin]);
  }

  function fail(error) {
    document.documentElement.dataset.charts = "failed";
    for (const hidden of document.querySelectorAll(".still")) hidden.hidden = false;
    for (const chart of charts) chart.hidden = true;
    throw error; // so that the browser's console shows it
  }

  async function start() {
    await unpackPlotly();
    arrays = await sharedArrays();
    for (const part of document.querySelectorAll("details.charts")) {
      part.open = false;
      part.addEventListener("toggle", () => open(part));
    }
    await drawAll();
    charts.filter(isShown).forEach(prepare);
    reset?.addEventListener("click", () => zoom(null));
    addEventListener("click", zoomToIncident);
    dark.addEventListener("change", drawAll); // Plotly holds the old colours: draw anew
    // Paper is white and narrow. The page still has its layout of the screen when this event comes.
    addEventListener("beforeprint", () => print(true));
    addEventListener("afterprint", () => print(false));
    for (const table of document.querySelectorAll("details[open]:not(.charts)")) table.open = false; // the charts show the same figures
    document.documentElement.dataset.charts = "drawn";
    document.querySelectorAll("details.charts").forEach(open);
  }

  start().catch(fail);
})();
