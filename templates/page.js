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
    script.textContent = await unpacked(packed); // the content-security policy allows it by its hash
    document.head.append(script);
    for (const figure of document.querySelectorAll("script.packed")) figure.textContent = await unpacked(figure);
  }

  async function unpacked(element) {
    const bytes = Uint8Array.from(atob(element.textContent), (char) => char.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  // A reviver for JSON.parse that replaces var(--NAME) in the colours of a figure by the value in the present theme.
  function themed() {
    const style = getComputedStyle(document.documentElement);
    const resolve = (value) => typeof value === "string"
      ? value.replace(/^var\((--[\w-]+)\)$/, (_, name) => style.getPropertyValue(name).trim())
      : value;
    return (key, value) => !/colou?r$/i.test(key) ? value : Array.isArray(value) ? value.map(resolve) : resolve(value);
  }

  const widthOf = (chart) => printing ? PAPER.width : chart.clientWidth;

  // Return the finest ticks that the chart has room for. A figure without ticks in its layout keeps Plotly's.
  function ticksFor(chart, layout, range) {
    const levels = layout.meta?.marks ?? [];
    const visible = (level) => level.at.filter((at) => at >= range[0] && at <= range[1]).length;
    const width = (level) => LETTER * (Math.max(...level.text.map((text) => text.length)) + 0.8);
    const fitting = levels.filter((level) => visible(level) * width(level) <= widthOf(chart) - 52); // 52 px are margins
    return fitting.at(-1) ?? levels[0];
  }

  function tickSettings(chart, layout, range) {
    const level = ticksFor(chart, layout, range);
    return level && { tickvals: level.at, ticktext: level.text };
  }

  function figureOf(chart) {
    const figure = JSON.parse(document.getElementById(`${chart.id}-figure`).textContent, themed());
    const layout = figure.layout;
    if (printing) layout.width = PAPER.width; // on a screen it follows the window
    layout.height = printing ? PAPER.height * chart.clientHeight : chart.clientHeight;
    if (chart.layout) layout.xaxis.range = chart.layout.xaxis.range; // drawn anew, a chart stays zoomed
    if (touch) layout.dragmode = false; // a finger on a chart scrolls the page and does not zoom
    if (layout.meta?.marks) Object.assign(layout.xaxis, tickSettings(chart, layout, layout.xaxis.range));
    return figure;
  }

  // After a zoom or a resize, other ticks fit.
  function updateTicks(chart) {
    const level = tickSettings(chart, chart.layout, chart.layout.xaxis.range);
    if (level && chart.layout.xaxis.tickvals.length !== level.tickvals.length) {
      Plotly.relayout(chart, { "xaxis.tickvals": level.tickvals, "xaxis.ticktext": level.ticktext });
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
    if (!begins) charts.forEach(Plotly.Plots.resize); // Plotly keeps the width of the paper otherwise
  }

  const charts = [...document.querySelectorAll(".chart")];
  const drawAll = () => Promise.all(charts.map(draw));

  function fail(error) {
    document.documentElement.dataset.charts = "failed";
    for (const hidden of document.querySelectorAll(".still")) hidden.hidden = false;
    for (const chart of charts) chart.hidden = true;
    throw error; // so that the browser's console shows it
  }

  async function start() {
    await unpackPlotly();
    await drawAll();
    for (const chart of charts) {
      makeScalable(chart);
      chart.on("plotly_afterplot", () => makeScalable(chart));
    }
    for (const chart of charts.filter((drawn) => drawn.layout.meta?.marks)) {
      chart.on("plotly_relayout", () => updateTicks(chart));
      new ResizeObserver(() => updateTicks(chart)).observe(chart);
    }
    dark.addEventListener("change", drawAll); // Plotly holds the old colours: draw anew
    // Paper is white and narrow. The page still has its layout of the screen when this event comes.
    addEventListener("beforeprint", () => print(true));
    addEventListener("afterprint", () => print(false));
    for (const table of document.querySelectorAll("details[open]")) table.open = false; // the charts show the same figures
    document.documentElement.dataset.charts = "drawn";
  }

  start().catch(fail);
})();
