// The charts of the page, and the table in place of the chosen one.
"use strict";
const key = (label, colour, shape = "") =>
  `<span><svg class="swatch" viewBox="0 0 14 9" aria-hidden="true">${shape ? `<path d="M0 4.5H14" stroke="${colour}" stroke-width="2.4"${shape === "dashed" ? ' stroke-dasharray="3 2"' : ""}/>` : `<rect width="10" height="9" rx="2" fill="${colour}"/>`}</svg>${escape(label)}</span>`;
const rows = (list) =>
  `<table>${list.map((cells) => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`).join("")}</table>`;

function paintMain({ now, then, fair, points: found, before, region, kpi }) {
  const by = { day: "by day", week: "by 7 days", month: "by month" }[grain(now.from, now.to)];
  $("chart-title").textContent = `${kpi.label} ${by}${region ? `, ${NAMES[region]}` : ""}`;
  const split = choice.split === "regions" && !region && D.regions.length > 2;
  const marks = found
      .map((bin, n) => (restated(bin.from, bin.to, region, kpi.name).length ? n : -1))
      .filter((n) => n >= 0);
  const partial = found.map((bin) => bin.partial),
    firstOpen = ripens(kpi) ? found.findIndex((bin) => bin.to > SETTLED) : -1,
    open = firstOpen < 0 ? found.length : firstOpen;
  const lines = split
    ? NAMES.slice(1, 11).map((name, n) => ({
        name,
        colour: COLOURS[n],
        values: points(kpi, n + 1, found),
        partial,
        open,
      }))
    : [
        {
          name: span(Math.max(0, now.from), now.to),
          colour: lineColour(),
          values: points(kpi, region, found),
          area: true,
          marks,
          partial,
          open,
        },
        ...(before.length
          ? [
              {
                name: span(then.from, then.to),
                colour: beforeColour(),
                dashed: true,
                values: found.map((_, n) => (n < before.length ? points(kpi, region, [before[n]])[0] : null)),
                partial: found.map((_, n) => before[n]?.partial),
              },
            ]
          : []),
      ];
  $("chart-legend").innerHTML = lines
    .map((line) => key(line.name, line.colour, line.dashed ? "dashed" : "line"))
    .join("");
  const tip = (n) => {
    const changed =
      marks.includes(n) && !split
        ? restated(found[n].from, found[n].to, region, kpi.name)
            .map((one) => `<p>◇ ${escape(restatedText(one))}</p>`)
            .join("")
        : "";
    const gaps = lacking(kpi, found[n]),
      why = covered(kpi).since === null ? reason(kpi, 0) : gaps.length === 1 ? reason(kpi, gaps[0]) : "";
    return `<b>${escape(labelled(n))}</b>${why ? `<p>${escape(why)}</p>` : gaps.length ? `<p>without ${escape(someDays(gaps))}</p>` : ""}${rows(lines.map((line) => [swatch(line.colour) + escape(split ? line.name : line.dashed ? (before[n]?.label ?? "") : line.name === "" ? "" : found[n].label), show(kpi.unit, line.values[n])]))}${changed}`;
  };
  const labelled = (n) => found[n].label + (n >= open ? provisional(found[n]) : "");
  $("main-chart").hidden = choice.shape === "table";
  $("main-table").hidden = choice.shape !== "table";
  if (choice.shape === "table") {
    $("main-table").innerHTML =
      `<table><thead><tr><th scope="col">${by.slice(3)}</th>${lines.map((line) => `<th scope="col">${escape(line.name)}</th>`).join("")}</tr></thead><tbody>${found.map((_, n) => `<tr><th scope="row">${escape(labelled(n))}</th>${lines.map((line) => `<td>${show(kpi.unit, line.values[n])}</td>`).join("")}</tr>`).join("")}</tbody></table>`;
    return;
  }
  const empty = reason(kpi, now.to) || "No figure in this range";
  drawLines($("main-chart"), lines, { unit: kpi.unit, labels: found, ticksOf: (n) => found[n].tick, tip, empty });
  $("main-chart").setAttribute(
    "aria-label",
    `${$("chart-title").textContent}, ${lines[0].name}. The table has the numbers.`,
  );
}

const provisional = ({ to }) => `, provisional until ${shortDay(to + RIPE_AFTER)}`;

function paintBars(id, legend, stacks, view, unit, isOpen = () => false) {
  $(legend).innerHTML = stacks.map((stack) => key(stack.name, stack.colour)).join("");
  const found = view.points;
  drawBars($(id), stacks, {
    unit,
    labels: found,
    pale: (n) => found[n].partial || isOpen(found[n]),
    ticksOf: (n) => found[n].tick,
    tip: (n) =>
      `<b>${escape(found[n].label + (isOpen(found[n]) ? provisional(found[n]) : ""))}</b>${rows(stacks.map((stack) => [swatch(stack.colour) + escape(stack.name), show(unit, stack.values[n])]))}`,
  });
  $(id).setAttribute("aria-label", stacks.map((stack) => stack.name).join(", "));
}
const sums = (values, found) =>
  found.map((bin) => total(values, Math.max(0, bin.from), Math.min(LAST, bin.to)));
function paintCustomers(view) {
  // Who returns on two days of a week is two of these: they are the orders' days, not people.
  const by = grain(view.now.from, view.now.to);
  const returning = sums(S.returning_customers[view.region], view.points);
  paintBars(
    "new-chart",
    "new-legend",
    [
      { name: by === "day" ? "Returning" : "Returning, each day", colour: lineColour(), values: returning },
      {
        name: "New",
        colour: dark() ? "#5b6472" : "#a7afbd",
        values: sums(S.new_customers[view.region], view.points),
      },
    ],
    view,
    "count",
  );
}
function paintLost(view) {
  const all = STATUSES.map((status) => sums(S.status[status].payments[view.region], view.points));
  const whole = view.points.map((_, n) => all.reduce((sum, values) => sum + (values[n] ?? 0), 0));
  const stacks = STATUSES.map((status, place) => ({
    name: status,
    colour: STATUS[status],
    values: all[place].map((value, n) => ratio(value, whole[n])),
  })).filter((stack) => stack.name !== "completed" && stack.values.some((value) => value));
  paintBars("lost-chart", "lost-legend", stacks, view, "ratio", ({ to }) => to > SETTLED);
}
