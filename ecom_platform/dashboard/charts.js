// Charts as SVG: a line with what it is compared with, several lines, stacked bars, sparklines.
"use strict";
const PAD = { left: 52, right: 12, top: 10, bottom: 24 };

// From zero or below to the highest value, in round steps.
function niceTicks(low, high) {
  if (!(high > low)) return [0, 1];
  const step = 10 ** Math.floor(Math.log10((high - low) / 4));
  const width = [1, 2, 2.5, 5, 10].find((m) => m * step * 4 >= high - low) * step;
  const ticks = [];
  for (let n = Math.floor(low / width); n * width < high + width * 0.999; n++) ticks.push(n * width);
  return ticks;
}
// Points that are not known leave a gap.
function path(values, x, y) {
  let drawn = "",
    pen = false;
  values.forEach((value, n) => {
    if (value === null) pen = false;
    else {
      drawn += `${pen ? "L" : "M"}${x(n).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = true;
    }
  });
  return drawn;
}
// First and last place of each stretch of known points.
function runs(values) {
  const found = [];
  values.forEach((value, n) => {
    if (value === null) return;
    if ((values[n - 1] ?? null) === null) found.push([n, n]);
    found[found.length - 1][1] = n;
  });
  return found;
}
// A lone point between gaps would be a line without length.
const lonely = (values, x, y, colour) =>
  values
    .map((value, n) =>
      value !== null && (values[n - 1] ?? null) === null && (values[n + 1] ?? null) === null
        ? `<circle cx="${x(n).toFixed(1)}" cy="${y(value).toFixed(1)}" r="2.5" fill="${colour}"/>`
        : "",
    )
    .join("");

function frame(box, count, low, high, unit, ticksOf) {
  const width = Math.max(box.clientWidth, 200),
    height = Math.max(box.clientHeight, 100);
  const inner = width - PAD.left - PAD.right,
    base = height - PAD.bottom;
  const ticks = niceTicks(low, high),
    top = ticks[ticks.length - 1],
    bottom = ticks[0];
  const y = (value) => PAD.top + ((top - value) / (top - bottom || 1)) * (base - PAD.top);
  let svg = "";
  for (const tick of ticks)
    svg += `<line class="grid" x1="${PAD.left}" x2="${width - PAD.right}" y1="${y(tick)}" y2="${y(tick)}"/><text x="${PAD.left - 8}" y="${y(tick) + 4}" text-anchor="end">${show(unit, tick, axis)}</text>`;
  const every = Math.max(1, Math.ceil(count / Math.max(2, Math.floor(inner / 92))));
  const label = (x) => {
    for (let n = count - 1; n >= 0; n -= every)
      svg += `<text x="${x(n)}" y="${height - 5}" text-anchor="${n === count - 1 && count > 1 ? "end" : x(n) < PAD.left + 20 ? "start" : "middle"}">${escape(ticksOf(n))}</text>`;
  };
  return { width, height, inner, base, y, label, svg: () => svg };
}

// lines: [{name, colour, values, dashed, area, partial, open, marks}]; partial points stand alone,
// and from the place `open` on, the line is not settled.
// empty: what is said where no point is known
function drawLines(box, lines, { unit, labels, ticksOf, tip, empty }) {
  const count = labels.length,
    known = lines.flatMap((line) => line.values).filter((value) => value !== null);
  const at = frame(box, count, Math.min(0, ...known), Math.max(0, ...known), unit, ticksOf);
  const x = (n) => (count === 1 ? PAD.left + at.inner / 2 : PAD.left + (n / (count - 1)) * at.inner);
  at.label(x);
  let svg = at.svg();
  if (!known.length)
    svg += `<text class="empty" x="${PAD.left + at.inner / 2}" y="${at.base / 2}" text-anchor="middle">${escape(empty)}</text>`;
  for (const { colour, values, dashed, area, partial, open, marks } of [...lines].reverse()) {
    const whole = values.map((value, n) => (partial?.[n] ? null : value)),
      first = open ?? count;
    const settled = whole.map((value, n) => (n < first ? value : null)),
      pending = whole.map((value, n) => (n >= first - 1 ? value : null));
    if (area)
      for (const [from, to] of runs(whole))
        svg += `<path d="${path(
          whole.map((value, n) => (n >= from && n <= to ? value : null)),
          x,
          at.y,
        )}L${x(to)} ${at.base}L${x(from)} ${at.base}Z" fill="${colour}" opacity=".08"/>`;
    const stroke = (line, dashes) =>
      `<path d="${line}" fill="none" stroke="${colour}" stroke-width="${dashed ? 1.5 : 2.2}" stroke-linejoin="round"${dashes ? ` stroke-dasharray="${dashes}"` : ""}/>`;
    svg += stroke(path(settled, x, at.y), dashed ? "4 4" : "") + lonely(settled, x, at.y, colour);
    if (first < count) svg += stroke(path(pending, x, at.y), "2 3");
    const hollow = values.map((_, n) => partial?.[n] || (n === count - 1 && first < count));
    for (let n = 0; n < values.length; n++)
      if (hollow[n] && values[n] !== null)
        svg += `<circle class="hollow" cx="${x(n)}" cy="${at.y(values[n])}" r="4" fill="var(--card)" stroke="${colour}" stroke-width="2"/>`;
    for (const n of marks ?? [])
      if (values[n] !== null)
        svg += `<path d="M${x(n)} ${at.y(values[n]) - 5}l5 5l-5 5l-5 -5z" fill="var(--card)" stroke="${colour}" stroke-width="1.8"/>`;
  }
  finish(box, at, svg, x, count, tip);
}
// stacks: [{name, colour, values}]; those places that are pale are partial, or not settled.
function drawBars(box, stacks, { unit, labels, pale, ticksOf, tip }) {
  const count = labels.length,
    sums = labels.map((_, n) => stacks.reduce((sum, stack) => sum + Math.max(0, stack.values[n] ?? 0), 0));
  const at = frame(box, count, 0, Math.max(...sums, 0), unit, ticksOf);
  const slot = at.inner / count,
    wide = Math.max(1, Math.min(28, slot * 0.74));
  const x = (n) => PAD.left + (n + 0.5) * slot;
  at.label(x);
  let svg = at.svg();
  labels.forEach((_, n) => {
    let below = 0;
    for (const { colour, values } of stacks) {
      const value = Math.max(0, values[n] ?? 0);
      if (value)
        svg += `<rect x="${(x(n) - wide / 2).toFixed(1)}" y="${at.y(below + value).toFixed(1)}" width="${wide.toFixed(1)}" height="${Math.max(0.5, at.y(below) - at.y(below + value)).toFixed(1)}" fill="${colour}"${pale(n) ? ' opacity=".45"' : ""}/>`;
      below += value;
    }
  });
  finish(box, at, svg, x, count, tip);
}
// The cursor follows the pointer and the arrow keys, and the tip tells of the point beneath.
function finish(box, at, svg, x, count, tip) {
  box.innerHTML = `<svg viewBox="0 0 ${at.width} ${at.height}" preserveAspectRatio="none" aria-hidden="true">${svg}<line class="cursor" y1="${PAD.top}" y2="${at.base}" visibility="hidden"/></svg>`;
  const cursor = box.querySelector(".cursor");
  let current = -1;
  const point = (n) => {
    current = Math.max(0, Math.min(count - 1, n));
    const place = box.getBoundingClientRect();
    cursor.setAttribute("x1", x(current));
    cursor.setAttribute("x2", x(current));
    cursor.setAttribute("visibility", "visible");
    showTip(tip(current), place.left + x(current), place.top + 16);
  };
  const leave = () => {
    cursor.setAttribute("visibility", "hidden");
    $("tip").hidden = true;
    current = -1;
  };
  box.onpointermove = (event) => {
    const left = event.clientX - box.getBoundingClientRect().left;
    let nearest = 0;
    for (let n = 1; n < count; n++) if (Math.abs(x(n) - left) < Math.abs(x(nearest) - left)) nearest = n;
    point(nearest);
  };
  box.onpointerleave = box.onblur = leave;
  box.onkeydown = (event) => {
    const to = { ArrowLeft: current - 1, ArrowRight: current + 1, Home: 0, End: count - 1 }[event.key];
    if (event.key === "Escape") leave();
    if (to === undefined) return;
    event.preventDefault();
    point(current < 0 ? count - 1 : to);
    box.setAttribute("aria-description", $("tip").innerText);
  };
}
function showTip(html, left, top) {
  const box = $("tip");
  box.innerHTML = html;
  box.hidden = false;
  const wide = box.offsetWidth;
  box.style.left = `${left + 14 + wide > innerWidth ? Math.max(4, left - wide - 14) : left + 14}px`;
  box.style.top = `${Math.max(4, Math.min(top, innerHeight - box.offsetHeight - 4))}px`;
}
function spark(values, before, colour) {
  const known = [...values, ...before].filter((value) => value !== null);
  if (known.length < 2) return `<svg viewBox="0 0 160 34" aria-hidden="true"></svg>`;
  const low = Math.min(...known),
    high = Math.max(...known);
  const at = (length) => (n) => 2 + (n / Math.max(1, length - 1)) * 156;
  const y = (value) => 31 - ((value - low) / (high - low || 1)) * 28;
  return `<svg viewBox="0 0 160 34" preserveAspectRatio="none" aria-hidden="true"><path d="${path(before, at(before.length), y)}" fill="none" stroke="var(--before)" stroke-width="1.2" stroke-dasharray="3 3" vector-effect="non-scaling-stroke"/><path d="${path(values, at(values.length), y)}" fill="none" stroke="${colour}" stroke-width="1.6" vector-effect="non-scaling-stroke"/></svg>`;
}
