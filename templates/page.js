"use strict";
// Draws every chart of the page, in the colours of the page: a colour written var(--NAME) in a figure is the style's.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)").matches;
  const config = { displayModeBar: false, responsive: true, showTips: false };
  const LETTER = 6.8; // px, about what a letter of a mark on the time axis takes

  // Plotly.js packed inside the page; without it, the element before this script has loaded it.
  async function unpackPlotly() {
    const packed = document.getElementById("plotly-packed");
    if (!packed) return;
    const script = document.createElement("script");
    script.textContent = await unpacked(packed);
    document.head.append(script);
    for (const figure of document.querySelectorAll("script.packed")) figure.textContent = await unpacked(figure);
  }

  async function unpacked(element) {
    const bytes = Uint8Array.from(atob(element.textContent), (char) => char.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  function themed() {
    const style = getComputedStyle(document.documentElement);
    const one = (value) => typeof value === "string"
      ? value.replace(/^var\((--[\w-]+)\)$/, (_, name) => style.getPropertyValue(name).trim())
      : value;
    return (key, value) => !/colou?r$/i.test(key) ? value : Array.isArray(value) ? value.map(one) : one(value);
  }

  // The finest marks that the chart has room for; a figure without a list of its own keeps Plotly's.
  function marksFor(chart, layout, range) {
    const levels = layout.meta?.marks ?? [];
    const seen = (level) => level.at.filter((at) => at >= range[0] && at <= range[1]).length;
    const width = (level) => LETTER * (Math.max(...level.text.map((text) => text.length)) + 0.8);
    const fitting = levels.filter((level) => seen(level) * width(level) <= chart.clientWidth - 52);
    return fitting.at(-1) ?? levels[0];
  }

  function mark(chart, layout, range) {
    const level = marksFor(chart, layout, range);
    return level && { tickvals: level.at, ticktext: level.text };
  }

  function figureOf(chart) {
    const figure = JSON.parse(document.getElementById(`${chart.id}-figure`).textContent, themed());
    const layout = figure.layout;
    layout.height = chart.clientHeight;
    if (touch) layout.dragmode = false; // a finger on a chart scrolls the page
    if (layout.meta?.marks) Object.assign(layout.xaxis, mark(chart, layout, layout.xaxis.range));
    return figure;
  }

  // After a zoom or a change of width other marks fit.
  function remark(chart) {
    const level = mark(chart, chart.layout, chart.layout.xaxis.range);
    if (level && chart.layout.xaxis.tickvals.length !== level.tickvals.length) {
      Plotly.relayout(chart, { "xaxis.tickvals": level.tickvals, "xaxis.ticktext": level.ticktext });
    }
  }

  async function draw(chart) {
    const still = chart.parentElement.querySelector(".still");
    chart.hidden = false;
    if (still) still.hidden = true;
    const figure = figureOf(chart);
    await Plotly.react(chart, figure.data, figure.layout, config);
  }

  const charts = [...document.querySelectorAll(".chart")];
  const drawAll = () => Promise.all(charts.map(draw));

  function fail(error) {
    document.documentElement.dataset.charts = "failed";
    for (const hidden of document.querySelectorAll(".still")) hidden.hidden = false;
    for (const chart of charts) chart.hidden = true;
    throw error; // the browser's console tells why
  }

  async function start() {
    await unpackPlotly();
    await drawAll();
    for (const chart of charts.filter((one) => one.layout.meta?.marks)) {
      chart.on("plotly_relayout", () => remark(chart));
      new ResizeObserver(() => remark(chart)).observe(chart);
    }
    dark.addEventListener("change", drawAll);
    // Paper is white, whatever the screen is.
    addEventListener("beforeprint", () => { document.documentElement.dataset.theme = "light"; drawAll(); });
    addEventListener("afterprint", () => { delete document.documentElement.dataset.theme; drawAll(); });
    for (const table of document.querySelectorAll("details[open]")) table.open = false; // the charts say the same
    document.documentElement.dataset.charts = "drawn";
  }

  start().catch(fail);
})();
